import { encodeOnnxModel, type OnnxNode, type OnnxTensor } from '../formats/onnx.js';
import {
  type OnnxAttributeValue,
  onnxNode,
  onnxTensor,
  onnxValueInfo,
} from '../formats/onnx-graph.js';
import {
  type ComputedOperator,
  type ElementType,
  type Expression,
  topologicalOrder,
} from './expression.js';
import { numericShape, type Shape, ShapeError, shapeText } from './shape.js';

/** 20 is the first set in which every operator used here has its present form on all execution providers. */
const OPSET_VERSION = 20;
/** The file format that came with opset 20. */
const IR_VERSION = 9;

const ONNX_TYPE_NUMBER: Readonly<Record<ElementType, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
};

/** What becomes of parameters: fed at each run as inputs, or written into the graph with these values. */
export type ParameterValues = ReadonlyMap<string, Float32Array> | 'inputs';

export interface OnnxGraphSource {
  readonly name: string;
  /** By the name that the output has in the ONNX graph. */
  readonly outputs: Readonly<Record<string, Expression>>;
  readonly parameters: ParameterValues;
  /** Key and value pairs kept in the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * An expression graph as the bytes of an `.onnx` file. Equal subexpressions are computed once; the same graph always
 * gives the same bytes. Inputs and parameters keep their names.
 * @throws {ShapeError} when a parameter has no value, or two inputs share a name
 */
export function writeOnnxGraph(source: OnnxGraphSource): Uint8Array {
  const writer = new GraphWriter(source.parameters);
  for (const expression of topologicalOrder(Object.values(source.outputs))) writer.put(expression);
  const outputs = Object.entries(source.outputs);
  for (const [name, expression] of outputs) writer.output(name, expression);
  return encodeOnnxModel({
    irVersion: IR_VERSION,
    producerName: 'vgr',
    opsetImport: [{ domain: '', version: OPSET_VERSION }],
    metadataProps: Object.entries(source.metadata ?? {}).map(([key, value]) => ({ key, value })),
    graph: {
      name: source.name,
      node: writer.nodes,
      initializer: [...writer.initializers.values()],
      input: [...writer.inputs].map(([name, each]) => onnxValueInfo(name, each.type, each.shape)),
      output: outputs.map(([name, each]) => onnxValueInfo(name, each.type, each.shape)),
    },
  });
}

class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly inputs = new Map<string, Expression>();
  readonly initializers = new Map<string, OnnxTensor>();
  readonly #names = new Map<Expression, string>();
  readonly #nameByContent = new Map<string, string>();
  readonly #parameters: ParameterValues;

  constructor(parameters: ParameterValues) {
    this.#parameters = parameters;
  }

  put(expression: Expression): void {
    this.#names.set(expression, this.#place(expression));
  }

  output(name: string, expression: Expression): void {
    this.nodes.push(onnxNode('Identity', [this.#nameOf(expression)], [name]));
  }

  #nameOf(expression: Expression): string {
    const name = this.#names.get(expression);
    if (name === undefined) throw new Error(`${expression.operator} is used before it is placed`);
    return name;
  }

  #place(expression: Expression): string {
    const { operator, attributes } = expression;
    if (operator === 'Input') return this.#feed(attributes.name!, expression);
    if (operator === 'Parameter') return this.#parameter(attributes.name!, expression);
    if (operator === 'Constant') {
      const values = attributes.values!;
      return this.#constant(expression.type, numericShape(expression.shape), values);
    }
    return this.#node(operator, expression);
  }

  #feed(name: string, expression: Expression): string {
    const known = this.inputs.get(name);
    if (known !== undefined && shapeText(known.shape) !== shapeText(expression.shape)) {
      throw new ShapeError(
        `input \`${name}\`: ${shapeText(known.shape)} and ${shapeText(expression.shape)}`,
      );
    }
    this.inputs.set(name, expression);
    return name;
  }

  #parameter(name: string, expression: Expression): string {
    if (this.#parameters === 'inputs') return this.#feed(name, expression);
    const values = this.#parameters.get(name);
    if (values === undefined) throw new ShapeError(`parameter \`${name}\` has no values`);
    const tensor = onnxTensor(name, 'float32', numericShape(expression.shape), values);
    this.initializers.set(name, tensor);
    return name;
  }

  #constant(type: ElementType, shape: readonly number[], values: readonly number[]): string {
    const content = `${type} [${shape}] ${values.map((value) => (Object.is(value, -0) ? '-0' : value)).join()}`;
    return this.#once(content, 'c', (name) => {
      this.initializers.set(name, constantTensor(name, type, shape, values));
    });
  }

  #node(operator: ComputedOperator, expression: Expression): string {
    const form = ONNX_FORMS[operator](expression);
    const inputs = expression.inputs.map((each) => this.#nameOf(each));
    for (const extra of form.constants ?? []) {
      inputs.push(this.#constant(extra.type, extra.shape, extra.values));
    }
    const content = `${operator} ${inputs.join()} ${JSON.stringify(form.attributes ?? {})}`;
    return this.#once(content, 'n', (name) => {
      this.nodes.push(onnxNode(operator, inputs, [name], form.attributes ?? {}));
    });
  }

  /** Writes each content once, under a name that no input, parameter or output has. */
  #once(content: string, prefix: string, write: (name: string) => void): string {
    const known = this.#nameByContent.get(content);
    if (known !== undefined) return known;
    const name = `${prefix}:${this.#nameByContent.size}`;
    this.#nameByContent.set(content, name);
    write(name);
    return name;
  }
}

function constantTensor(
  name: string,
  type: ElementType,
  shape: readonly number[],
  values: readonly number[],
): OnnxTensor {
  if (type === 'float32') return onnxTensor(name, type, shape, Float32Array.from(values));
  if (type === 'int32') return onnxTensor(name, type, shape, Int32Array.from(values));
  if (type === 'int64') return onnxTensor(name, type, shape, values);
  return onnxTensor(name, type, shape, Uint8Array.from(values));
}

interface ConstantInput {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** What an operator has in ONNX beyond its tensor inputs. */
interface OnnxForm {
  readonly attributes?: Readonly<Record<string, OnnxAttributeValue>>;
  readonly constants?: readonly ConstantInput[];
}

const integers = (values: readonly number[]): ConstantInput => ({
  type: 'int64',
  shape: [values.length],
  values,
});

const floats = (values: readonly number[], shape: readonly number[]): ConstantInput => ({
  type: 'float32',
  shape,
  values,
});

const plain = (): OnnxForm => ({});

const reduction = ({ attributes }: Expression): OnnxForm => ({
  attributes: { keepdims: 1 },
  constants: [integers(attributes.axes!)],
});

const ONNX_FORMS: Readonly<Record<ComputedOperator, (expression: Expression) => OnnxForm>> = {
  Abs: plain,
  Add: plain,
  Cast: ({ type }) => ({ attributes: { to: ONNX_TYPE_NUMBER[type] } }),
  Clip: ({ attributes }) => ({
    constants: [floats([attributes.min!], []), floats([attributes.max!], [])],
  }),
  Concat: ({ attributes }) => ({ attributes: { axis: attributes.axis! } }),
  Div: plain,
  Exp: plain,
  Expand: ({ shape }) => ({ constants: [integers(numericShape(shape))] }),
  Gather: () => ({ attributes: { axis: 0 } }),
  Greater: plain,
  Identity: plain,
  LayerNormalization: ({ attributes, shape }) => {
    const size = shape[attributes.axis!];
    if (typeof size !== 'number') throw new ShapeError('LayerNormalization: size must be a number');
    return {
      attributes: { axis: attributes.axis!, epsilon: { floats: attributes.epsilon! } },
      constants: [floats(new Array<number>(size).fill(1), [size])],
    };
  },
  Less: plain,
  Log: plain,
  MatMul: plain,
  Mul: plain,
  Neg: plain,
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceSum: reduction,
  Relu: plain,
  Reshape: (expression) => ({ constants: [integers(reshapeTarget(expression))] }),
  ScatterElements: () => ({ attributes: { axis: 0, reduction: 'add' } }),
  Sigmoid: plain,
  Slice: ({ attributes }) => ({
    constants: [
      integers([attributes.start!]),
      integers([attributes.end!]),
      integers([attributes.axis!]),
    ],
  }),
  Softmax: ({ attributes }) => ({ attributes: { axis: attributes.axis! } }),
  Sqrt: plain,
  Sub: plain,
  Transpose: ({ attributes }) => ({ attributes: { perm: attributes.permutation! } }),
  Where: plain,
};

/** ONNX's Reshape: 0 keeps the size of the input's same axis, one -1 takes what is left. */
function reshapeTarget({ inputs, shape }: Expression): readonly number[] {
  const source: Shape = inputs[0]!.shape;
  const target = shape.map((size, axis) => {
    if (typeof size === 'number') return size;
    return source[axis] === size ? 0 : -1;
  });
  if (target.filter((size) => size === -1).length > 1) {
    throw new ShapeError(`reshape: ${shapeText(source)} to ${shapeText(shape)} moves two names`);
  }
  return target;
}
