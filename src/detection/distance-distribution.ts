import type { BoxXyxy } from '../geometry/box.js';

/** Sides of a box, in the order of the logits: left, top, right, bottom. */
const SIDES = 4;

/**
 * The box around a centre whose four distances are distributions over `bins` whole strides: each distance is the
 * expectation of the softmax, times the stride.
 * @param logits 4 x `bins` values from `offset` on
 * @see Li et al., Generalized Focal Loss, arXiv 2006.04388
 */
export function boxAround(
  cx: number,
  cy: number,
  logits: Float32Array,
  offset: number,
  bins: number,
  stride: number,
): BoxXyxy {
  const [left, top, right, bottom] = Array.from(
    { length: SIDES },
    (_, side) => expectedBin(logits, offset + side * bins, bins) * stride,
  ) as [number, number, number, number];
  return { x1: cx - left, y1: cy - top, x2: cx + right, y2: cy + bottom };
}

/** The mean of 0 .. bins - 1 under the softmax of the logits. */
export function expectedBin(logits: Float32Array, offset: number, bins: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let bin = 0; bin < bins; bin++) highest = Math.max(highest, logits[offset + bin]!);
  let total = 0;
  let weighted = 0;
  for (let bin = 0; bin < bins; bin++) {
    const weight = Math.exp(logits[offset + bin]! - highest);
    total += weight;
    weighted += weight * bin;
  }
  return weighted / total;
}
