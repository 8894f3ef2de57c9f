import { matMul } from './contraction.js';
import { add, exponential, logarithm, multiply, subtract } from './elementwise.js';
import { compute, type Expression } from './expression.js';
import { reshape, stopGradient } from './layout.js';
import { axisOf, type Dimension } from './shape.js';

/** Reduced axes stay, with size 1. */
function reduce(
  operator: 'ReduceMax' | 'ReduceMean' | 'ReduceSum',
  x: Expression,
  axes: readonly number[],
): Expression {
  const reduced = axes.map((axis) => axisOf(x.shape, axis)).sort((a, b) => a - b);
  const shape = x.shape.map((size, axis) => (reduced.includes(axis) ? 1 : size));
  return compute(operator, [x], shape, { axes: reduced });
}

/** Sum over the axes, which stay with size 1. */
export function sumOver(x: Expression, axes: readonly number[]): Expression {
  return reduce('ReduceSum', x, axes);
}

/** Mean over the axes, which stay with size 1. */
export function meanOver(x: Expression, axes: readonly number[]): Expression {
  return reduce('ReduceMean', x, axes);
}

/** Maximum over the axes, which stay with size 1. */
export function maxOver(x: Expression, axes: readonly number[]): Expression {
  return reduce('ReduceMax', x, axes);
}

/** exp(x) / sum(exp(x)) along the last axis. */
export function softmax(x: Expression): Expression {
  return compute('Softmax', [x], x.shape, { axis: axisOf(x.shape, -1) });
}

/**
 * log(sum(exp(x))) along the last axis of a matrix [B, N], which stays with size 1. The maximum only guards against overflow.
 * The sum is a product with ones: the runtime's ReduceSum adds in an order that depends on where in memory a row starts, so
 * that the sum of a row would depend on its place in the batch.
 */
export function logSumExp(x: Expression): Expression {
  const [batch, columns] = x.shape as readonly [Dimension, Dimension];
  const shift = stopGradient(maxOver(x, [-1]));
  const terms = exponential(subtract(x, shift));
  const ones = add(multiply(stopGradient(terms), 0), 1);
  const sum = matMul(reshape(terms, [batch, 1, columns]), reshape(ones, [batch, columns, 1]));
  return add(shift, logarithm(reshape(sum, [batch, 1])));
}

/**
 * (x - mean) / sqrt(variance + epsilon) along the last axis, without scale and shift: both are a multiplication and an
 * addition of their own.
 * @see Ba, Kiros, Hinton 2016, arXiv 1607.06450
 */
export function layerNormalization(x: Expression, epsilon = 1e-5): Expression {
  return compute('LayerNormalization', [x], x.shape, { axis: axisOf(x.shape, -1), epsilon });
}
