import { basename, dirname } from 'node:path';
import { printable } from '../core/error.js';
import { isCorrect } from '../core/iou.js';
import { tableText } from '../core/text.js';
import { UNSURE_BELOW } from '../formats/result-line.js';
import type { ScoredQuery } from './answers.js';
import type { Interval } from './bootstrap.js';
import type { ComparisonReport, RefinementReport } from './refinement-report.js';
import type { Table } from './tables.js';

/** The numbers of a run that matter first, for a terminal. */
export function summaryText(report: RefinementReport, queries: readonly ScoredQuery[]): string {
  const total = queries.length;
  const share = (holds: (query: ScoredQuery) => boolean): [string, string] => {
    const count = queries.filter(holds).length;
    return [percent(total === 0 ? null : count / total), `${count} of ${total}`];
  };
  const isRight = ({ finalIou }: ScoredQuery): boolean => isCorrect(finalIou ?? 0);
  const wasRight = ({ toolIou }: ScoredQuery): boolean => isCorrect(toolIou ?? 0);
  const { metrics, intervals } = report;
  return tableText([
    ['accuracy', percent(metrics.accuracy), range(intervals?.accuracy), 'answers that are right'],
    [
      'tool',
      percent(metrics.tool_accuracy),
      range(intervals?.tool_accuracy),
      'the same of the tool alone',
    ],
    [
      'corrected',
      ...share((query) => !wasRight(query) && isRight(query)),
      'tool wrong, answer right',
    ],
    ['lost', ...share((query) => wasRight(query) && !isRight(query)), 'tool right, answer wrong'],
    [
      'unsure',
      ...share(({ confidence }) => confidence != null && confidence < UNSURE_BELOW),
      `score below ${UNSURE_BELOW}`,
    ],
  ]);
}

/** Metrics of which less is better. */
const LESS_IS_BETTER = new Set(['worsen_rate', 'inherited_error_rate', 'score_ece']);
/** What a comparison shows first. */
const FIRST = new Set(['accuracy', 'tool_accuracy', 'ccr', 'worsen_rate', 'mean_iou']);

/**
 * Two runs beside each other; `+` is better.
 * @param names of the run and of the one that it is compared with: files or tools
 */
export function comparisonText(
  { metrics }: ComparisonReport,
  names: readonly [string, string],
  { all }: { readonly all: boolean },
): string {
  const shown = Object.entries(metrics).filter(([key]) => all || FIRST.has(key));
  const rows = shown.map(([key, { first, second, difference, interval }]) => {
    const sign = LESS_IS_BETTER.has(key) ? 1 : -1;
    const isChance = interval && difference !== 0 && interval[0] * interval[1] <= 0;
    const change = difference === null ? '-' : signed(sign * difference);
    return [key, fixed(first), fixed(second), change, isChance ? 'may be chance' : ''];
  });
  return tableText([['metric', ...shortNames(names), '+ is better', ''], ...rows]);
}

/** Everything, with columns that stand below each other. Of groups there are no intervals: they would not fit. */
export function wholeText({ columns, rows }: Table): string {
  const cell = (value: string | number | null): string =>
    value === null ? '-' : typeof value === 'number' ? fixed(value) : printable(value);
  const cells = (row: Table['rows'][number]): string[] =>
    row.map((each, at) => (at > 1 ? cell(each).replace(/ \(.*\)$/, '') : cell(each)));
  return tableText([columns.map(printable), ...rows.map(cells)]);
}

/** Names of files; those of their folders where they are the same. */
function shortNames(names: readonly [string, string]): string[] {
  const short = names.map((name) => basename(name));
  if (short[0] !== short[1]) return short.map(printable);
  return names.map((name) => printable(basename(dirname(name)) || name));
}

function percent(value: number | null): string {
  return value === null ? '-' : `${(100 * value).toFixed(1)} %`;
}

function range(interval: Interval | null | undefined): string {
  return interval ? interval.map((end) => (100 * end).toFixed(1)).join(' to ') : '';
}

function fixed(value: number | null): string {
  return value === null ? '-' : Number.isInteger(value) ? String(value) : value.toFixed(3);
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(3)}`;
}
