/** The size of one axis: a number, or the name of a size that is known only when the graph runs. */
export type Dimension = number | string;

/** Row-major, outermost axis first. `[]` is a scalar. */
export type Shape = readonly Dimension[];

/** Two shapes do not fit, or an operator cannot work on a shape. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** `['batch', 48, 64]` as `[batch, 48, 64]`, for messages. */
export function shapeText(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/**
 * The shape of an elementwise operator's result: axes are aligned at the end, and an axis of size 1 stretches.
 * @example broadcastShapes(['batch', 48, 1], [64]) // ['batch', 48, 64]
 * @throws {ShapeError} when two aligned axes differ and neither is 1
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new ShapeError(`broadcast: ${shapeText(a)} and ${shapeText(b)} differ at axis ${axis}`);
  });
}

/**
 * Number of elements; 1 for a scalar.
 * @throws {ShapeError} when an axis is known by name only
 */
export function elementCount(shape: Shape): number {
  return numericShape(shape).reduce((product, size) => product * size, 1);
}

/**
 * The same shape with every size as a number.
 * @throws {ShapeError} when an axis is known by name only
 */
export function numericShape(shape: Shape): readonly number[] {
  return shape.map((size) => {
    if (typeof size === 'number') return size;
    throw new ShapeError(`${shapeText(shape)}: expected sizes in numbers, got \`${size}\``);
  });
}

/**
 * An axis counted from the front. `-1` is the last.
 * @throws {ShapeError} when the shape has no such axis
 */
export function axisOf(shape: Shape, axis: number): number {
  const counted = axis < 0 ? axis + shape.length : axis;
  if (Number.isInteger(counted) && counted >= 0 && counted < shape.length) return counted;
  throw new ShapeError(`${shapeText(shape)}: no axis ${axis}`);
}
