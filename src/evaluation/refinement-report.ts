import { VgrError } from '../formats/fault.js';
import {
  type BootstrapOptions,
  bootstrapDifferences,
  bootstrapIntervals,
  type Interval,
  type MetricIntervals,
  metricDifferences,
} from './bootstrap.js';
import type { MetricKey, RefinementMetrics } from './refinement-metrics.js';
import type { RefinementScores } from './refinement-scores.js';

/** Metrics of one run, with the keys of `vgr eval --json`. */
export interface RefinementReport {
  readonly metrics: RefinementMetrics;
  /** Present where some query has a group. */
  readonly groups?: Readonly<Record<string, RefinementMetrics>>;
  readonly intervals?: MetricIntervals;
  /** Present where there are groups, and no more than 200. */
  readonly group_intervals?: Readonly<Record<string, MetricIntervals>>;
  /** Queries without an answer; each counts with IoU 0. */
  readonly missing_answers: number;
  /** Queries without a box of the tool; each counts with IoU 0. */
  readonly missing_tools: number;
}

/** @param bootstrap absent: no intervals are made */
export function refinementReport(
  scores: RefinementScores,
  bootstrap?: BootstrapOptions,
): RefinementReport {
  const groups = scores.groupMetrics();
  const intervals = bootstrap && bootstrapIntervals(scores.columns(), bootstrap);
  return {
    metrics: scores.metrics(),
    ...(groups.size > 0 && { groups: Object.fromEntries(groups) }),
    ...(intervals && { intervals: intervals.overall }),
    ...(intervals?.groups.size && { group_intervals: Object.fromEntries(intervals.groups) }),
    missing_answers: scores.missingAnswers,
    missing_tools: scores.missingTools,
  };
}

/** One metric of two runs. */
export interface MetricComparison {
  readonly first: number | null;
  readonly second: number | null;
  /** `second - first` */
  readonly difference: number | null;
  /** Of the difference, from the paired bootstrap. */
  readonly interval: Interval | null;
}

/** By metric. */
export type RunComparison = Readonly<Record<string, MetricComparison>>;

export interface ComparisonReport {
  readonly metrics: RunComparison;
  /** Groups of the first run. */
  readonly groups?: Readonly<Record<string, RunComparison>>;
}

/**
 * Two runs over the same queries, in the same order.
 * @throws VgrError INPUT_INVALID where they have different numbers of queries
 */
export function comparisonReport(
  first: RefinementScores,
  second: RefinementScores,
  bootstrap?: BootstrapOptions,
): ComparisonReport {
  if (first.total !== second.total) {
    throw new VgrError(
      'INPUT_INVALID',
      `two runs are compared query by query: expected ${first.total} queries in both, got ${second.total}`,
    );
  }
  const differences = bootstrapDifferences(first.columns(), second.columns(), bootstrap);
  const before = first.groupMetrics();
  const after = second.groupMetrics();
  const groups = [...differences.groups]
    .filter(([group]) => after.has(group))
    .map(([group, intervals]) => [
      group,
      compared(before.get(group)!, after.get(group)!, intervals),
    ]);
  return {
    metrics: compared(first.metrics(), second.metrics(), differences.overall),
    ...(groups.length > 0 && { groups: Object.fromEntries(groups) }),
  };
}

function compared(
  first: RefinementMetrics,
  second: RefinementMetrics,
  intervals: MetricIntervals,
): RunComparison {
  const differences = metricDifferences(first, second);
  const entries = (Object.keys(first) as MetricKey[]).map((key) => [
    key,
    {
      first: first[key] ?? null,
      second: second[key] ?? null,
      difference: differences[key] ?? null,
      interval: intervals[key] ?? null,
    },
  ]);
  return Object.fromEntries(entries);
}
