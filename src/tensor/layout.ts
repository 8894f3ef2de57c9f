import { compute, type ElementType, type Expression } from './expression.js';
import {
  axisOf,
  broadcastShapes,
  type Dimension,
  numericShape,
  type Shape,
  ShapeError,
  sameShape,
  shapeText,
} from './shape.js';

/**
 * The same values in another shape. An axis known by name must stay at its place, but for one, whose size then follows
 * from the others.
 * @throws {ShapeError} when the element counts differ
 */
export function reshape(x: Expression, shape: Shape): Expression {
  if (sameShape(x.shape, shape)) return x;
  const count = (sizes: Shape) =>
    sizes.reduce<number>((product, size) => product * (typeof size === 'number' ? size : 1), 1);
  const names = (sizes: Shape) =>
    sizes
      .filter((size) => typeof size === 'string')
      .sort()
      .join();
  if (count(x.shape) !== count(shape) || names(x.shape) !== names(shape)) {
    throw new ShapeError(`reshape: ${shapeText(x.shape)} does not fill ${shapeText(shape)}`);
  }
  return compute('Reshape', [x], shape, {}, x.type);
}

/** Axis i of the result is axis `permutation[i]` of x. */
export function transpose(x: Expression, permutation: readonly number[]): Expression {
  if (
    !sameShape(
      [...permutation].sort((a, b) => a - b),
      x.shape.map((_, axis) => axis),
    )
  ) {
    throw new ShapeError(`transpose: [${permutation}] does not order ${shapeText(x.shape)}`);
  }
  const shape = permutation.map((axis) => x.shape[axis]!);
  return compute('Transpose', [x], shape, { permutation: [...permutation] }, x.type);
}

/** The last two axes exchanged. */
export function transposeLast(x: Expression): Expression {
  const rank = x.shape.length;
  const permutation = x.shape.map((_, axis) => axis);
  return transpose(x, [...permutation.slice(0, -2), rank - 1, rank - 2]);
}

/**
 * Tensors side by side along one axis.
 * @throws {ShapeError} when another axis differs, or that axis is known by name only in more than one of them
 */
export function concat(parts: readonly Expression[], axis: number): Expression {
  const first = parts[0];
  if (first === undefined) throw new ShapeError('concat: expected at least one part');
  const along = axisOf(first.shape, axis);
  for (const part of parts) {
    const fits = part.shape.every((size, i) => i === along || size === first.shape[i]);
    if (!fits || part.shape.length !== first.shape.length) {
      throw new ShapeError(`concat: ${shapeText(part.shape)} beside ${shapeText(first.shape)}`);
    }
  }
  const total = totalSize(parts.map((part) => part.shape[along]!));
  const shape = first.shape.map((size, i) => (i === along ? total : size));
  return compute('Concat', parts, shape, { axis: along }, first.type);
}

/** `[48, 1, 1]` is 50, `['n', 1, 1]` is `n+2`. */
function totalSize(sizes: readonly Dimension[]): Dimension {
  const known = sizes.reduce<number>((sum, size) => sum + (typeof size === 'number' ? size : 0), 0);
  const names = sizes.filter((size) => typeof size === 'string');
  if (names.length === 0) return known;
  return known === 0 ? names.join('+') : `${names.join('+')}+${known}`;
}

/**
 * Elements `start` to `end` (exclusive) along one axis.
 * @throws {ShapeError} when they lie outside, or the axis is known by name only
 */
export function slice(x: Expression, axis: number, start: number, end: number): Expression {
  const along = axisOf(x.shape, axis);
  const size = x.shape[along];
  if (typeof size !== 'number' || start < 0 || end > size || start >= end) {
    throw new ShapeError(`slice: ${start}..${end} of axis ${axis} of ${shapeText(x.shape)}`);
  }
  const shape = x.shape.map((each, i) => (i === along ? end - start : each));
  return compute('Slice', [x], shape, { axis: along, start, end }, x.type);
}

/**
 * Rows of a table [V, E] by number: ids of any shape give that shape with E at the end.
 * @throws {ShapeError} when the table is no matrix
 */
export function gather(table: Expression, ids: Expression): Expression {
  const [rows, columns, ...rest] = table.shape;
  if (rows === undefined || columns === undefined || rest.length > 0) {
    throw new ShapeError(`gather: expected a table [V, E], got ${shapeText(table.shape)}`);
  }
  return compute('Gather', [table, ids], [...ids.shape, columns], {}, table.type);
}

/**
 * `base` [V, E] plus each row of `updates` [K, E] at the row that `ids` [K] (int64) names; an id that comes twice adds
 * twice. `ScatterND` would take the ids as they are, but onnxruntime 1.30 lets its CPU threads race where ids repeat.
 * @throws {ShapeError} when the shapes do not fit
 */
export function scatterAdd(base: Expression, ids: Expression, updates: Expression): Expression {
  const [count, width] = updates.shape;
  if (ids.shape.length !== 1 || ids.shape[0] !== count || base.shape[1] !== width) {
    const shapes = [base, ids, updates].map((each) => shapeText(each.shape)).join(', ');
    throw new ShapeError(`scatter: expected [V, E], [K], [K, E], got ${shapes}`);
  }
  const spread = expand(reshape(ids, [count!, 1]), updates.shape);
  return compute('ScatterElements', [base, spread, updates], base.shape);
}

/**
 * Stretched to a shape that it broadcasts to.
 * @throws {ShapeError} when it does not, or a size is known by name only
 */
export function expand(x: Expression, shape: Shape): Expression {
  if (sameShape(x.shape, shape)) return x;
  if (!sameShape(broadcastShapes(x.shape, shape), numericShape(shape))) {
    throw new ShapeError(`expand: ${shapeText(x.shape)} does not stretch to ${shapeText(shape)}`);
  }
  return compute('Expand', [x], shape, {}, x.type);
}

export function cast(x: Expression, type: ElementType): Expression {
  return x.type === type ? x : compute('Cast', [x], x.shape, {}, type);
}

/** The same values; nothing is learned through them. */
export function stopGradient(x: Expression): Expression {
  return compute('Identity', [x], x.shape, {}, x.type);
}
