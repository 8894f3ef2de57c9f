import { matMul } from '../tensor/contraction.js';
import { add, multiply, relu } from '../tensor/elementwise.js';
import { type Expression, parameter } from '../tensor/expression.js';
import { reshape, transpose } from '../tensor/layout.js';
import { layerNormalization, softmax } from '../tensor/reduction.js';
import { ShapeError, shapeText } from '../tensor/shape.js';

/** Size of the last axis, which is always a number. */
function lastSize(x: Expression): number {
  const size = x.shape.at(-1);
  if (typeof size === 'number') return size;
  throw new ShapeError(`${shapeText(x.shape)}: expected a last axis of known size`);
}

/**
 * x by a weight `name.weight` plus a bias `name.bias`: [.., I] to [.., O]. Weights start uniform within
 * `gain * sqrt(6 / (I + O))`.
 * @see Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"
 */
export function linear(name: string, x: Expression, outputs: number, gain = 1): Expression {
  const inputs = lastSize(x);
  const limit = gain * Math.sqrt(6 / (inputs + outputs));
  const weight = parameter(`${name}.weight`, [inputs, outputs], { limit });
  return add(matMul(x, weight), parameter(`${name}.bias`, [outputs], { fill: 0 }));
}

/** Normalised along the last axis, with a learned scale `name.scale` and shift `name.shift`. */
export function normalized(name: string, x: Expression): Expression {
  const size = lastSize(x);
  const scale = parameter(`${name}.scale`, [size], { fill: 1 });
  return add(
    multiply(layerNormalization(x), scale),
    parameter(`${name}.shift`, [size], { fill: 0 }),
  );
}

/** Two linear layers with a rectifier between: [.., I] to [.., O]. */
export function perceptron(
  name: string,
  x: Expression,
  hidden: number,
  outputs: number,
  gain = 1,
): Expression {
  return linear(`${name}.out`, relu(linear(`${name}.in`, x, hidden)), outputs, gain);
}

export interface AttentionSource {
  /** [B, M, ..]: what is attended to. */
  readonly memory: Expression;
  /** Added to the scores before the softmax: broadcasts to [B, heads, N, M]. */
  readonly bias: Expression;
  readonly heads: number;
}

/**
 * Multi-head attention of each row of x [B, N, D] over the rows of a memory, [B, N, D]. D must be a multiple of the heads.
 * @see Vaswani et al. 2017, arXiv 1706.03762
 */
export function attention(name: string, x: Expression, source: AttentionSource): Expression {
  const width = lastSize(x);
  const { heads, memory, bias } = source;
  const size = width / heads;
  if (!Number.isInteger(size)) throw new ShapeError(`width ${width} is no multiple of ${heads}`);
  const split = (part: Expression) => reshape(part, [part.shape[0]!, part.shape[1]!, heads, size]);
  const scaled = multiply(linear(`${name}.query`, x, width), 1 / Math.sqrt(size));
  const queries = transpose(split(scaled), [0, 2, 1, 3]);
  const keys = transpose(split(linear(`${name}.key`, memory, width)), [0, 2, 3, 1]);
  const values = transpose(split(linear(`${name}.value`, memory, width)), [0, 2, 1, 3]);
  const weights = softmax(add(matMul(queries, keys), bias));
  const mixed = reshape(transpose(matMul(weights, values), [0, 2, 1, 3]), x.shape);
  return linear(`${name}.out`, mixed, width);
}
