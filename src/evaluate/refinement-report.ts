import { VgrError } from '../core/error.js';
import {
  type BootstrapOptions,
  bootstrapDifferences,
  bootstrapIntervals,
  type Interval,
  type MetricIntervals,
} from './bootstrap.js';
import { flatMetrics, type MetricKey, type RunMetrics } from './metrics.js';
import type { RefinementScores } from './refinement-scores.js';

/** Metrics of one run, with the keys of `vgr eval --json`. */
export interface RefinementReport {
  readonly metrics: RunMetrics;
  /** Present where some query has a group. */
  readonly groups?: Readonly<Record<string, RunMetrics>>;
  readonly intervals?: MetricIntervals;
  /** Present where there are groups, and no more than 200. */
  readonly group_intervals?: Readonly<Record<string, MetricIntervals>>;
  /** Queries that nothing in the photo fits. */
  readonly absent_queries: number;
  /** Queries that mean several objects. */
  readonly set_queries: number;
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
  const groups = groupMetrics(scores);
  const intervals = bootstrap && bootstrapIntervals(scores.columns(), bootstrap);
  return {
    metrics: runMetrics(scores),
    ...(groups.size > 0 && { groups: Object.fromEntries(groups) }),
    ...(intervals && { intervals: intervals.overall }),
    ...(intervals?.groups.size && { group_intervals: Object.fromEntries(intervals.groups) }),
    absent_queries: scores.answers.absent,
    set_queries: scores.answers.sets,
    missing_answers: scores.missingAnswers,
    missing_tools: scores.missingTools,
  };
}

function runMetrics(scores: RefinementScores): RunMetrics {
  return { ...scores.metrics(), ...scores.answers.metrics() };
}

function groupMetrics(scores: RefinementScores): ReadonlyMap<string, RunMetrics> {
  const answers = scores.answers.groupMetrics();
  const groups = [...scores.groupMetrics()];
  return new Map(groups.map(([group, metrics]) => [group, { ...metrics, ...answers.get(group)! }]));
}

/** One metric of two runs. */
export interface MetricComparison {
  readonly first: number | null;
  readonly second: number | null;
  /** `second - first` */
  readonly difference: number | null;
  /** Of the difference, from the paired bootstrap; null for metrics that have none. */
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
  const before = groupMetrics(first);
  const after = groupMetrics(second);
  const groups = [...differences.groups]
    .filter(([group]) => after.has(group))
    .map(([group, intervals]) => [
      group,
      compared(before.get(group)!, after.get(group)!, intervals),
    ]);
  return {
    metrics: compared(runMetrics(first), runMetrics(second), differences.overall),
    ...(groups.length > 0 && { groups: Object.fromEntries(groups) }),
  };
}

function compared(
  before: RunMetrics,
  after: RunMetrics,
  intervals: MetricIntervals,
): RunComparison {
  const seconds = flatMetrics(after);
  const entries = Object.entries(flatMetrics(before)).map(([key, first]) => {
    const second = seconds[key] ?? null;
    const difference = first === null || second === null ? null : second - first;
    return [key, { first, second, difference, interval: intervals[key as MetricKey] ?? null }];
  });
  return Object.fromEntries(entries);
}
