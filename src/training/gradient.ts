import { add } from '../tensor/elementwise.js';
import {
  type ComputedOperator,
  constant,
  type Expression,
  isParameter,
  topologicalOrder,
} from '../tensor/expression.js';
import { reshape } from '../tensor/layout.js';
import { sumOver } from '../tensor/reduction.js';
import { type Shape, ShapeError, sameShape, shapeText } from '../tensor/shape.js';
import { GRADIENT_RULES } from './gradient-rules.js';

/**
 * The derivative of a scalar loss by each target, as expressions of the targets' shapes: reverse mode over the graph, one
 * rule per operator. Every size must be a number.
 * @throws {ShapeError} when the loss is no scalar, or a target does not reach it
 */
export function gradientsOf(
  loss: Expression,
  targets: readonly Expression[],
): readonly Expression[] {
  if (loss.shape.length > 0) {
    throw new ShapeError(`loss: expected a scalar, got ${shapeText(loss.shape)}`);
  }
  const gradients = new Map<Expression, Expression>([[loss, constant([1], [])]]);
  const order = topologicalOrder([loss]);
  const learned = dependents(order, new Set(targets));
  for (const node of order.toReversed()) {
    const gradient = gradients.get(node);
    if (gradient === undefined || node.inputs.length === 0) continue;
    const shares = GRADIENT_RULES[node.operator as ComputedOperator](node, gradient);
    for (const [index, source] of node.inputs.entries()) {
      const share = shares[index] ?? null;
      if (share === null || !learned.has(source)) continue;
      const part = unbroadcast(share, source.shape);
      const sum = gradients.get(source);
      gradients.set(source, sum === undefined ? part : add(sum, part));
    }
  }
  return targets.map((target) => {
    const gradient = gradients.get(target);
    if (gradient !== undefined) return gradient;
    const name = isParameter(target) ? `\`${target.attributes.name}\`` : target.operator;
    throw new ShapeError(`gradient: ${name} does not reach the loss`);
  });
}

/** The targets and every expression computed from one of them. */
function dependents(
  order: readonly Expression[],
  targets: ReadonlySet<Expression>,
): ReadonlySet<Expression> {
  const found = new Set<Expression>();
  for (const node of order) {
    if (targets.has(node) || node.inputs.some((each) => found.has(each))) found.add(node);
  }
  return found;
}

/** The gradient of a stretched tensor summed back to the shape it had; the one place where broadcasting is undone. */
function unbroadcast(gradient: Expression, shape: Shape): Expression {
  if (sameShape(gradient.shape, shape)) return gradient;
  const added = gradient.shape.length - shape.length;
  const stretched = gradient.shape.flatMap((size, axis) =>
    axis < added || (shape[axis - added] === 1 && size !== 1) ? [axis] : [],
  );
  return reshape(sumOver(gradient, stretched), shape);
}
