import { elementCount, numericShape, type Shape, ShapeError, shapeText } from './shape.js';

/**
 * A tensor expression: written once, read by the gradient rules and by the ONNX writer. Expressions are immutable and
 * share their parts, so a graph is named by its outputs alone. Operators are those of ONNX that both the CPU and the
 * WebGPU execution provider have.
 */
export interface Expression {
  readonly operator: Operator;
  readonly inputs: readonly Expression[];
  readonly attributes: Attributes;
  readonly shape: Shape;
  readonly type: ElementType;
}

export type ElementType = 'float32' | 'int32' | 'int64' | 'bool';

/** Operators that compute; each has an ONNX form and a gradient rule. */
export const COMPUTED_OPERATORS = [
  'Abs',
  'Add',
  'Cast',
  'Clip',
  'Concat',
  'Div',
  'Exp',
  'Expand',
  'Gather',
  'Greater',
  'Identity',
  'LayerNormalization',
  'Less',
  'Log',
  'MatMul',
  'Mul',
  'Neg',
  'ReduceMax',
  'ReduceMean',
  'ReduceSum',
  'Relu',
  'Reshape',
  'ScatterElements',
  'Sigmoid',
  'Slice',
  'Softmax',
  'Sqrt',
  'Sub',
  'Transpose',
  'Where',
] as const;

export type ComputedOperator = (typeof COMPUTED_OPERATORS)[number];

/** `Input`: fed at each run. `Parameter`: learned. `Constant`: written into the graph. */
type LeafOperator = 'Input' | 'Parameter' | 'Constant';

type Operator = ComputedOperator | LeafOperator;

/** What an operator needs beside its inputs; axes count from the front. */
export interface Attributes {
  readonly name?: string;
  readonly values?: readonly number[];
  readonly initial?: InitialValues;
  readonly axis?: number;
  readonly axes?: readonly number[];
  readonly permutation?: readonly number[];
  readonly start?: number;
  readonly end?: number;
  readonly min?: number;
  readonly max?: number;
  readonly epsilon?: number;
}

/** How a parameter starts: every element the same, or uniform in [-limit, limit]. */
export type InitialValues = { readonly fill: number } | { readonly limit: number };

export interface Parameter extends Expression {
  readonly operator: 'Parameter';
  readonly attributes: { readonly name: string; readonly initial: InitialValues };
  readonly shape: readonly number[];
}

/** A tensor fed at each run, under this name in the ONNX graph. */
export function input(name: string, shape: Shape, type: ElementType = 'float32'): Expression {
  return { operator: 'Input', inputs: [], attributes: { name }, shape, type };
}

/** A learned tensor. Names must be unique in a graph. */
export function parameter(
  name: string,
  shape: readonly number[],
  initial: InitialValues,
): Parameter {
  return {
    operator: 'Parameter',
    inputs: [],
    attributes: { name, initial },
    shape,
    type: 'float32',
  };
}

/**
 * Values written into the graph.
 * @throws {ShapeError} when the shape does not hold as many values
 */
export function constant(
  values: readonly number[],
  shape: readonly number[] = [values.length],
  type: ElementType = 'float32',
): Expression {
  if (elementCount(shape) !== values.length) {
    throw new ShapeError(`constant: ${shapeText(shape)} does not hold ${values.length} values`);
  }
  return { operator: 'Constant', inputs: [], attributes: { values }, shape, type };
}

export function scalar(value: number): Expression {
  return constant([value], []);
}

/** A node of the graph; operators are called through their own functions, which check and infer shapes. */
export function compute(
  operator: ComputedOperator,
  inputs: readonly Expression[],
  shape: Shape,
  attributes: Attributes = {},
  type: ElementType = 'float32',
): Expression {
  return { operator, inputs, attributes, shape, type };
}

export function isParameter(expression: Expression): expression is Parameter {
  return expression.operator === 'Parameter';
}

/**
 * Every expression that the outputs need, each once, inputs before the expressions that use them. The walk keeps its own
 * stack: graphs are deeper than the call stack allows.
 */
export function topologicalOrder(outputs: readonly Expression[]): readonly Expression[] {
  const order: Expression[] = [];
  const done = new Set<Expression>();
  const stack = outputs.toReversed().map((expression) => ({ expression, next: 0 }));
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const child = top.expression.inputs[top.next];
    if (child === undefined) {
      stack.pop();
      if (!done.has(top.expression)) order.push(top.expression);
      done.add(top.expression);
    } else {
      top.next++;
      if (!done.has(child)) stack.push({ expression: child, next: 0 });
    }
  }
  return order;
}

/**
 * The parameters that the outputs depend on, sorted by name, so that their order never depends on how a graph is written.
 * @throws {ShapeError} when two different parameters share a name
 */
export function parametersOf(outputs: readonly Expression[]): readonly Parameter[] {
  const found = topologicalOrder(outputs).filter(isParameter);
  const byName = new Map<string, Parameter>();
  for (const each of found) {
    if (byName.has(each.attributes.name)) {
      throw new ShapeError(`two parameters are named \`${each.attributes.name}\``);
    }
    byName.set(each.attributes.name, each);
  }
  return [...byName.values()].sort((a, b) => (a.attributes.name < b.attributes.name ? -1 : 1));
}

/** Number of learned values. */
export function parameterCount(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, each) => sum + elementCount(numericShape(each.shape)), 0);
}
