import type { BoxXyxy } from '../geometry/box.js';
import { cxcywhToXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';

/** Boxes that overlap more (IoU) show one object. */
const SAME_OBJECT_IOU = 0.5;

/** What an answer is chosen from; n boxes. */
export interface Choice {
  /** [n][n]: IoU of the boxes. */
  readonly overlaps: readonly ArrayLike<number>[];
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
export function chooseAction({ overlaps, probabilities, toolAt, margin }: Choice): number {
  const n = overlaps.length;
  const [keep, none] = [n, n + 1];
  const held = overlaps.map(
    (_, i) => probabilities[i]! + (i === toolAt ? probabilities[keep]! : 0),
  );
  const shown = (at: number, worth: (overlap: number) => number): number =>
    held.reduce((sum, chance, i) => sum + chance * worth(overlaps[at]![i]!), 0);
  const objects = overlaps.map((_, at) => shown(at, (iou) => (iou > SAME_OBJECT_IOU ? 1 : 0)));
  const best = highest(objects);
  if (best < 0 || objects[best]! < probabilities[none]!) return none;
  const stays = toolAt >= 0 && objects[toolAt]! * margin >= objects[best]!;
  const anchor = stays ? toolAt : best;
  const worths = overlaps.map((_, at) =>
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

/** IoU of boxes, [n][n], each pair worked out once. */
export function overlapsOf(boxes: readonly BoxXyxy[]): readonly Float64Array[] {
  const overlaps = boxes.map(() => new Float64Array(boxes.length));
  for (const [i, box] of boxes.entries()) {
    for (let j = 0; j <= i; j++) {
      const overlap = iouXyxy(box, boxes[j]!);
      overlaps[i]![j] = overlap;
      overlaps[j]![i] = overlap;
    }
  }
  return overlaps;
}

/** The same from rows of centre x, centre y, width, height. */
export function overlapsOfRows(rows: ArrayLike<number>): readonly Float64Array[] {
  const boxes: BoxXyxy[] = [];
  for (let at = 0; at < rows.length; at += 4) {
    const [cx, cy, width, height] = [rows[at]!, rows[at + 1]!, rows[at + 2]!, rows[at + 3]!];
    boxes.push(cxcywhToXyxy({ cx, cy, width, height }));
  }
  return overlapsOf(boxes);
}

/** Place of the tool's answer, which the first number of each row of tool features tells; -1 where there is none. */
export function toolPlace(rows: ArrayLike<number>, count: number): number {
  const width = count === 0 ? 0 : rows.length / count;
  for (let row = 0; row < count; row++) if (rows[row * width] === 1) return row;
  return -1;
}
