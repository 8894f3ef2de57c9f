import { quoted, VgrError } from '../core/error.js';
import { CORRECT_IOU } from '../core/iou.js';
import type { AnswerMetrics } from './answer-metrics.js';
import type { ScoredQuery } from './answers.js';

/** Keys as `vgr eval --json` writes them; fractions in [0, 1] but for the four in [-1, 1]. A rate over nothing is null. */
export type RefinementMetrics = ReturnType<CellPlan['metricsOf']>;

/** All metrics of one group of queries. */
export type RunMetrics = RefinementMetrics & AnswerMetrics;

/** Metrics as numbers alone, by their names. */
export type FlatMetrics = Readonly<Record<string, number | null>>;

/** The metrics of `by_size` are called `by_size.small` and so on. */
export function flatMetrics({ by_size, ...metrics }: RunMetrics): FlatMetrics {
  const sizes = Object.entries(by_size).map(([size, value]) => [`by_size.${size}`, value]);
  return { ...metrics, ...Object.fromEntries(sizes) };
}

/** The scored queries of a run in their order, with their metrics, overall and by group. */
export class RefinementScores {
  readonly plan: CellPlan;
  readonly queries: ScoredQuery[] = [];
  /** The queries without a group come first, the others in the order in which their groups do. */
  readonly #groups = new Map<string | undefined, ScoredQuery[]>([[undefined, []]]);

  /** @param iouThresholds IoUs in [0, 1) at which accuracy is wanted beside the one at 0.5 */
  constructor(iouThresholds: readonly number[] = []) {
    this.plan = new CellPlan(iouThresholds);
  }

  /** @throws VgrError INPUT_INVALID for an IoU outside [0, 1] */
  add(query: ScoredQuery): void {
    refuseBadIou(query.toolIou ?? 0, 'tool');
    refuseBadIou(query.finalIou ?? 0, 'answer');
    this.queries.push(query);
    const group = this.#groups.get(query.group);
    if (group) group.push(query);
    else this.#groups.set(query.group, [query]);
  }

  metrics(): RefinementMetrics {
    const all = new Float64Array(this.plan.cellCount * SUMS_PER_CELL);
    for (const queries of this.#groups.values()) {
      this.plan.sumsOf(queries).forEach((sum, index) => {
        all[index]! += sum;
      });
    }
    return this.plan.metricsOf(all);
  }

  /** In the order of the names of the groups. */
  groupMetrics(): ReadonlyMap<string, RefinementMetrics> {
    const metricsOf = (name: string) => this.plan.metricsOf(this.plan.sumsOf(this.inGroup(name)));
    return new Map(this.groups.sort().map((name) => [name, metricsOf(name)]));
  }

  /** In the order in which they come first. */
  get groups(): string[] {
    return [...this.#groups.keys()].filter((group) => group !== undefined);
  }

  inGroup(group: string): readonly ScoredQuery[] {
    return this.#groups.get(group) ?? [];
  }
}

function refuseBadIou(iou: number, whose: string): void {
  if (iou >= 0 && iou <= 1) return;
  throw new VgrError(
    'INPUT_INVALID',
    `IoU of the ${whose}: expected 0..1, got ${quoted(String(iou))}`,
  );
}

/** Two IoUs that differ by no more than this are equal. */
const IOU_TIE = 1e-9;

const MOVES = 3;

/** Which way the final IoU moved away from the tool's: up 1, down -1, or 0. */
function moveOf(toolIou: number, finalIou: number): number {
  if (finalIou > toolIou + IOU_TIE) return 1;
  return finalIou < toolIou - IOU_TIE ? -1 : 0;
}

/**
 * Signed relative IoU of one query, in [-1, 1]: the share of the room above the tool's IoU that the final answer gained, or,
 * negative, the share of the tool's IoU that it lost. Its mean is the metric NSRI.
 *
 * `signedRelativeIou(0.5, 0.75)` is 0.5, `signedRelativeIou(0.5, 0.25)` is -0.5.
 * @see VG-Refiner, arXiv 2512.06373, metric NSRI
 */
export function signedRelativeIou(toolIou: number, finalIou: number): number {
  const move = moveOf(toolIou, finalIou);
  if (move === 0) return 0;
  return (finalIou - toolIou) / (move > 0 ? 1 - toolIou : toolIou);
}

/** What one cell sums over its queries, in this order: their number, tool IoU, final IoU, signed relative IoU. */
export const SUMS_PER_CELL = 4;
const [COUNT, TOOL_IOU, FINAL_IOU, RELATIVE_IOU] = [0, 1, 2, 3] as const;

/** What a query adds to the sums of its cell. */
export function summandsOf({ toolIou, finalIou }: ScoredQuery): readonly number[] {
  const [tool, final] = [toolIou ?? 0, finalIou ?? 0];
  return [1, tool, final, signedRelativeIou(tool, final)];
}

/** Queries that share the band of the tool's IoU, the band of the final IoU and the move between them. */
interface Cell {
  /** How many thresholds the IoU is above. */
  readonly toolBand: number;
  readonly finalBand: number;
  readonly move: number;
}

/** The cells over which the metrics sum, as indices. */
function metricCells(thresholds: readonly number[], extraThresholds: readonly number[]) {
  const bands = thresholds.length + 1;
  const cells = Array.from({ length: bands ** 2 * MOVES }, (_, cell) => ({
    toolBand: Math.floor(cell / (MOVES * bands)),
    finalBand: Math.floor(cell / MOVES) % bands,
    move: (cell % MOVES) - 1,
  }));
  const where = (holds: (cell: Cell) => boolean) =>
    cells.flatMap((cell, index) => (holds(cell) ? index : []));
  const correct = thresholds.indexOf(CORRECT_IOU);
  const toolRight = ({ toolBand }: Cell) => toolBand > correct;
  const finalRight = ({ finalBand }: Cell) => finalBand > correct;
  return {
    all: where(() => true),
    toolRight: where(toolRight),
    toolWrong: where((cell) => !toolRight(cell)),
    finalRight: where(finalRight),
    corrected: where((cell) => !toolRight(cell) && finalRight(cell)),
    refined: where((cell) => toolRight(cell) && cell.move > 0),
    followed: where((cell) => toolRight(cell) && cell.move === 0),
    worsened: where(({ move }) => move < 0),
    inherited: where((cell) => !toolRight(cell) && !finalRight(cell) && cell.move === 0),
    /** By rising threshold at which accuracy is wanted beside 0.5. */
    above: rising(extraThresholds).map((threshold) => {
      const index = thresholds.indexOf(threshold);
      return {
        threshold,
        tool: where(({ toolBand }) => toolBand > index),
        final: where(({ finalBand }) => finalBand > index),
      };
    }),
  };
}

/**
 * Every refinement metric is a ratio of sums over cells. The plan says which cell a query falls in and turns the sums of the
 * cells into metrics, so a bootstrap resample is no more than another set of sums.
 */
export class CellPlan {
  readonly cellCount: number;
  /** Rising, without repetition; 0.5 is always among them. */
  readonly #thresholds: readonly number[];
  readonly #cells: ReturnType<typeof metricCells>;

  constructor(extraThresholds: readonly number[]) {
    this.#thresholds = rising([CORRECT_IOU, ...extraThresholds]);
    this.#cells = metricCells(this.#thresholds, extraThresholds);
    this.cellCount = this.#cells.all.length;
  }

  /** The cell of a query, 0 .. `cellCount` - 1. */
  cellOf(query: ScoredQuery): number {
    const [toolIou, finalIou] = [query.toolIou ?? 0, query.finalIou ?? 0];
    const band = this.#bandOf(toolIou) * (this.#thresholds.length + 1) + this.#bandOf(finalIou);
    return band * MOVES + 1 + moveOf(toolIou, finalIou);
  }

  /** `SUMS_PER_CELL` numbers a cell. */
  sumsOf(queries: readonly ScoredQuery[]): Float64Array {
    const sums = new Float64Array(this.cellCount * SUMS_PER_CELL);
    for (const query of queries) {
      const start = this.cellOf(query) * SUMS_PER_CELL;
      summandsOf(query).forEach((value, sum) => {
        sums[start + sum]! += value;
      });
    }
    return sums;
  }

  /**
   * The metrics of one group of queries.
   * @param sums `SUMS_PER_CELL` numbers a cell, from index `offset` on
   */
  metricsOf(sums: Float64Array, offset = 0) {
    const sum = (where: readonly number[], column: number = COUNT) => {
      let total = 0;
      for (const cell of where) total += sums[offset + cell * SUMS_PER_CELL + column]!;
      return total;
    };
    const cells = this.#cells;
    const total = sum(cells.all);
    const toolRight = sum(cells.toolRight);
    const finalRight = sum(cells.finalRight);
    const [toolIou, finalIou] = [sum(cells.all, TOOL_IOU), sum(cells.all, FINAL_IOU)];
    const relativeRight = sum(cells.toolRight, RELATIVE_IOU);
    const relativeWrong = sum(cells.toolWrong, RELATIVE_IOU);
    const nsri = ratio(relativeRight + relativeWrong, total);
    const atThresholds = cells.above.flatMap(({ threshold, tool, final }) => [
      [`accuracy@${threshold}`, ratio(sum(final), total)],
      [`tool_accuracy@${threshold}`, ratio(sum(tool), total)],
    ]);
    return {
      total,
      // Share with a final IoU above 0.5.
      accuracy: ratio(finalRight, total),
      tool_accuracy: ratio(toolRight, total),
      mean_iou: ratio(finalIou, total),
      tool_mean_iou: ratio(toolIou, total),
      // Critical correction rate: of those the tool got wrong, the share that is finally right.
      ccr: ratio(sum(cells.corrected), total - toolRight),
      // Of those the tool got right, the shares with a better and with an equal box.
      refinement_rate: ratio(sum(cells.refined), toolRight),
      follow_correct_rate: ratio(sum(cells.followed), toolRight),
      // Share of all with a worse box.
      worsen_rate: ratio(sum(cells.worsened), total),
      // Of the finally wrong, the share where the tool was wrong and its IoU stayed.
      inherited_error_rate: ratio(sum(cells.inherited), total - finalRight),
      // In [-1, 1], as the next three.
      mean_iou_delta: ratio(finalIou - toolIou, total),
      // Mean signed relative IoU.
      nsri,
      nsri_tool_correct: ratio(relativeRight, toolRight),
      nsri_tool_wrong: ratio(relativeWrong, total - toolRight),
      nsri_scaled: nsri === null ? null : (nsri + 1) / 2,
      ...Object.fromEntries(atThresholds),
    };
  }

  /** How many thresholds an IoU is above. */
  #bandOf(iou: number): number {
    let band = 0;
    while (band < this.#thresholds.length && iou > this.#thresholds[band]!) band++;
    return band;
  }
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function rising(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
