import type { Interval, MetricIntervals } from './bootstrap.js';
import type { CocoEvaluation } from './coco-evaluation.js';
import { COCO_METRIC_KEYS, type CocoMetrics } from './coco-parameters.js';
import type { MetricKey, RefinementMetrics } from './refinement-metrics.js';
import type { ComparisonReport, RefinementReport, RunComparison } from './refinement-report.js';
import type { Cell, Table } from './table.js';

/** Name of the whole in the column of groups. */
const WHOLE = 'all';

/** One row a group and metric, for further work: group, metric, value, and the ends of the interval. */
export function metricsTable(report: RefinementReport): Table {
  return {
    columns: ['group', 'metric', 'value', 'low', 'high'],
    rows: groupsOf(report).flatMap(({ group, metrics, intervals }) =>
      keysOf(metrics).map((key): Cell[] => {
        const interval = intervals?.[key] ?? null;
        return [group, key, metrics[key] ?? null, interval?.[0] ?? null, interval?.[1] ?? null];
      }),
    ),
  };
}

/** One row a metric and one column a group, with intervals where there are any, to be read. */
export function metricsOverview(report: RefinementReport): Table {
  const groups = groupsOf(report);
  return {
    columns: ['metric', ...groups.map(({ group }) => group)],
    rows: keysOf(report.metrics).map((key): Cell[] => [
      key,
      ...groups.map(({ metrics, intervals }) =>
        withInterval(metrics[key] ?? null, intervals?.[key] ?? null),
      ),
    ]),
  };
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
        interval?.[0] ?? null,
        interval?.[1] ?? null,
      ]),
    ),
  };
}

/** The twelve numbers of COCO over all categories, and with `perCategory` of each. Undefined numbers stay -1. */
export function cocoTable({ coco, categories }: CocoEvaluation, perCategory: boolean): Table {
  const row = (name: string, id: number | null, metrics: CocoMetrics): Cell[] => [
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

interface NamedMetrics {
  readonly group: string;
  readonly metrics: RefinementMetrics;
  readonly intervals: MetricIntervals | undefined;
}

function groupsOf(report: RefinementReport): NamedMetrics[] {
  return [
    { group: WHOLE, metrics: report.metrics, intervals: report.intervals },
    ...Object.entries(report.groups ?? {}).map(([group, metrics]) => ({
      group,
      metrics,
      intervals: report.group_intervals?.[group],
    })),
  ];
}

function keysOf(metrics: RefinementMetrics): MetricKey[] {
  return Object.keys(metrics) as MetricKey[];
}

function withInterval(value: number | null, interval: Interval | null): Cell {
  if (value === null || interval === null) return value;
  return `${value.toFixed(4)} (${interval[0].toFixed(4)} to ${interval[1].toFixed(4)})`;
}
