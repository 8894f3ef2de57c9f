import { quoted, VgrError } from '../formats/fault.js';
import { AnswerScores, type JudgedAnswer } from './answer-metrics.js';
import { DoubleColumn } from './column.js';
import { CellPlan, SUMS_PER_CELL, signedRelativeIou } from './refinement-cells.js';
import type { RefinementMetrics } from './refinement-metrics.js';

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
