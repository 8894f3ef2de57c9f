import { VgrError } from '../core/error.js';
import { answerMetrics } from './answer-metrics.js';
import {
  type BootstrapOptions,
  bootstrapDifferences,
  bootstrapIntervals,
  type Interval,
  type MetricIntervals,
} from './bootstrap.js';
import { flatMetrics, type MetricKey, type RefinementScores, type RunMetrics } from './metrics.js';

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
  const intervals = bootstrap && bootstrapIntervals(scores, bootstrap);
  return {
    metrics: runMetrics(scores),
    groups: groups.size > 0 ? Object.fromEntries(groups) : undefined,
    intervals: intervals?.overall,
    group_intervals: intervals?.groups.size ? Object.fromEntries(intervals.groups) : undefined,
    absent_queries: scores.queries.filter(({ truths }) => truths === 0).length,
    set_queries: scores.queries.filter(({ truths = 0 }) => truths > 1).length,
    missing_answers: scores.missingAnswers,
    missing_tools: scores.missingTools,
  };
}

function runMetrics(scores: RefinementScores): RunMetrics {
  return { ...scores.metrics(), ...answerMetrics(scores.queries) };
}

function groupMetrics(scores: RefinementScores): ReadonlyMap<string, RunMetrics> {
  const entries = [...scores.groupMetrics()].map(([group, metrics]): [string, RunMetrics] => [
    group,
    { ...metrics, ...answerMetrics(scores.inGroup(group)) },
  ]);
  return new Map(entries);
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
  const [expected, got] = [first.queries.length, second.queries.length];
  if (expected !== got) {
    throw new VgrError(
      'INPUT_INVALID',
      `two runs are compared query by query: expected ${expected} queries in both, got ${got}`,
    );
  }
  const differences = bootstrapDifferences(first, second, bootstrap);
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
    groups: groups.length > 0 ? Object.fromEntries(groups) : undefined,
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
