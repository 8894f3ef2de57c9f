import { CORRECT_IOU } from '../core/box.js';
import { quoted, VgrError } from '../core/error.js';
import { DoubleColumn } from './column.js';
import {
  AnswerScores,
  emptyTally,
  type JudgedAnswer,
  metricsOfTally,
  type RefinementMetrics,
  type RefinementTally,
} from './metrics.js';

/** How well one query was answered. */
export interface ScoredQuery extends JudgedAnswer {
  /** IoU of the tool's box with the ground truth, 0..1; null where the tool gave none. */
  readonly toolIou: number | null;
  /** IoU of the final box, 0..1; null where there is no answer. */
  readonly finalIou: number | null;
  /** The group that the query counts in beside the whole; absent where it has none. */
  readonly group?: string;
}

/** The scored queries as columns, one row a query in the order in which they were added. */
export interface ScoreColumns {
  readonly plan: CellPlan;
  readonly toolIou: Float64Array;
  readonly finalIou: Float64Array;
  /** Index into `groups`; -1 for a query without one. */
  readonly groupIndex: Float64Array;
  readonly groups: readonly string[];
}

/** Takes scored queries one by one and holds their metrics, overall and by group. */
export class RefinementScores {
  readonly plan: CellPlan;
  /** What the answers tell beside their IoU. */
  readonly answers = new AnswerScores();
  #missingAnswers = 0;
  #missingTools = 0;
  readonly #toolIou = new DoubleColumn();
  readonly #finalIou = new DoubleColumn();
  readonly #groupIndex = new DoubleColumn();
  readonly #groups = new Map<string, number>();
  readonly #ungrouped: Float64Array;
  readonly #sums: Float64Array[] = [];

  constructor(plan: CellPlan) {
    this.plan = plan;
    this.#ungrouped = new Float64Array(plan.cellCount * SUMS_PER_CELL);
  }

  /** @throws VgrError INPUT_INVALID for an IoU outside [0, 1] */
  add(query: ScoredQuery): void {
    const { toolIou, finalIou, group } = query;
    if (toolIou === null) this.#missingTools++;
    if (finalIou === null) this.#missingAnswers++;
    const tool = checkedIou(toolIou ?? 0, 'tool');
    const final = checkedIou(finalIou ?? 0, 'answer');
    this.answers.add(final, query, group);
    const groupIndex = group === undefined ? -1 : this.#indexOf(group);
    this.#toolIou.push(tool);
    this.#finalIou.push(final);
    this.#groupIndex.push(groupIndex);
    const sums = groupIndex < 0 ? this.#ungrouped : this.#sums[groupIndex]!;
    const at = this.plan.cellOf(tool, final) * SUMS_PER_CELL;
    sums[at]! += 1;
    sums[at + 1]! += tool;
    sums[at + 2]! += final;
    sums[at + 3]! += signedRelativeIou(tool, final);
  }

  #indexOf(group: string): number {
    const known = this.#groups.get(group);
    if (known !== undefined) return known;
    const index = this.#groups.size;
    this.#groups.set(group, index);
    this.#sums.push(new Float64Array(this.plan.cellCount * SUMS_PER_CELL));
    return index;
  }

  get total(): number {
    return this.#toolIou.length;
  }

  /** How many queries had no answer; they count with IoU 0. */
  get missingAnswers(): number {
    return this.#missingAnswers;
  }

  /** How many queries had no box of the tool; they count with IoU 0. */
  get missingTools(): number {
    return this.#missingTools;
  }

  metrics(): RefinementMetrics {
    const all = this.#ungrouped.slice();
    for (const sums of this.#sums) {
      for (let index = 0; index < all.length; index++) all[index]! += sums[index]!;
    }
    return this.plan.metricsOf(all);
  }

  /** By group, in the order of their names. */
  groupMetrics(): ReadonlyMap<string, RefinementMetrics> {
    const entries = [...this.#groups].sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(
      entries.map(([group, index]) => [group, this.plan.metricsOf(this.#sums[index]!)]),
    );
  }

  /** The rows so far, without a copy: valid until the next `add`. */
  columns(): ScoreColumns {
    return {
      plan: this.plan,
      toolIou: this.#toolIou.view(),
      finalIou: this.#finalIou.view(),
      groupIndex: this.#groupIndex.view(),
      groups: [...this.#groups.keys()],
    };
  }
}

/** @param iouThresholds IoUs in [0, 1) at which accuracy is wanted beside the one at 0.5 */
export function createRefinementMetrics(iouThresholds: readonly number[] = []): RefinementScores {
  return new RefinementScores(new CellPlan(iouThresholds));
}

function checkedIou(iou: number, whose: string): number {
  if (iou >= 0 && iou <= 1) return iou;
  throw new VgrError(
    'INPUT_INVALID',
    `IoU of the ${whose}: expected 0..1, got ${quoted(String(iou))}`,
  );
}

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
