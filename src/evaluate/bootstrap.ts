import { SeededRandom } from '../core/random.js';
import type { MetricKey, RefinementMetrics } from './metrics.js';
import {
  type CellPlan,
  type ScoreColumns,
  SUMS_PER_CELL,
  signedRelativeIou,
} from './refinement-scores.js';

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

/** Groups are resampled where there are this many at most: beyond, their metrics would fill the memory. */
const MAX_GROUPS = 200;

/** From this many queries on, sums over many of them are drawn at once. */
const MANY_ROWS = 20_000;

/** A sum over this many queries is normally distributed for all that a percentile can tell. */
const MANY_IN_SLOT = 200;

/** Numbers that a run has of a query beside its count: tool IoU, final IoU, signed relative IoU. */
const VALUES_PER_RUN = SUMS_PER_CELL - 1;

/** The queries of one group that fall, in each run, in one cell. */
interface Slot {
  /** Groups count from 1; 0 for a query without one. */
  readonly group: number;
  /** By run. */
  readonly cells: readonly number[];
  /** Rows of the resampler's own order. */
  readonly from: number;
  readonly to: number;
}

/**
 * Draws samples of the queries of one run, or of two runs over the same queries, with replacement.
 *
 * Metrics are ratios of sums over cells, so a sample is known by its sums over each slot. Of few queries rows are drawn one by
 * one. Of many, each row is drawn a Poisson number of times, independently, and the sums over a slot of many rows come at
 * once from the normal distribution that they then have: its mean is the sum over the rows, its covariance the sum of their
 * products.
 * @see N. Chamandy et al., "Estimating Uncertainty for Massive Data Streams", 2012
 */
class Resampler {
  /** Names of the groups; the first is undefined and stands for the whole. */
  readonly groups: readonly (string | undefined)[];
  readonly #plans: readonly CellPlan[];
  readonly #slots: readonly Slot[];
  /** Row of the columns, by row of the order in which slots hold them. */
  readonly #order: Uint32Array;
  /** Numbers of a row: 1, then the values of each run. */
  readonly #width: number;
  readonly #values: Float64Array;
  /** By slot; only where its sums are drawn at once. */
  readonly #normals: readonly (NormalSums | undefined)[];
  /** By run: the sums of every cell of every group. */
  readonly #sums: readonly Float64Array[];
  readonly #counts: Uint16Array;
  readonly #slotSums: Float64Array;

  /** @param runs one or more, row i of all is the same query; the groups are those of the first */
  constructor(runs: readonly [ScoreColumns, ...ScoreColumns[]]) {
    const [{ groups, toolIou }] = runs;
    const rows = toolIou.length;
    this.groups = [undefined, ...(groups.length <= MAX_GROUPS ? groups : [])];
    this.#plans = runs.map(({ plan }) => plan);
    this.#width = 1 + VALUES_PER_RUN * runs.length;
    const { slots, order } = slotsOf(runs, this.groups.length > 1);
    this.#slots = slots;
    this.#order = order;
    this.#values = valuesOf(runs, order, this.#width);
    const isMany = rows >= MANY_ROWS;
    this.#normals = slots.map(({ from, to }) =>
      isMany && to - from >= MANY_IN_SLOT
        ? new NormalSums(this.#values.subarray(from * this.#width, to * this.#width), this.#width)
        : undefined,
    );
    this.#sums = runs.map(
      ({ plan }) => new Float64Array(this.groups.length * plan.cellCount * SUMS_PER_CELL),
    );
    this.#counts = new Uint16Array(isMany ? 0 : rows);
    this.#slotSums = new Float64Array(this.#width);
  }

  /** One sample: by run, the metrics of every group. */
  draw(random: SeededRandom): RefinementMetrics[][] {
    random.drawRows(this.#counts);
    for (const sums of this.#sums) sums.fill(0);
    this.#slots.forEach((slot, index) => {
      const normal = this.#normals[index];
      if (normal) normal.draw(random, this.#slotSums);
      else this.#sumRows(slot, random);
      this.#addSlot(slot);
    });
    return this.#plans.map((plan, run) =>
      this.groups.map((_, group) =>
        plan.metricsOf(this.#sums[run]!, group * plan.cellCount * SUMS_PER_CELL),
      ),
    );
  }

  #sumRows({ from, to }: Slot, random: SeededRandom): void {
    const [width, values, sums] = [this.#width, this.#values, this.#slotSums.fill(0)];
    const isDrawn = this.#counts.length > 0;
    for (let at = from; at < to; at++) {
      const count = isDrawn ? this.#counts[this.#order[at]!]! : random.nextPoisson();
      if (count === 0) continue;
      const start = at * width;
      for (let column = 0; column < width; column++) {
        sums[column]! += count * values[start + column]!;
      }
    }
  }

  /** Adds the sums of a slot to its group and to the whole, run by run. */
  #addSlot({ group, cells }: Slot): void {
    cells.forEach((cell, run) => {
      const sums = this.#sums[run]!;
      const inGroup = (group * this.#plans[run]!.cellCount + cell) * SUMS_PER_CELL;
      const inWhole = cell * SUMS_PER_CELL;
      for (let sum = 0; sum < SUMS_PER_CELL; sum++) {
        const value = this.#slotSums[sum === 0 ? 0 : run * VALUES_PER_RUN + sum]!;
        sums[inWhole + sum]! += value;
        if (group > 0) sums[inGroup + sum]! += value;
      }
    });
  }
}

function slotsOf(
  runs: readonly [ScoreColumns, ...ScoreColumns[]],
  isGrouped: boolean,
): { slots: Slot[]; order: Uint32Array } {
  const [{ groupIndex, toolIou }] = runs;
  const keys = Float64Array.from(toolIou, (_, row) =>
    runs.reduce(
      (key, run) =>
        key * run.plan.cellCount + run.plan.cellOf(run.toolIou[row]!, run.finalIou[row]!),
      isGrouped ? groupIndex[row]! + 1 : 0,
    ),
  );
  const order = Uint32Array.from(keys, (_, row) => row).sort((a, b) => keys[a]! - keys[b]!);
  const slots: Slot[] = [];
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && keys[order[to]!] === keys[order[from]!]) to++;
    const row = order[from]!;
    slots.push({
      group: isGrouped ? groupIndex[row]! + 1 : 0,
      cells: runs.map((run) => run.plan.cellOf(run.toolIou[row]!, run.finalIou[row]!)),
      from,
      to,
    });
    from = to;
  }
  return { slots, order };
}

function valuesOf(runs: readonly ScoreColumns[], order: Uint32Array, width: number): Float64Array {
  const values = new Float64Array(order.length * width);
  order.forEach((row, at) => {
    values[at * width] = 1;
    runs.forEach(({ toolIou, finalIou }, run) => {
      const start = at * width + 1 + run * VALUES_PER_RUN;
      values[start] = toolIou[row]!;
      values[start + 1] = finalIou[row]!;
      values[start + 2] = signedRelativeIou(toolIou[row]!, finalIou[row]!);
    });
  });
  return values;
}

/** Sums over rows with independent Poisson weights of mean 1, as the normal distribution of the same mean and covariance. */
class NormalSums {
  readonly #mean: Float64Array;
  /** Lower triangle L with L Lᵀ the covariance, row-major. */
  readonly #factor: Float64Array;

  constructor(values: Float64Array, width: number) {
    this.#mean = new Float64Array(width);
    const products = new Float64Array(width * width);
    for (let start = 0; start < values.length; start += width) {
      for (let row = 0; row < width; row++) {
        const value = values[start + row]!;
        this.#mean[row]! += value;
        for (let column = 0; column <= row; column++) {
          products[row * width + column]! += value * values[start + column]!;
        }
      }
    }
    this.#factor = choleskyFactor(products, width);
  }

  draw(random: SeededRandom, sums: Float64Array): void {
    const width = this.#mean.length;
    sums.set(this.#mean);
    for (let column = 0; column < width; column++) {
      const normal = random.nextNormal();
      for (let row = column; row < width; row++) {
        sums[row]! += this.#factor[row * width + column]! * normal;
      }
    }
  }
}

/** Values that depend on others, as equal IoUs of tool and answer do, leave no more than rounding on the diagonal. */
const DEPENDENT = 1e-9;

/** The lower triangle L with L Lᵀ = A, for A positive semidefinite, given by its lower triangle. */
function choleskyFactor(matrix: Float64Array, width: number): Float64Array {
  const factor = new Float64Array(width * width);
  for (let column = 0; column < width; column++) {
    for (let row = column; row < width; row++) {
      let rest = matrix[row * width + column]!;
      for (let before = 0; before < column; before++) {
        rest -= factor[row * width + before]! * factor[column * width + before]!;
      }
      if (row === column) {
        const isFree = rest > DEPENDENT * matrix[row * width + row]!;
        factor[row * width + row] = isFree ? Math.sqrt(rest) : 0;
      } else {
        const diagonal = factor[column * width + column]!;
        factor[row * width + column] = diagonal === 0 ? 0 : rest / diagonal;
      }
    }
  }
  return factor;
}
