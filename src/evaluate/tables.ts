import { printable } from '../core/error.js';
import type { Interval } from './bootstrap.js';
import { COCO_METRIC_KEYS, type CocoEvaluation, type CocoMetrics } from './coco.js';
import { flatMetrics } from './metrics.js';
import type { ComparisonReport, RefinementReport, RunComparison } from './refinement-report.js';

/** Name of the whole in the column of groups. */
const WHOLE = 'all';

/** One row a group and metric, for further work: group, metric, value, and the ends of the interval. */
export function metricsTable(report: RefinementReport): Table {
  return {
    columns: ['group', 'metric', 'value', 'low', 'high'],
    rows: groupsOf(report).flatMap(({ group, metrics, intervals }) =>
      Object.entries(metrics).map(([key, value]): Cell[] => [
        group,
        key,
        value,
        ...endsOf(intervals?.[key]),
      ]),
    ),
  };
}

/**
 * One row a metric and one column a group, with intervals where there are any, to be read. Metrics of the answers alone are
 * left out where the queries do not ask for them.
 */
export function metricsOverview(report: RefinementReport): Table {
  const groups = groupsOf(report);
  const hidden = hiddenKeys(report);
  const keys = Object.keys(groups[0]!.metrics).filter((key) => !hidden.has(key));
  return {
    columns: ['metric', ...groups.map(({ group }) => group)],
    rows: keys.map((key): Cell[] => [
      key,
      ...groups.map(({ metrics, intervals }) =>
        withInterval(metrics[key] ?? null, intervals?.[key] ?? null),
      ),
    ]),
  };
}

function hiddenKeys(report: RefinementReport): ReadonlySet<string> {
  // The same number as `accuracy`.
  const hidden = ['accuracy_50'];
  if (report.absent_queries === 0) hidden.push('n_acc', 't_acc');
  if (report.absent_queries + report.set_queries === 0) hidden.push('set_precision');
  for (const key of ['score_auc', 'score_ece'] as const) {
    if (report.metrics[key] === null) hidden.push(key);
  }
  for (const [size, accuracy] of Object.entries(report.metrics.by_size)) {
    if (accuracy === null) hidden.push(`by_size.${size}`);
  }
  return new Set(hidden);
}

/** One row a group and metric: both runs, their difference and its interval. */
export function comparisonTable({ metrics, groups = {} }: ComparisonReport): Table {
  const all: [string, RunComparison][] = [[WHOLE, metrics], ...Object.entries(groups)];
  return {
    columns: ['group', 'metric', 'first', 'second', 'difference', 'low', 'high'],
    rows: all.flatMap(([group, comparison]) =>
      Object.entries(comparison).map(([key, { first, second, difference, interval }]): Cell[] => [
        group,
        key,
        first,
        second,
        difference,
        ...endsOf(interval),
      ]),
    ),
  };
}

/** The twelve numbers of COCO over all categories, and with `perCategory` of each. Undefined numbers stay -1. */
export function cocoTable({ coco, categories }: CocoEvaluation, perCategory: boolean): Table {
  const row = (name: string, id: Cell, metrics: CocoMetrics): Cell[] => [
    name,
    id,
    ...COCO_METRIC_KEYS.map((key) => metrics[key]),
  ];
  return {
    columns: ['category', 'category_id', ...COCO_METRIC_KEYS],
    rows: [
      row(WHOLE, null, coco),
      ...(perCategory ? categories.map(({ id, name, metrics }) => row(name, id, metrics)) : []),
    ],
  };
}

function groupsOf({ metrics, intervals, groups = {}, group_intervals }: RefinementReport) {
  return [
    { group: WHOLE, metrics: flatMetrics(metrics), intervals },
    ...Object.entries(groups).map(([group, own]) => ({
      group,
      metrics: flatMetrics(own),
      intervals: group_intervals?.[group],
    })),
  ];
}

function endsOf(interval: Interval | null | undefined): Cell[] {
  return [interval?.[0] ?? null, interval?.[1] ?? null];
}

function withInterval(value: number | null, interval: Interval | null): Cell {
  if (value === null || interval === null) return value;
  return `${value.toFixed(4)} (${interval[0].toFixed(4)} to ${interval[1].toFixed(4)})`;
}

/** A table as data; cells of a row stand in the order of the columns. Null is an empty cell. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export type Cell = string | number | null;

/** A spreadsheet runs a text that begins like this as a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/**
 * The table as RFC 4180 has it: commas, CR LF, quotes around a cell that needs them. Numbers stand with all their digits. A
 * text that a spreadsheet would run as a formula gets an apostrophe before it. Control characters but tabs and line ends are shown as `\u001b`.
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
export function renderCsv({ columns, rows }: Table): string {
  return [columns, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(cell);
  const shown = cell.replace(/[^\t\r\n]+/g, printable);
  const text = FORMULA.test(cell) ? `'${shown}` : shown;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The table as GitHub's Markdown has it: numbers with four decimals, columns of numbers to the right. */
export function renderMarkdown({ columns, rows }: Table): string {
  const alignments = columns.map((_, column) =>
    rows.length > 0 && rows.every((row) => typeof row[column] !== 'string') ? '---:' : '---',
  );
  return [columns.map(markdownCell), alignments, ...rows.map((row) => row.map(markdownCell))]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

/** What Markdown or the HTML in it reads as markup; an underscore only at the edge of a word. */
const MARKUP = /[\\`*[\]<>|&~]|(?<!\w)_|_(?!\w)/g;

function markdownCell(cell: Cell): string {
  if (typeof cell !== 'string') return cellText(cell);
  const oneLine = printable(cell.replace(/\s+/g, ' ').trim());
  return oneLine.replace(MARKUP, (mark) => `&#${mark.codePointAt(0)};`);
}

/** A cell to be read: a number with four decimals. */
export function cellText(cell: Cell): string {
  if (typeof cell !== 'number') return cell ?? '';
  return Number.isInteger(cell) ? String(cell) : cell.toFixed(4);
}
