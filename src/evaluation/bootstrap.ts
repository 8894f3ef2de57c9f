import { SeededRandom } from '../random/seeded-random.js';
import type { MetricKey, RefinementMetrics } from './refinement-metrics.js';
import type { ScoreColumns } from './refinement-scores.js';
import { Resampler } from './resampling.js';

export interface BootstrapOptions {
  /** Start of the random stream; equal seeds give equal intervals. */
  readonly seed?: number;
  readonly resamples?: number;
  /** Share of the resamples inside the interval, in (0, 1). */
  readonly level?: number;
}

const DEFAULTS = { seed: 0, resamples: 1000, level: 0.95 } as const;

/** Lowest and highest plausible value. */
export type Interval = readonly [low: number, high: number];

/** Null where the metric itself is null or no resample defines it; `total` has no interval. */
export type MetricIntervals = Readonly<Partial<Record<MetricKey, Interval | null>>>;

export interface Intervals {
  readonly overall: MetricIntervals;
  /** Empty where there are more than 200 groups. */
  readonly groups: ReadonlyMap<string, MetricIntervals>;
}

/**
 * Percentile bootstrap over queries: as many queries are drawn with replacement as there are, their metrics computed, and
 * of all resamples the middle `level` taken, with linear interpolation between order statistics. The groups are read off
 * the same resamples, so that their sizes vary as in a new sample of queries.
 * @see B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13
 */
export function bootstrapIntervals(columns: ScoreColumns, options?: BootstrapOptions): Intervals {
  return resampledIntervals([columns], options, ([metrics]) => metrics!);
}

/**
 * Paired bootstrap of `second - first`: both runs are resampled with the same queries, so what makes a query hard for both
 * cancels out. Row i of both is the same query; the groups are those of `first`.
 */
export function bootstrapDifferences(
  first: ScoreColumns,
  second: ScoreColumns,
  options?: BootstrapOptions,
): Intervals {
  return resampledIntervals([first, second], options, ([before, after]) =>
    before!.map((metrics, group) => metricDifferences(metrics, after![group]!)),
  );
}

/** `second - first`, metric by metric; null where one of them is null. */
function metricDifferences(first: RefinementMetrics, second: RefinementMetrics): RefinementMetrics {
  const entries = (Object.keys(first) as MetricKey[]).map((key) => {
    const before = first[key] ?? null;
    const after = second[key] ?? null;
    return [key, before === null || after === null ? null : after - before];
  });
  return Object.fromEntries(entries) as RefinementMetrics;
}

/** @param measured what is of interest of a sample: metrics by group, from metrics by run and group */
function resampledIntervals(
  runs: readonly [ScoreColumns, ...ScoreColumns[]],
  options: BootstrapOptions | undefined,
  measured: (byRun: RefinementMetrics[][]) => RefinementMetrics[],
): Intervals {
  const { seed, resamples, level } = { ...DEFAULTS, ...options };
  const resampler = new Resampler(runs);
  const random = new SeededRandom(seed);
  const draws = resampler.groups.map(() => new MetricDraws());
  const samples = runs[0].toolIou.length === 0 ? 0 : resamples;
  for (let sample = 0; sample < samples; sample++) {
    measured(resampler.draw(random)).forEach((metrics, group) => {
      draws[group]!.push(metrics);
    });
  }
  const named = resampler.groups
    .flatMap((group, index) => (group === undefined ? [] : [[group, draws[index]!] as const]))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    overall: draws[0]!.intervals(level),
    groups: new Map(named.map(([group, draw]) => [group, draw.intervals(level)])),
  };
}

/** The values that each metric takes over the resamples. */
class MetricDraws {
  readonly #values = new Map<MetricKey, number[]>();

  push(metrics: RefinementMetrics): void {
    for (const key of Object.keys(metrics) as MetricKey[]) {
      if (key === 'total') continue;
      const values = this.#values.get(key) ?? [];
      this.#values.set(key, values);
      const value = metrics[key] ?? null;
      if (value !== null) values.push(value);
    }
  }

  intervals(level: number): MetricIntervals {
    const tail = (1 - level) / 2;
    const entries = [...this.#values].map(([key, values]) => {
      const sorted = Float64Array.from(values).sort();
      return [key, sorted.length ? [quantile(sorted, tail), quantile(sorted, 1 - tail)] : null];
    });
    return Object.fromEntries(entries) as MetricIntervals;
  }
}

/** Linear interpolation between order statistics, as numpy's default. `sorted` rises and is not empty. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}
