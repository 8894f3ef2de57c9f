import { type BoxXyxy, iouXyxy, isCorrect } from '../core/box.js';
import type { BoxColumn } from '../refine/columns.js';
import { asksForSeveral, overlapTable } from '../refine/decision.js';
import { type PolicyRows, rowsOf } from '../refine/policy.js';
import type { Situation } from '../refine/situation.js';

/** A query as numbers, with what is right. n boxes. */
export interface Example {
  readonly rows: PolicyRows;
  /** [n, n]: IoU of the boxes. */
  readonly pairs: Float32Array;
  /** [n]: highest IoU with a true box. */
  readonly overlaps: Float32Array;
  /** [n]: index of the true box that it shows, -1 for none. */
  readonly truthOf: Int32Array;
  /** Number of true boxes; 0 where nothing fits. */
  readonly truths: number;
  /** IoU of the tool's answer; where nothing fits, 1 if the tool has none. */
  readonly tool: number;
  /** Whether the words ask for several things, and not for a single true box. */
  readonly several: boolean;
  /** How much it counts in fitting. */
  readonly weight: number;
}

/** The example of a situation. @param truths absolute pixels; empty where nothing fits */
export function exampleOf(
  situation: Situation,
  truths: readonly BoxXyxy[],
  columns: readonly BoxColumn[],
): Example {
  const { actions, request, expression } = situation;
  const best = (box: BoxXyxy) =>
    truths.reduce((most, truth) => Math.max(most, iouXyxy(box, truth)), 0);
  const absent = truths.length === 0;
  const tool = request.tool === null ? Number(absent) : best(request.tool.boxXyxy);
  return {
    rows: rowsOf(situation, columns),
    pairs: overlapTable(actions.map(({ boxXyxy }) => boxXyxy)),
    overlaps: Float32Array.from(actions, ({ boxXyxy }) => best(boxXyxy)),
    truthOf: Int32Array.from(actions, ({ boxXyxy }) =>
      truths.findIndex((truth) => isCorrect(iouXyxy(boxXyxy, truth))),
    ),
    truths: truths.length,
    tool,
    several: asksForSeveral(expression) && truths.length !== 1,
    weight: 1,
  };
}
