import { answerMetrics } from './answer-metrics.js';
import {
  type BootstrapOptions,
  bootstrapIntervals,
  difference,
  type Interval,
  type MetricIntervals,
} from './bootstrap.js';
import {
  flatMetrics,
  type RefinementScores,
  type RunMetrics,
  type ScoredQuery,
} from './metrics.js';

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
  const intervals = bootstrap && bootstrapIntervals(scores, bootstrap);
  const count = (holds: (query: ScoredQuery) => boolean) => scores.queries.filter(holds).length;
  return {
    metrics: runMetrics(scores),
    groups: recordOf(groupMetrics(scores)),
    intervals: intervals?.overall,
    group_intervals: intervals && recordOf(intervals.groups),
    absent_queries: count(({ truths }) => truths === 0),
    set_queries: count(({ truths = 0 }) => truths > 1),
    missing_answers: count(({ finalIou }) => finalIou === null),
    missing_tools: count(({ toolIou }) => toolIou === null),
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

/** Undefined for an empty map: a document leaves it out. */
function recordOf<T>(map: ReadonlyMap<string, T>): Readonly<Record<string, T>> | undefined {
  return map.size > 0 ? Object.fromEntries(map) : undefined;
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

/** Two runs over the same queries, in the same order. */
export function comparisonReport(
  first: RefinementScores,
  second: RefinementScores,
  bootstrap?: BootstrapOptions,
): ComparisonReport {
  const { overall, groups } = bootstrapIntervals(first, bootstrap, second);
  const [before, after] = [groupMetrics(first), groupMetrics(second)];
  const byGroup = [...groups]
    .filter(([group]) => after.has(group))
    .map(([group, intervals]): [string, RunComparison] => [
      group,
      compared(before.get(group)!, after.get(group)!, intervals),
    ]);
  return {
    metrics: compared(runMetrics(first), runMetrics(second), overall),
    groups: recordOf(new Map(byGroup)),
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
    const interval = intervals[key] ?? null;
    return [key, { first, second, difference: difference(first, second), interval }];
  });
  return Object.fromEntries(entries);
}
