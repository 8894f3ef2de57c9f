import { answerMetrics } from './answer-metrics.js';
import type { ScoredQuery } from './answers.js';
import {
  type BootstrapOptions,
  bootstrapIntervals,
  difference,
  type Interval,
  type MetricIntervals,
} from './bootstrap.js';
import { flatMetrics, type RefinementScores, type RunMetrics } from './metrics.js';

export type RefinementReport = ReturnType<typeof refinementReport>;

/**
 * Metrics of one run, with the keys of `vgr eval --json`; what is undefined is left out of the document.
 * @param bootstrap absent: no intervals are made
 */
export function refinementReport(scores: RefinementScores, bootstrap?: BootstrapOptions) {
  const intervals = bootstrap && bootstrapIntervals(scores, bootstrap);
  const count = (holds: (query: ScoredQuery) => boolean) => scores.queries.filter(holds).length;
  return {
    metrics: runMetrics(scores),
    /** Undefined where no query has a group. */
    groups: recordOf(groupMetrics(scores)),
    intervals: intervals?.overall,
    /** Undefined where there are no groups, or more than 200. */
    group_intervals: intervals && recordOf(intervals.groups),
    /** Queries that nothing in the photo fits. */
    absent_queries: count(({ truths }) => truths === 0),
    /** Queries that mean several objects. */
    set_queries: count(({ truths = 0 }) => truths > 1),
    /** Queries without an answer, and without a box of the tool; each counts with IoU 0. */
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

/** Undefined for an empty map. */
function recordOf<T>(map: ReadonlyMap<string, T>): Readonly<Record<string, T>> | undefined {
  return map.size > 0 ? Object.fromEntries(map) : undefined;
}

export type ComparisonReport = ReturnType<typeof comparisonReport>;

/** Two runs over the same queries, in the same order. */
export function comparisonReport(
  first: RefinementScores,
  second: RefinementScores,
  bootstrap?: BootstrapOptions,
) {
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
    /** Of the first run. */
    groups: recordOf(new Map(byGroup)),
  };
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
