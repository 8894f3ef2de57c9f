import { compute, type Expression } from './expression.js';
import { broadcastShapes, ShapeError, shapeText } from './shape.js';

/**
 * Matrix product over the last two axes; leading axes broadcast. A right side of two axes is shared by all leading axes
 * of the left.
 * @throws {ShapeError} when a side has fewer than two axes or the inner sizes differ
 */
export function matMul(a: Expression, b: Expression): Expression {
  const [rows, inner] = a.shape.slice(-2);
  const [shared, columns] = b.shape.slice(-2);
  if (columns === undefined || inner === undefined || inner !== shared) {
    throw new ShapeError(`matMul: ${shapeText(a.shape)} by ${shapeText(b.shape)}`);
  }
  const leading = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return compute('MatMul', [a, b], [...leading, rows!, columns]);
}
