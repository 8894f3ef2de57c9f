import { SeededRandom } from '../core/random.js';
import {
  type MetricKey,
  type RefinementMetrics,
  type RefinementScores,
  SUMS_PER_CELL,
  signedRelativeIou,
} from './metrics.js';

export interface BootstrapOptions {
  /** Start of the random stream; equal seeds give equal intervals. Default 0. */
  readonly seed?: number;
  /** Default 1000. */
  readonly resamples?: number;
}

/** Share of the resamples inside an interval. */
const LEVEL = 0.95;

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
 * of all resamples the middle 95 % taken, with linear interpolation between order statistics. The groups are read off the
 * same resamples, so that their sizes vary as in a new sample of queries.
 * @see B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13
 */
export function bootstrapIntervals(
  scores: RefinementScores,
  options?: BootstrapOptions,
): Intervals {
  return resampledIntervals([scores], options, ([metrics]) => metrics!);
}

/**
 * Paired bootstrap of `second - first`: both runs are resampled with the same queries, so what makes a query hard for both
 * cancels out. Row i of both is the same query; the groups are those of `first`.
 */
export function bootstrapDifferences(
  first: RefinementScores,
  second: RefinementScores,
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

type Runs = readonly [RefinementScores, ...RefinementScores[]];

/** @param measured what is of interest of a sample: metrics by group, from metrics by run and group */
function resampledIntervals(
  runs: Runs,
  { seed = 0, resamples = 1000 }: BootstrapOptions = {},
  measured: (byRun: RefinementMetrics[][]) => RefinementMetrics[],
): Intervals {
  const resampler = new Resampler(runs);
  const random = new SeededRandom(seed);
  const draws = resampler.groups.map(() => new Map<MetricKey, number[]>());
  const samples = runs[0].queries.length === 0 ? 0 : resamples;
  for (let sample = 0; sample < samples; sample++) {
    measured(resampler.draw(random)).forEach((metrics, group) => {
      addDraw(draws[group]!, metrics);
    });
  }
  const groups = resampler.groups
    .flatMap((group, index) =>
      group === undefined ? [] : [[group, intervalsOf(draws[index]!)] as const],
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return { overall: intervalsOf(draws[0]!), groups: new Map(groups) };
}

/** Adds the metrics of one sample to the values that each takes over the resamples. */
function addDraw(draws: Map<MetricKey, number[]>, metrics: RefinementMetrics): void {
  for (const key of Object.keys(metrics) as MetricKey[]) {
    if (key === 'total') continue;
    const values = draws.get(key) ?? [];
    draws.set(key, values);
    const value = metrics[key] ?? null;
    if (value !== null) values.push(value);
  }
}

function intervalsOf(draws: ReadonlyMap<MetricKey, readonly number[]>): MetricIntervals {
  const tail = (1 - LEVEL) / 2;
  const entries = [...draws].map(([key, values]) => {
    const sorted = Float64Array.from(values).sort();
    return [key, sorted.length ? [quantile(sorted, tail), quantile(sorted, 1 - tail)] : null];
  });
  return Object.fromEntries(entries);
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
  /** Index among the groups of the resampler; 0 for queries without one. */
  readonly group: number;
  /** By run. */
  readonly cells: readonly number[];
  readonly rows: readonly number[];
  /** Of each row 1, then the values of each run. */
  readonly values: Float64Array;
  /** Only where the sums over the slot are drawn at once. */
  readonly normal?: NormalSums;
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
  readonly #runs: Runs;
  readonly #slots: readonly Slot[];
  /** By run: the sums of every cell of every group. */
  readonly #sums: readonly Float64Array[];
  /** How often each row is drawn; empty where there are many. */
  readonly #counts: Uint16Array;
  readonly #rowSums: Float64Array;

  /** @param runs row i of all is the same query; the groups are those of the first */
  constructor(runs: Runs) {
    const [{ groups, queries }] = runs;
    this.groups = [undefined, ...(groups.length <= MAX_GROUPS ? groups : [])];
    this.#runs = runs;
    const isMany = queries.length >= MANY_ROWS;
    this.#slots = slotsOf(runs, this.groups, isMany);
    this.#sums = runs.map(
      ({ plan }) => new Float64Array(this.groups.length * plan.cellCount * SUMS_PER_CELL),
    );
    this.#counts = new Uint16Array(isMany ? 0 : queries.length);
    this.#rowSums = new Float64Array(widthOf(runs));
  }

  /** One sample: by run, the metrics of every group. */
  draw(random: SeededRandom): RefinementMetrics[][] {
    random.drawRows(this.#counts);
    for (const sums of this.#sums) sums.fill(0);
    for (const slot of this.#slots) {
      this.#addSlot(slot, slot.normal?.draw(random) ?? this.#sumRows(slot, random));
    }
    return this.#runs.map(({ plan }, run) =>
      this.groups.map((_, group) =>
        plan.metricsOf(this.#sums[run]!, group * plan.cellCount * SUMS_PER_CELL),
      ),
    );
  }

  #sumRows({ rows, values }: Slot, random: SeededRandom): Float64Array {
    const sums = this.#rowSums.fill(0);
    const width = sums.length;
    const isDrawn = this.#counts.length > 0;
    for (let index = 0; index < rows.length; index++) {
      const count = isDrawn ? this.#counts[rows[index]!]! : random.nextPoisson();
      if (count === 0) continue;
      for (let column = 0; column < width; column++) {
        sums[column]! += count * values[index * width + column]!;
      }
    }
    return sums;
  }

  /** Adds the sums of a slot to its group and to the whole, run by run. */
  #addSlot({ group, cells }: Slot, slotSums: Float64Array): void {
    cells.forEach((cell, run) => {
      const sums = this.#sums[run]!;
      const inGroup = (group * this.#runs[run]!.plan.cellCount + cell) * SUMS_PER_CELL;
      const inWhole = cell * SUMS_PER_CELL;
      for (let sum = 0; sum < SUMS_PER_CELL; sum++) {
        const value = slotSums[sum === 0 ? 0 : run * VALUES_PER_RUN + sum]!;
        sums[inWhole + sum]! += value;
        if (group > 0) sums[inGroup + sum]! += value;
      }
    });
  }
}

/** Numbers of a row of values. */
function widthOf(runs: Runs): number {
  return 1 + VALUES_PER_RUN * runs.length;
}

/** By rising group and cells; the rows of a slot rise too. The order decides which random numbers a slot gets. */
function slotsOf(runs: Runs, groups: readonly (string | undefined)[], isMany: boolean): Slot[] {
  const groupIndices = new Map(groups.map((group, index) => [group, index]));
  const width = widthOf(runs);
  const groupAt = (row: number) => groupIndices.get(runs[0].queries[row]!.group) ?? 0;
  const cellAt = (row: number, { plan, queries }: RefinementScores) => plan.cellOf(queries[row]!);
  const rowsByKey = new Map<number, number[]>();
  for (let row = 0; row < runs[0].queries.length; row++) {
    let key = groupAt(row);
    for (const run of runs) key = key * run.plan.cellCount + cellAt(row, run);
    const rows = rowsByKey.get(key);
    if (rows) rows.push(row);
    else rowsByKey.set(key, [row]);
  }
  return [...rowsByKey]
    .sort(([a], [b]) => a - b)
    .map(([, rows]) => {
      const values = new Float64Array(rows.length * width);
      let at = 0;
      for (const row of rows) {
        values[at++] = 1;
        for (const { queries } of runs) {
          const [toolIou, finalIou] = [queries[row]!.toolIou ?? 0, queries[row]!.finalIou ?? 0];
          values[at++] = toolIou;
          values[at++] = finalIou;
          values[at++] = signedRelativeIou(toolIou, finalIou);
        }
      }
      const cells = runs.map((run) => cellAt(rows[0]!, run));
      const isNormal = isMany && rows.length >= MANY_IN_SLOT;
      const normal = isNormal ? new NormalSums(values, width) : undefined;
      return { group: groupAt(rows[0]!), cells, rows, values, normal };
    });
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

  draw(random: SeededRandom): Float64Array {
    const width = this.#mean.length;
    const sums = this.#mean.slice();
    for (let column = 0; column < width; column++) {
      const normal = random.nextNormal();
      for (let row = column; row < width; row++) {
        sums[row]! += this.#factor[row * width + column]! * normal;
      }
    }
    return sums;
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
