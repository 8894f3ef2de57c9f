import { matMul } from '../tensor/contraction.js';
import {
  add,
  divide,
  greater,
  less,
  multiply,
  negate,
  squareRoot,
  subtract,
  where,
} from '../tensor/elementwise.js';
import { type ComputedOperator, constant, type Expression } from '../tensor/expression.js';
import {
  cast,
  concat,
  expand,
  gather,
  reshape,
  scatterAdd,
  slice,
  transpose,
  transposeLast,
} from '../tensor/layout.js';
import { meanOver, sumOver } from '../tensor/reduction.js';
import { elementCount, numericShape, type Shape } from '../tensor/shape.js';

/**
 * One entry per input: what the loss changes by when that input changes, as an expression of the node's shape before
 * broadcasting or of any shape that the input broadcasts to; null where the input has no gradient. `gradient` has the shape
 * of `node`.
 */
export type GradientRule = (
  node: Expression,
  gradient: Expression,
) => readonly (Expression | null)[];

const none: GradientRule = (node) => node.inputs.map(() => null);

const unary =
  (rule: (x: Expression, y: Expression, gradient: Expression) => Expression): GradientRule =>
  (node, gradient) => [rule(node.inputs[0]!, node, gradient)];

const binary =
  (
    rule: (a: Expression, b: Expression, gradient: Expression) => readonly [Expression, Expression],
  ): GradientRule =>
  (node, gradient) =>
    rule(node.inputs[0]!, node.inputs[1]!, gradient);

/**
 * Reverse-mode rules, one per operator. `Identity` stops the gradient; comparisons and casts have none. A rule may use the
 * node itself: the writer computes shared expressions once.
 */
export const GRADIENT_RULES: Readonly<Record<ComputedOperator, GradientRule>> = {
  Abs: unary((x, _, gradient) => where(less(x, 0), negate(gradient), gradient)),
  Add: binary((_a, _b, gradient) => [gradient, gradient]),
  Cast: none,
  Clip: (node, gradient) => {
    const x = node.inputs[0]!;
    const { min, max } = node.attributes;
    const above = where(greater(x, min!), gradient, 0);
    return [where(less(x, max!), above, 0)];
  },
  Concat: (node, gradient) => {
    const axis = node.attributes.axis!;
    let start = 0;
    return node.inputs.map((part) => {
      const end = start + numericShape(part.shape)[axis]!;
      const share = slice(gradient, axis, start, end);
      start = end;
      return share;
    });
  },
  Div: (node, gradient) => {
    const b = node.inputs[1]!;
    const share = divide(gradient, b);
    return [share, negate(multiply(share, node))];
  },
  Exp: unary((_, y, gradient) => multiply(gradient, y)),
  Expand: unary((_x, _y, gradient) => gradient),
  Gather: (node, gradient) => {
    const [table, ids] = node.inputs as readonly [Expression, Expression];
    return [scatterRows(table.shape, ids, gradient), null];
  },
  Greater: none,
  Identity: none,
  LayerNormalization: (node, gradient) => [layerNormalizationRule(node, gradient)],
  Less: none,
  Log: unary((x, _, gradient) => divide(gradient, x)),
  MatMul: binary(matMulRule),
  Mul: binary((a, b, gradient) => [multiply(gradient, b), multiply(gradient, a)]),
  Neg: unary((_x, _y, gradient) => negate(gradient)),
  ReduceMax: (node, gradient) => {
    const x = node.inputs[0]!;
    // Elements that share the maximum share its gradient.
    const isMax = where(less(x, node), 0, constant([1], [1]));
    const full = expand(isMax, x.shape);
    return [multiply(divide(gradient, sumOver(full, node.attributes.axes!)), full)];
  },
  ReduceMean: (node, gradient) => {
    const x = node.inputs[0]!;
    const share = elementCount(node.shape) / elementCount(x.shape);
    return [expand(multiply(gradient, share), x.shape)];
  },
  ReduceSum: unary((x, _, gradient) => expand(gradient, x.shape)),
  Relu: unary((_, y, gradient) => where(greater(y, 0), gradient, 0)),
  Reshape: unary((x, _, gradient) => reshape(gradient, x.shape)),
  ScatterElements: (node, gradient) => {
    const [, spread, updates] = node.inputs as readonly [Expression, Expression, Expression];
    const rows = gather(gradient, slice(spread, 1, 0, 1));
    return [gradient, null, reshape(rows, updates.shape)];
  },
  Sigmoid: unary((_, y, gradient) => multiply(gradient, multiply(y, subtract(1, y)))),
  Slice: (node, gradient) => [sliceRule(node, gradient)],
  Softmax: unary((_, y, gradient) => {
    const weighted = multiply(gradient, y);
    return subtract(weighted, multiply(y, sumOver(weighted, [-1])));
  }),
  Sqrt: unary((_, y, gradient) => divide(multiply(gradient, 0.5), y)),
  Sub: binary((_a, _b, gradient) => [gradient, negate(gradient)]),
  Transpose: (node, gradient) => {
    const permutation = node.attributes.permutation!;
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [transpose(gradient, inverse)];
  },
  Where: (node, gradient) => {
    const condition = node.inputs[0]!;
    return [null, where(condition, gradient, 0), where(condition, 0, gradient)];
  },
};

/** A weight shared by all leading axes sees them as rows of one matrix, so that its gradient is one product. */
function matMulRule(
  a: Expression,
  b: Expression,
  gradient: Expression,
): readonly [Expression, Expression] {
  const toLeft = matMul(gradient, transposeLast(b));
  const shared = b.shape.length === 2 && a.shape.length > 2;
  const rows = shared ? asMatrix(a) : a;
  const toRight = matMul(transposeLast(rows), shared ? asMatrix(gradient) : gradient);
  return [toLeft, toRight];
}

function asMatrix(x: Expression): Expression {
  const columns = numericShape(x.shape).at(-1)!;
  return reshape(x, [elementCount(x.shape) / columns, columns]);
}

/** With y the normalised x and s its deviation: (g - mean(g) - y * mean(g * y)) / s. */
function layerNormalizationRule(y: Expression, gradient: Expression): Expression {
  const x = y.inputs[0]!;
  const centred = subtract(x, meanOver(x, [-1]));
  const variance = meanOver(multiply(centred, centred), [-1]);
  const deviation = squareRoot(add(variance, y.attributes.epsilon!));
  const along = multiply(y, meanOver(multiply(gradient, y), [-1]));
  return divide(subtract(subtract(gradient, meanOver(gradient, [-1])), along), deviation);
}

function sliceRule(node: Expression, gradient: Expression): Expression {
  const source = node.inputs[0]!.shape;
  const { axis, start, end } = node.attributes as { axis: number; start: number; end: number };
  const zeros = (size: number) =>
    expand(
      constant(
        [0],
        source.map(() => 1),
      ),
      source.map((each, i) => (i === axis ? size : each)),
    );
  const after = numericShape(source)[axis]! - end;
  const parts = [
    ...(start > 0 ? [zeros(start)] : []),
    gradient,
    ...(after > 0 ? [zeros(after)] : []),
  ];
  return concat(parts, axis);
}

function scatterRows(table: Shape, ids: Expression, gradient: Expression): Expression {
  const count = elementCount(ids.shape);
  const rows = reshape(gradient, [count, table[1]!]);
  const zeros = expand(constant([0], [1, 1]), table);
  return scatterAdd(zeros, reshape(cast(ids, 'int64'), [count]), rows);
}
