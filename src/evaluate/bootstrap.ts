import { SeededRandom } from '../core/random.js';
import {
  type FlatMetrics,
  type RefinementMetrics,
  type RefinementScores,
  SUMS_PER_CELL,
  summandsOf,
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

/** By metric; null where the metric itself is null or no resample defines it. `total` has no interval. */
export type MetricIntervals = Readonly<Record<string, Interval | null>>;

export interface Intervals {
  readonly overall: MetricIntervals;
  /** In the order of their names; empty where there are more than 200. */
  readonly groups: ReadonlyMap<string, MetricIntervals>;
}

/**
 * Percentile bootstrap over queries: as many queries are drawn with replacement as there are, their metrics computed, and
 * of all resamples the middle 95 % taken, with linear interpolation between order statistics. The groups are read off the
 * same resamples, so that their sizes vary as in a new sample of queries.
 * @param second makes it a paired bootstrap of `second - first`: both runs are resampled with the same queries, so what makes
 *   a query hard for both cancels out. Row i of both is the same query; the groups are those of `first`
 * @see B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13
 */
export function bootstrapIntervals(
  first: RefinementScores,
  { seed = 0, resamples = 1000 }: BootstrapOptions = {},
  second?: RefinementScores,
): Intervals {
  const groups = [undefined, ...(first.groups.length <= MAX_GROUPS ? first.groups : [])];
  const draws = groups.map(() => new Map<string, number[]>());
  const count = first.queries.length === 0 ? 0 : resamples;
  const runs: Runs = second ? [first, second] : [first];
  for (const [before, after] of samplesOf(runs, groups, new SeededRandom(seed), count)) {
    before!.forEach((metrics, group) => {
      addDraw(draws[group]!, metrics, after?.[group]);
    });
  }
  const byGroup = groups
    .flatMap((group, index) =>
      group === undefined ? [] : [[group, intervalsOf(draws[index]!)] as const],
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return { overall: intervalsOf(draws[0]!), groups: new Map(byGroup) };
}

/** Adds the metrics of one sample, or their differences, to the values that each takes over the resamples. */
function addDraw(draws: Map<string, number[]>, first: FlatMetrics, second?: FlatMetrics): void {
  for (const key of Object.keys(first)) {
    if (key === 'total') continue;
    const values = draws.get(key) ?? [];
    draws.set(key, values);
    const value = second ? difference(first[key]!, second[key]!) : first[key]!;
    if (value !== null) values.push(value);
  }
}

/** `second - first`; null where one of them is. */
export function difference(first: number | null, second: number | null): number | null {
  return first === null || second === null ? null : second - first;
}

function intervalsOf(draws: ReadonlyMap<string, readonly number[]>): MetricIntervals {
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

type Runs = readonly [RefinementScores, ...RefinementScores[]];

/** Names; the first is undefined and stands for the whole. */
type Groups = readonly (string | undefined)[];

/**
 * Draws samples of the queries of one run, or of two runs over the same queries, with replacement: by run and group, their
 * metrics. Row i of all runs is the same query; the groups are those of the first.
 *
 * Metrics are ratios of sums over cells, so a sample is known by its sums over each slot. Of few queries rows are drawn one by
 * one. Of many, each row is drawn a Poisson number of times, independently, and the sums over a slot of many rows come at
 * once from the normal distribution that they then have: its mean is the sum over the rows, its covariance the sum of their
 * products.
 * @see N. Chamandy et al., "Estimating Uncertainty for Massive Data Streams", 2012
 */
function* samplesOf(
  runs: Runs,
  groups: Groups,
  random: SeededRandom,
  count: number,
): Generator<RefinementMetrics[][]> {
  const { length } = runs[0].queries;
  const isMany = length >= MANY_ROWS;
  const width = 1 + VALUES_PER_RUN * runs.length;
  /** How often each row is drawn; empty where there are many. */
  const counts = new Uint16Array(isMany ? 0 : length);
  const slots = slotsOf(runs, groups).map(({ group, cells, rows }) => {
    const values = valuesOf(rows, runs, width);
    const isNormal = isMany && rows.length >= MANY_IN_SLOT;
    const drawSums = isNormal ? normalSums(values, width) : rowSums(rows, values, width, counts);
    return { group, cells, drawSums };
  });
  /** By run: the sums of every cell of every group. */
  const sums = runs.map(
    ({ plan }) => new Float64Array(groups.length * plan.cellCount * SUMS_PER_CELL),
  );
  for (let sample = 0; sample < count; sample++) {
    random.drawRows(counts);
    for (const each of sums) each.fill(0);
    for (const { group, cells, drawSums } of slots) {
      const drawn = drawSums(random);
      runs.forEach(({ plan }, run) => {
        const inGroup = (group * plan.cellCount + cells[run]!) * SUMS_PER_CELL;
        const inWhole = cells[run]! * SUMS_PER_CELL;
        for (let sum = 0; sum < SUMS_PER_CELL; sum++) {
          const value = drawn[sum === 0 ? 0 : run * VALUES_PER_RUN + sum]!;
          sums[run]![inWhole + sum]! += value;
          if (group > 0) sums[run]![inGroup + sum]! += value;
        }
      });
    }
    yield runs.map(({ plan }, run) =>
      groups.map((_, group) => plan.metricsOf(sums[run]!, group * plan.cellCount * SUMS_PER_CELL)),
    );
  }
}

/** The queries of one group that fall, in each run, in one cell. */
interface Slot {
  /** Index among the groups; 0 for queries without one. */
  readonly group: number;
  /** By run. */
  readonly cells: readonly number[];
  readonly rows: number[];
}

/** By rising group and cells; the rows of a slot rise too. The order decides which random numbers a slot gets. */
function slotsOf(runs: Runs, groups: Groups): Slot[] {
  const groupIndices = new Map(groups.map((group, index) => [group, index]));
  const slots = new Map<number, Slot>();
  for (let row = 0; row < runs[0].queries.length; row++) {
    const group = groupIndices.get(runs[0].queries[row]!.group) ?? 0;
    const cells = runs.map(({ plan, queries }) => plan.cellOf(queries[row]!));
    const key = cells.reduce((sum, cell, run) => sum * runs[run]!.plan.cellCount + cell, group);
    const slot = slots.get(key);
    if (slot) slot.rows.push(row);
    else slots.set(key, { group, cells, rows: [row] });
  }
  return [...slots].sort(([a], [b]) => a - b).map(([, slot]) => slot);
}

/** Of each row 1, then the values of each run: `width` numbers. */
function valuesOf(rows: readonly number[], runs: Runs, width: number): Float64Array {
  const values = new Float64Array(rows.length * width);
  rows.forEach((row, index) => {
    values[index * width] = 1;
    runs.forEach(({ queries }, run) => {
      values.set(summandsOf(queries[row]!).slice(1), index * width + 1 + run * VALUES_PER_RUN);
    });
  });
  return values;
}

/** Draws the sums over the rows of a slot: their number, then the values of each run. Valid until it is called again. */
type DrawSums = (random: SeededRandom) => Float64Array;

/** @param counts how often each row of the run is drawn; empty: as often as the Poisson distribution says */
function rowSums(
  rows: readonly number[],
  values: Float64Array,
  width: number,
  counts: Uint16Array,
): DrawSums {
  const sums = new Float64Array(width);
  return (random) => {
    sums.fill(0);
    for (let index = 0; index < rows.length; index++) {
      const count = counts.length > 0 ? counts[rows[index]!]! : random.nextPoisson();
      if (count === 0) continue;
      for (let column = 0; column < width; column++) {
        sums[column]! += count * values[index * width + column]!;
      }
    }
    return sums;
  };
}

/** Sums over rows with independent Poisson weights of mean 1, as the normal distribution of the same mean and covariance. */
function normalSums(values: Float64Array, width: number): DrawSums {
  const mean = new Float64Array(width);
  /** Lower triangle, row-major. */
  const covariance = new Float64Array(width * width);
  for (let start = 0; start < values.length; start += width) {
    for (let row = 0; row < width; row++) {
      const value = values[start + row]!;
      mean[row]! += value;
      for (let column = 0; column <= row; column++) {
        covariance[row * width + column]! += value * values[start + column]!;
      }
    }
  }
  const factor = choleskyFactor(covariance, width);
  const sums = new Float64Array(width);
  return (random) => {
    sums.set(mean);
    for (let column = 0; column < width; column++) {
      const normal = random.nextNormal();
      for (let row = column; row < width; row++) {
        sums[row]! += factor[row * width + column]! * normal;
      }
    }
    return sums;
  };
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
