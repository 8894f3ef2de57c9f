import type { BoxXyxy } from '../geometry/box.js';
import { cxcywhToXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';

/** Boxes that overlap more (IoU) show one object. */
const SAME_OBJECT_IOU = 0.5;

/** What an answer is chosen from; n boxes. */
export interface Choice {
  /** Any unit, one for both axes or one for each. */
  readonly boxes: readonly BoxXyxy[];
  /** [n + 2]: each box, keep, none; adds up to 1. */
  readonly probabilities: ArrayLike<number>;
  /** Place of the tool's answer among the boxes; -1 where there is none. */
  readonly toolAt: number;
  /** Another object is taken where it is more than this many times as likely as the tool's; 1 or more. */
  readonly margin: number;
}

/**
 * The action to take, 0 to n + 1. Boxes of one object share its probability, so the object is chosen first, by the
 * probability of all boxes that show it; then its box, by the overlap that is to be expected with the right one.
 * @see Kumar, Byrne 2004, "Minimum Bayes-Risk Decoding for Statistical Machine Translation"
 */
export function chooseAction({ boxes, probabilities, toolAt, margin }: Choice): number {
  const n = boxes.length;
  const [keep, none] = [n, n + 1];
  const held = boxes.map((_, i) => probabilities[i]! + (i === toolAt ? probabilities[keep]! : 0));
  const overlaps = boxes.map((box) => boxes.map((other) => iouXyxy(box, other)));
  const shown = (at: number, worth: (overlap: number) => number): number =>
    overlaps[at]!.reduce((sum, overlap, i) => sum + held[i]! * worth(overlap), 0);
  const objects = boxes.map((_, at) => shown(at, (iou) => (iou > SAME_OBJECT_IOU ? 1 : 0)));
  const best = highest(objects);
  if (best < 0 || objects[best]! < probabilities[none]!) return none;
  const stays = toolAt >= 0 && objects[toolAt]! * margin >= objects[best]!;
  const anchor = stays ? toolAt : best;
  const worths = boxes.map((_, at) =>
    overlaps[anchor]![at]! > SAME_OBJECT_IOU
      ? shown(at, (iou) => iou + (iou > SAME_OBJECT_IOU ? 1 : 0))
      : -1,
  );
  const chosen = highest(worths);
  // Of boxes that are as good the tool's stands.
  return toolAt >= 0 && worths[toolAt]! >= worths[chosen]! ? keep : chosen;
}

/** Place of the highest value, the first of equals; -1 for none. */
function highest(values: readonly number[]): number {
  return values.reduce((best, value, at) => (best < 0 || value > values[best]! ? at : best), -1);
}

/** Boxes in shares of the photo, from rows of centre x, centre y, width, height. */
export function boxesOfRows(rows: ArrayLike<number>): readonly BoxXyxy[] {
  return Array.from({ length: rows.length / 4 }, (_, row) => {
    const [cx, cy, width, height] = [0, 1, 2, 3].map((side) => rows[row * 4 + side]!);
    return cxcywhToXyxy({ cx: cx!, cy: cy!, width: width!, height: height! });
  });
}

/** Place of the tool's answer, which the first number of each row of tool features tells; -1 where there is none. */
export function toolPlace(rows: ArrayLike<number>, count: number): number {
  const width = count === 0 ? 0 : rows.length / count;
  for (let row = 0; row < count; row++) if (rows[row * width] === 1) return row;
  return -1;
}
