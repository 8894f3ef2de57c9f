import type { TfConstant, TfGraph, TfNode } from './graph-model.js';
import { type ConvLayer, inputsOf, type Layer, type Network } from './layers.js';

/**
 * The part of a TensorFlow graph that the outputs need, as layers. Hard-swish and hard-sigmoid, which the graph spells out
 * as sums and products, become one layer each.
 * @throws {Error} at an operation, attribute or constant that is not understood
 */
export function lowerGraph(
  graph: TfGraph,
  input: string,
  outputs: Readonly<Record<string, string>>,
): Network {
  return new Lowering(graph, input).lower(outputs);
}

const CONVOLUTIONS = new Set([
  'Conv2D',
  '_FusedConv2D',
  'DepthwiseConv2dNative',
  'FusedDepthwiseConv2dNative',
]);

class Lowering {
  readonly #graph: TfGraph;
  readonly #input: string;
  readonly #nodes: ReadonlyMap<string, TfNode>;
  readonly #layers = new Map<string, Layer>();

  constructor(graph: TfGraph, input: string) {
    this.#graph = graph;
    this.#input = input;
    this.#nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  }

  lower(outputs: Readonly<Record<string, string>>): Network {
    const named = Object.entries(outputs).map(
      ([name, node]) => [name, this.#origin(node)] as const,
    );
    for (const [, node] of named) this.#visit(node);
    return { input: this.#input, layers: this.#layers, outputs: Object.fromEntries(named) };
  }

  /** The node itself, or what an identity repeats. */
  #origin(name: string): string {
    const node = this.#nodes.get(name);
    return node?.op === 'Identity' ? this.#origin(node.inputs[0] ?? '') : name;
  }

  /** Depth first, so that what a layer reads comes before it. */
  #visit(name: string): void {
    if (name === this.#input || this.#layers.has(name)) return;
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`graph: nothing is named ${name}`);
    const layer = this.#lowerNode(node);
    for (const source of inputsOf(layer)) this.#visit(source);
    this.#layers.set(name, layer);
  }

  #lowerNode(node: TfNode): Layer {
    const [first = '', second = ''] = node.inputs.map((name) => this.#origin(name));
    if (CONVOLUTIONS.has(node.op)) return this.#lowerConvolution(node);
    switch (node.op) {
      case 'Add':
        return { kind: 'add', inputs: [first, second] };
      case 'Mul':
        return this.#lowerProduct(node);
      case 'Relu':
        return { kind: 'relu', input: first };
      case 'Sigmoid':
        return { kind: 'sigmoid', input: first };
      case 'Mean':
        this.#expectValues(node, second, [1, 2]);
        if (!node.attributes.keepDims) throw new Error(`${node.name}: expected keep_dims`);
        return { kind: 'mean', input: first };
      case 'ConcatV2':
        this.#expectValues(node, node.inputs.at(-1) ?? '', [3]);
        return { kind: 'concat', inputs: node.inputs.slice(0, -1) };
      case 'ResizeBilinear':
        return this.#lowerResize(node);
      default:
        throw new Error(`${node.name}: operation ${node.op} is not understood`);
    }
  }

  #lowerConvolution(node: TfNode): ConvLayer {
    const [input = '', weightsName = '', biasName] = node.inputs;
    const { padding, strides, dilations, fusedOps = [], dataFormat } = node.attributes;
    const [batchStride, stride = 0, across, channelStride] = strides ?? [];
    const fused = fusedOps.join('+');
    if (
      dataFormat !== 'NHWC' ||
      (padding !== 'SAME' && padding !== 'VALID') ||
      batchStride !== 1 ||
      across !== stride ||
      channelStride !== 1 ||
      (dilations ?? [1]).some((step) => step !== 1) ||
      !['', 'BiasAdd', 'BiasAdd+Relu'].includes(fused)
    ) {
      throw new Error(
        `${node.name}: attributes ${JSON.stringify(node.attributes)} are not understood`,
      );
    }
    const weights = this.#constant(node, weightsName);
    const depthwise = node.op.includes('Depthwise');
    if (weights.dims.length !== 4 || (depthwise && weights.dims[3] !== 1)) {
      throw new Error(`${node.name}: weights of [${weights.dims}] are not understood`);
    }
    const bias = fused === '' ? null : this.#floats(node, biasName ?? '');
    return {
      kind: 'conv',
      input,
      weights,
      bias,
      depthwise,
      stride,
      same: padding === 'SAME',
      relu: fused.endsWith('Relu'),
    };
  }

  /** A hard-swish is `(c x) relu6(x + 3)`, a hard-sigmoid `c relu6(x + 3)`, with c near 1/6. */
  #lowerProduct(node: TfNode): Layer {
    const { factor, other } = this.#scaled(node);
    if (factor !== null) {
      const gate = this.#gateOf(other);
      if (gate === null) return { kind: 'scale', input: other, factor };
      return { kind: 'hard-sigmoid', input: gate, scale: 6 * factor };
    }
    const [first = '', second = ''] = node.inputs;
    for (const [line, gated] of [
      [first, second],
      [second, first],
    ] as const) {
      const gate = this.#gateOf(gated);
      const product = this.#nodes.get(line);
      if (gate === null || product?.op !== 'Mul') continue;
      const inner = this.#scaled(product);
      if (inner.factor !== null && inner.other === gate) {
        return { kind: 'hard-swish', input: gate, scale: 6 * inner.factor, slope: 1 / 6 };
      }
    }
    return { kind: 'multiply', inputs: [first, second] };
  }

  /** The constant factor of a product and what it multiplies; null where neither operand is a single constant. */
  #scaled(node: TfNode): { factor: number | null; other: string } {
    const [first = '', second = ''] = node.inputs;
    const left = this.#scalar(first);
    if (left !== null) return { factor: left, other: second };
    return { factor: this.#scalar(second), other: first };
  }

  /** x where the node is `relu6(x + 3)`, else null. */
  #gateOf(name: string): string | null {
    const clip = this.#nodes.get(name);
    const sum = clip?.op === 'Relu6' ? this.#nodes.get(clip.inputs[0] ?? '') : undefined;
    if (sum?.op !== 'Add') return null;
    const { factor, other } = this.#scaled(sum);
    return factor === 3 ? other : null;
  }

  #lowerResize(node: TfNode): Layer {
    const [input = '', sizeName = ''] = node.inputs;
    if (node.attributes.alignCorners || node.attributes.halfPixelCenters) {
      throw new Error(`${node.name}: only a resize without alignment is understood`);
    }
    const [height = 0, width = 0] = this.#constant(node, sizeName).data;
    return { kind: 'resize', input, height, width };
  }

  #scalar(name: string): number | null {
    const constant = this.#graph.constants.get(name);
    return constant?.data.length === 1 ? (constant.data[0] ?? null) : null;
  }

  #constant(node: TfNode, name: string): TfConstant {
    const constant = this.#graph.constants.get(name);
    if (constant === undefined) throw new Error(`${node.name}: expected a constant, got ${name}`);
    return constant;
  }

  #floats(node: TfNode, name: string): Float32Array {
    const { data } = this.#constant(node, name);
    if (data instanceof Float32Array) return data;
    throw new Error(`${node.name}: expected floats in ${name}`);
  }

  #expectValues(node: TfNode, name: string, expected: readonly number[]): void {
    const got = [...this.#constant(node, name).data].map((axis) => (axis < 0 ? axis + 4 : axis));
    if (got.join() !== expected.join()) {
      throw new Error(`${node.name}: expected axes [${expected}], got [${got}]`);
    }
  }
}
