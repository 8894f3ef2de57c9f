import { type CellPlan, SUMS_PER_CELL, signedRelativeIou } from './refinement-cells.js';
import type { MetricKey, RefinementMetrics } from './refinement-metrics.js';
import type { ScoreColumns } from './refinement-scores.js';
import { SeededRandom } from './seeded-random.js';

export interface BootstrapOptions {
  /** Start of the random stream; equal seeds give equal intervals. */
  readonly seed?: number;
  readonly resamples?: number;
  /** Share of the resamples inside the interval, in (0, 1). */
  readonly level?: number;
}

const DEFAULTS = { seed: 0, resamples: 1000, level: 0.95 } as const;

/** Intervals by group are made for this many groups at most: beyond, the resampled metrics would fill the memory. */
const MOST_GROUPS = 200;

/**
 * From this many queries on, each is drawn a Poisson number of times, independently of the others: every metric is a ratio of
 * sums, so a resample that is a percent longer or shorter gives the same intervals, in a third of the time.
 * @see N. Chamandy et al., "Estimating Uncertainty for Massive Data Streams", 2012
 */
const POISSON_ROWS = 20_000;

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
  const resampling = { ...DEFAULTS, ...options };
  const table = new ResampledSums(columns);
  const draws = table.groups.map(() => new MetricDraws());
  forEachResample(columns.toolIou.length, resampling, (counts) => {
    table.weigh(counts).forEach((metrics, index) => {
      draws[index]!.push(metrics);
    });
  });
  return table.byGroup((index) => draws[index]!.intervals(resampling.level));
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
  const resampling = { ...DEFAULTS, ...options };
  const tables = [
    new ResampledSums(first),
    new ResampledSums({ ...second, groups: first.groups, groupIndex: first.groupIndex }),
  ] as const;
  const draws = tables[0].groups.map(() => new MetricDraws());
  forEachResample(first.toolIou.length, resampling, (counts) => {
    const before = tables[0].weigh(counts);
    const after = tables[1].weigh(counts);
    draws.forEach((draw, index) => {
      draw.push(metricDifferences(before[index]!, after[index]!));
    });
  });
  return tables[0].byGroup((index) => draws[index]!.intervals(resampling.level));
}

/** `second - first`, metric by metric; null where one of them is null. */
export function metricDifferences(
  first: RefinementMetrics,
  second: RefinementMetrics,
): RefinementMetrics {
  const entries = (Object.keys(first) as MetricKey[]).map((key) => {
    const before = first[key] ?? null;
    const after = second[key] ?? null;
    return [key, before === null || after === null ? null : after - before];
  });
  return Object.fromEntries(entries) as RefinementMetrics;
}

function forEachResample(
  rows: number,
  { seed, resamples }: Required<BootstrapOptions>,
  visit: (counts: Uint16Array) => void,
): void {
  if (rows === 0) return;
  const random = new SeededRandom(seed);
  const counts = new Uint16Array(rows);
  for (let resample = 0; resample < resamples; resample++) {
    if (rows < POISSON_ROWS) random.drawRows(counts);
    else random.drawPoissonWeights(counts);
    visit(counts);
  }
}

/** Sums of the cells of each group under given row weights. Group 0 is the whole. */
class ResampledSums {
  /** `undefined` stands for the whole. */
  readonly groups: readonly (string | undefined)[];
  readonly #plan: CellPlan;
  readonly #sums: Float64Array;
  /** The rows so ordered that those of one slot, a cell of a group, follow each other: its sums then stay in registers. */
  readonly #order: Uint32Array;
  /** Where the rows of a slot end in `#order`. */
  readonly #slotEnds: Uint32Array;
  readonly #toolIou: Float64Array;
  readonly #finalIou: Float64Array;
  readonly #relative: Float64Array;

  constructor({ plan, toolIou, finalIou, groupIndex, groups }: ScoreColumns) {
    const grouped = groups.length <= MOST_GROUPS;
    this.groups = [undefined, ...(grouped ? groups : [])];
    this.#plan = plan;
    const slots = this.groups.length * plan.cellCount;
    this.#sums = new Float64Array(slots * SUMS_PER_CELL);
    const slotOf = Uint32Array.from(toolIou, (tool, row) => {
      const group = grouped ? groupIndex[row]! + 1 : 0;
      return group * plan.cellCount + plan.cellOf(tool, finalIou[row]!);
    });
    this.#order = Uint32Array.from(slotOf, (_, row) => row).sort((a, b) => slotOf[a]! - slotOf[b]!);
    this.#slotEnds = new Uint32Array(slots);
    for (const slot of slotOf) this.#slotEnds[slot]!++;
    for (let slot = 1; slot < slots; slot++) this.#slotEnds[slot]! += this.#slotEnds[slot - 1]!;
    this.#toolIou = Float64Array.from(this.#order, (row) => toolIou[row]!);
    this.#finalIou = Float64Array.from(this.#order, (row) => finalIou[row]!);
    this.#relative = this.#toolIou.map((tool, at) => signedRelativeIou(tool, this.#finalIou[at]!));
  }

  /** The metrics of every group, in the order of `groups`. */
  weigh(counts: Uint16Array): RefinementMetrics[] {
    this.#sumSlots(counts);
    const sums = this.#sums;
    const stride = this.#plan.cellCount * SUMS_PER_CELL;
    for (let index = stride; index < sums.length; index++) sums[index % stride]! += sums[index]!;
    return this.groups.map((_, group) => this.#plan.metricsOf(sums, group * stride));
  }

  #sumSlots(counts: Uint16Array): void {
    const [order, toolIou, finalIou] = [this.#order, this.#toolIou, this.#finalIou];
    const relative = this.#relative;
    let at = 0;
    for (let slot = 0; slot < this.#slotEnds.length; slot++) {
      const end = this.#slotEnds[slot]!;
      let count = 0;
      let tool = 0;
      let final = 0;
      let gain = 0;
      for (; at < end; at++) {
        const weight = counts[order[at]!]!;
        count += weight;
        tool += weight * toolIou[at]!;
        final += weight * finalIou[at]!;
        gain += weight * relative[at]!;
      }
      this.#sums.set([count, tool, final, gain], slot * SUMS_PER_CELL);
    }
  }

  byGroup(intervalsOf: (group: number) => MetricIntervals): Intervals {
    const named = this.groups
      .map((group, index) => [group, index] as const)
      .filter((entry): entry is readonly [string, number] => entry[0] !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      overall: intervalsOf(0),
      groups: new Map(named.map(([group, index]) => [group, intervalsOf(index)])),
    };
  }
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
