import { VgrError } from '../formats/fault.js';
import { CORRECT_IOU } from '../geometry/overlap.js';
import {
  emptyTally,
  metricsOfTally,
  type RefinementMetrics,
  type RefinementTally,
} from './refinement-metrics.js';

/** Two IoUs that differ by no more than this are equal. */
const IOU_TIE = 1e-9;

/** Which way the final IoU moved away from the tool's. */
const DOWN = 0;
const SAME = 1;
const UP = 2;
const MOVES = 3;

function moveOf(toolIou: number, finalIou: number): number {
  if (finalIou > toolIou + IOU_TIE) return UP;
  return finalIou < toolIou - IOU_TIE ? DOWN : SAME;
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
  if (move === SAME) return 0;
  return (finalIou - toolIou) / (move === UP ? 1 - toolIou : toolIou);
}

/** What one cell sums over its queries, in this order: their number, tool IoU, final IoU, signed relative IoU. */
export const SUMS_PER_CELL = 4;

/**
 * Every refinement metric is a ratio of sums over cells: queries that share the band of the tool's IoU, the band of the
 * final IoU and the move between them. A band is the number of thresholds that an IoU is above. The plan says which cell a
 * query falls in and turns the sums of the cells into metrics, so a bootstrap resample is no more than another set of sums.
 */
export class CellPlan {
  readonly cellCount: number;
  /** Rising, without repetition; 0.5 is always among them. */
  readonly #thresholds: readonly number[];
  readonly #extraThresholds: readonly number[];
  readonly #correctBand: number;
  readonly #extraBands: readonly number[];

  /**
   * @param extraThresholds IoUs in [0, 1) at which accuracy is wanted beside the one at 0.5
   * @throws VgrError USAGE for a threshold outside [0, 1)
   */
  constructor(extraThresholds: readonly number[] = []) {
    const outside = extraThresholds.find((threshold) => !(threshold >= 0 && threshold < 1));
    if (outside !== undefined) {
      throw new VgrError('USAGE', `IoU threshold: expected 0 <= threshold < 1, got ${outside}`, {
        hint: 'several are given as `--iou 0.25,0.5,0.75`',
      });
    }
    this.#thresholds = rising([CORRECT_IOU, ...extraThresholds]);
    this.#extraThresholds = rising(extraThresholds);
    this.#correctBand = this.#bandAbove(CORRECT_IOU);
    this.#extraBands = this.#extraThresholds.map((threshold) => this.#bandAbove(threshold));
    this.cellCount = (this.#thresholds.length + 1) ** 2 * MOVES;
  }

  /** The cell of a query, 0 .. `cellCount` - 1. */
  cellOf(toolIou: number, finalIou: number): number {
    const bands = this.#thresholds.length + 1;
    const band = this.#bandOf(toolIou) * bands + this.#bandOf(finalIou);
    return band * MOVES + moveOf(toolIou, finalIou);
  }

  /**
   * The metrics of one group of queries.
   * @param sums `SUMS_PER_CELL` numbers a cell, from index `offset` on
   */
  metricsOf(sums: Float64Array, offset = 0): RefinementMetrics {
    const bands = this.#thresholds.length + 1;
    const tally = emptyTally(this.#extraThresholds.length);
    for (let cell = 0; cell < this.cellCount; cell++) {
      const at = offset + cell * SUMS_PER_CELL;
      const count = sums[at]!;
      if (count === 0) continue;
      tally.count += count;
      tally.toolIou += sums[at + 1]!;
      tally.finalIou += sums[at + 2]!;
      const toolBand = Math.floor(cell / (MOVES * bands));
      const finalBand = Math.floor(cell / MOVES) % bands;
      this.#addOutcome(tally, toolBand, finalBand, cell % MOVES, count, sums[at + 3]!);
      this.#extraBands.forEach((band, index) => {
        if (toolBand >= band) tally.toolAbove[index]! += count;
        if (finalBand >= band) tally.finalAbove[index]! += count;
      });
    }
    return metricsOfTally(tally, this.#extraThresholds);
  }

  #addOutcome(
    tally: RefinementTally,
    toolBand: number,
    finalBand: number,
    move: number,
    count: number,
    relative: number,
  ): void {
    const toolRight = toolBand >= this.#correctBand;
    const finalRight = finalBand >= this.#correctBand;
    if (move === DOWN) tally.worsened += count;
    if (finalRight) tally.finalRight += count;
    if (toolRight) {
      tally.toolRight += count;
      tally.relativeToolRight += relative;
      if (move === UP) tally.refined += count;
      if (move === SAME) tally.followed += count;
    } else {
      tally.relativeToolWrong += relative;
      if (finalRight) tally.corrected += count;
      else if (move === SAME) tally.inherited += count;
    }
  }

  /** How many thresholds an IoU is above. */
  #bandOf(iou: number): number {
    let band = 0;
    while (band < this.#thresholds.length && iou > this.#thresholds[band]!) band++;
    return band;
  }

  /** The lowest band whose IoUs are above the threshold. */
  #bandAbove(threshold: number): number {
    return this.#thresholds.indexOf(threshold) + 1;
  }
}

function rising(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
