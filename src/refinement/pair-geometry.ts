import {
  absolute,
  add,
  clip,
  divide,
  logarithm,
  minimum,
  multiply,
  relu,
  subtract,
} from '../tensor/elementwise.js';
import type { Expression } from '../tensor/expression.js';
import { concat, reshape, slice, transposeLast } from '../tensor/layout.js';

/** Learned channels of {@link pairGeometry}. */
export const PAIR_CHANNELS = 6;

/** Boxes thinner than this share of the photo count as this thick. */
const THINNEST = 1e-3;

/**
 * How two boxes lie to each other, for every ordered pair. `boxes` [B, N, 4]: centre x, centre y, width, height as shares
 * of the photo. Gives [B, N, N, 6], row i and column j: intersection over union; share of j inside i; share of i inside j;
 * offset of j's centre from i's along x and along y in mean box sizes, at most 3, over 3; log of the ratio of areas, j by
 * i, at most 4, over 4. All lie in [-1, 1].
 */
export function pairGeometry(boxes: Expression): Expression {
  const sides = [0, 1, 2, 3].map((axis) => slice(boxes, 2, axis, axis + 1));
  const [cx, cy] = sides as [Expression, Expression];
  const [width, height] = sides.slice(2).map(thickened) as [Expression, Expression];
  const area = multiply(width, height);
  const shared = multiply(common(cx, width), common(cy, height));
  const union = subtract(add(area, transposeLast(area)), shared);
  const channels = [
    divide(shared, union),
    divide(shared, transposeLast(area)),
    divide(shared, area),
    offset(cx, width),
    offset(cy, height),
    multiply(clip(difference(logarithm(area)), -4, 4), 1 / 4),
  ];
  const column = (x: Expression) => reshape(x, [...x.shape, 1]);
  return concat(channels.map(column), 3);
}

function thickened(size: Expression): Expression {
  return add(relu(subtract(size, THINNEST)), THINNEST);
}

/** Value of j minus value of i: [B, N, 1] to [B, N, N]. */
function difference(values: Expression): Expression {
  return subtract(transposeLast(values), values);
}

/** Length that two intervals have in common. */
function common(centre: Expression, size: Expression): Expression {
  const halves = multiply(add(size, transposeLast(size)), 0.5);
  const overlap = subtract(halves, absolute(difference(centre)));
  return relu(minimum(overlap, minimum(size, transposeLast(size))));
}

function offset(centre: Expression, size: Expression): Expression {
  const mean = multiply(add(size, transposeLast(size)), 0.5);
  return multiply(clip(divide(difference(centre), mean), -3, 3), 1 / 3);
}
