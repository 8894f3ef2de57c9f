import { compute, type Expression, scalar } from './expression.js';
import { broadcastShapes } from './shape.js';

/** A number stands for a scalar constant. */
export type Operand = Expression | number;

type Arithmetic = 'Add' | 'Sub' | 'Mul' | 'Div';
type Unary = 'Abs' | 'Exp' | 'Log' | 'Neg' | 'Relu' | 'Sigmoid' | 'Sqrt';

function operand(value: Operand): Expression {
  return typeof value === 'number' ? scalar(value) : value;
}

function arithmetic(operator: Arithmetic, a: Operand, b: Operand): Expression {
  const inputs = [operand(a), operand(b)] as const;
  return compute(operator, inputs, broadcastShapes(inputs[0].shape, inputs[1].shape));
}

/** a + b, with broadcasting, as all arithmetic here. */
export function add(a: Operand, b: Operand): Expression {
  return arithmetic('Add', a, b);
}

/** a - b */
export function subtract(a: Operand, b: Operand): Expression {
  return arithmetic('Sub', a, b);
}

/** a * b, element by element. */
export function multiply(a: Operand, b: Operand): Expression {
  return arithmetic('Mul', a, b);
}

/** a / b, element by element. */
export function divide(a: Operand, b: Operand): Expression {
  return arithmetic('Div', a, b);
}

function unary(operator: Unary, x: Expression): Expression {
  return compute(operator, [x], x.shape);
}

export function absolute(x: Expression): Expression {
  return unary('Abs', x);
}

export function exponential(x: Expression): Expression {
  return unary('Exp', x);
}

/** Natural logarithm. */
export function logarithm(x: Expression): Expression {
  return unary('Log', x);
}

export function negate(x: Expression): Expression {
  return unary('Neg', x);
}

/** max(x, 0) */
export function relu(x: Expression): Expression {
  return unary('Relu', x);
}

/** 1 / (1 + exp(-x)) */
export function sigmoid(x: Expression): Expression {
  return unary('Sigmoid', x);
}

export function squareRoot(x: Expression): Expression {
  return unary('Sqrt', x);
}

/** x limited to [min, max]; the gradient is 0 outside. */
export function clip(x: Expression, min: number, max: number): Expression {
  return compute('Clip', [x], x.shape, { min, max });
}

function comparison(operator: 'Greater' | 'Less', a: Operand, b: Operand): Expression {
  const inputs = [operand(a), operand(b)] as const;
  const shape = broadcastShapes(inputs[0].shape, inputs[1].shape);
  return compute(operator, inputs, shape, {}, 'bool');
}

/** a > b, as booleans. */
export function greater(a: Operand, b: Operand): Expression {
  return comparison('Greater', a, b);
}

/** a < b, as booleans. */
export function less(a: Operand, b: Operand): Expression {
  return comparison('Less', a, b);
}

/** `yes` where the condition holds, else `no`; all three broadcast. Nothing of the other side leaks, not even NaN. */
export function where(condition: Expression, yes: Operand, no: Operand): Expression {
  const inputs = [condition, operand(yes), operand(no)] as const;
  const shape = broadcastShapes(broadcastShapes(condition.shape, inputs[1].shape), inputs[2].shape);
  return compute('Where', inputs, shape);
}

/** The smaller of two, element by element. WebGPU has no `Min`. */
export function minimum(a: Operand, b: Operand): Expression {
  return where(less(a, b), a, b);
}

/** log(1 + exp(x)) without overflow. WebGPU has no `Softplus`. */
export function softplus(x: Expression): Expression {
  return add(relu(x), logarithm(add(1, exponential(negate(absolute(x))))));
}
