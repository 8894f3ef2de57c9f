import {
  type OnnxAttributeValue,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  onnxEntries,
  onnxNode,
  onnxTensor,
  onnxValueInfo,
} from '../onnx/model.js';
import { layOutConvolution } from './convolution.js';
import {
  type ConvLayer,
  type HardSwishLayer,
  inputsOf,
  type Layer,
  type MapSize,
  type Network,
} from './layers.js';

/** What the finished graph is called and says of itself. */
export interface Emission {
  /**
   * Name of the input, uint8 [batch, height, width, channels], pixels as they are decoded, and the size that the network was made
   * for. Its sides are free: those that halve as often as these do.
   */
  readonly input: MapSize & { readonly name: string };
  readonly graphName: string;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const BATCH = 'batch';

/**
 * The network as an ONNX graph over channels-first maps, opset 17. Outputs are float32 [batch, channels, height, width].
 * Resizing follows the input: what the network tells as a size is a factor here.
 * @throws {Error} at a layer whose inputs do not fit together
 */
export function emitNetwork(network: Network, emission: Emission): OnnxModel {
  const emitter = new Emitter(network, emission);
  for (const [name, layer] of network.layers) emitter.emit(name, layer);
  return emitter.finish();
}

class Emitter {
  readonly #network: Network;
  readonly #emission: Emission;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, OnnxTensor>();
  readonly #sizes = new Map<string, MapSize>();
  /** Names in the graph, by names in the network. */
  readonly #names = new Map<string, string>();

  constructor(network: Network, emission: Emission) {
    this.#network = network;
    this.#emission = emission;
    for (const [role, name] of Object.entries(network.outputs)) this.#names.set(name, role);
    const { height, width, channels, name } = emission.input;
    this.#sizes.set(network.input, { height, width, channels });
    // Rows of interleaved pixels are rows of a map with one channel; convolutions over the input read them so.
    this.#initializers.set('rows', onnxTensor('rows', 'int64', [3], [0, 0, -1]));
    this.#initializers.set('channel-axis', onnxTensor('channel-axis', 'int64', [1], [1]));
    this.#node('Reshape', [name, 'rows'], `${name}/rows`);
    this.#node('Unsqueeze', [`${name}/rows`, 'channel-axis'], `${name}/map`);
    this.#node('Cast', [`${name}/map`], this.#name(network.input), { to: 1 });
  }

  emit(name: string, layer: Layer): void {
    if (layer.kind !== 'conv' && inputsOf(layer).includes(this.#network.input)) {
      throw new Error(`${name}: only a convolution reads interleaved pixels`);
    }
    const output = this.#name(name);
    switch (layer.kind) {
      case 'conv':
        this.#emitConv(name, layer);
        return;
      case 'relu':
        this.#node('Relu', [this.#name(layer.input)], output);
        break;
      case 'sigmoid':
        this.#node('Sigmoid', [this.#name(layer.input)], output);
        break;
      case 'mean':
        this.#node('GlobalAveragePool', [this.#name(layer.input)], output);
        this.#sizes.set(name, { ...this.#size(layer.input), height: 1, width: 1 });
        return;
      case 'hard-sigmoid':
        this.#expectUnitScale(name, layer.scale);
        this.#hardSigmoid(this.#name(layer.input), output, 1 / 6);
        break;
      case 'hard-swish':
        this.#emitHardSwish(name, layer);
        break;
      case 'scale':
        this.#expectUnitScale(name, layer.factor);
        break;
      case 'add':
      case 'multiply':
        this.#emitBinary(name, layer.kind === 'add' ? 'Add' : 'Mul', layer.inputs);
        return;
      case 'concat':
        this.#emitConcat(name, layer.inputs);
        return;
      case 'resize':
        this.#emitResize(name, layer);
        return;
    }
    this.#sizes.set(name, this.#size(layer.input));
  }

  finish(): OnnxModel {
    const { input, graphName, producer, metadata } = this.#emission;
    const outputs = Object.entries(this.#network.outputs).map(([role, name]) => {
      const sides = [`${role} rows`, `${role} columns`];
      return onnxValueInfo(role, 'float32', [BATCH, this.#size(name).channels, ...sides]);
    });
    return {
      irVersion: 8,
      producerName: producer,
      opsetImport: [{ domain: '', version: 17 }],
      metadataProps: onnxEntries(metadata),
      graph: {
        name: graphName,
        node: this.#nodes,
        initializer: [...this.#initializers.values()],
        input: [onnxValueInfo(input.name, 'uint8', [BATCH, 'height', 'width', input.channels])],
        output: outputs,
      },
    };
  }

  #emitConv(name: string, layer: ConvLayer): void {
    const output = this.#name(name);
    const isInterleaved = layer.input === this.#network.input;
    const { size, dims, weights, attributes } = layOutConvolution(
      layer,
      this.#size(layer.input),
      isInterleaved,
    );
    const inputs = [this.#name(layer.input), this.#parameter(`${output}/weights`, dims, weights)];
    if (layer.bias !== null) {
      inputs.push(this.#parameter(`${output}/bias`, [layer.bias.length], layer.bias));
    }
    this.#node('Conv', inputs, layer.relu ? `${output}/linear` : output, attributes);
    if (layer.relu) this.#node('Relu', [`${output}/linear`], output);
    this.#sizes.set(name, size);
  }

  #emitHardSwish(name: string, { input, scale, slope }: HardSwishLayer): void {
    this.#expectUnitScale(name, scale);
    const output = this.#name(name);
    this.#hardSigmoid(this.#name(input), `${output}/gate`, slope);
    this.#node('Mul', [this.#name(input), `${output}/gate`], output);
  }

  #hardSigmoid(input: string, output: string, slope: number): void {
    this.#node('HardSigmoid', [input], output, { alpha: { float: slope }, beta: { float: 0.5 } });
  }

  #emitBinary(name: string, operator: string, [first, second]: readonly [string, string]): void {
    const [a, b] = [this.#size(first), this.#size(second)];
    const larger = a.height * a.width >= b.height * b.width ? a : b;
    const smaller = larger === a ? b : a;
    const fits =
      smaller.channels === larger.channels &&
      (smaller.height * smaller.width === 1 ||
        (smaller.height === larger.height && smaller.width === larger.width));
    if (!fits) throw new Error(`${name}: ${JSON.stringify(a)} does not fit ${JSON.stringify(b)}`);
    const inputs = larger === a ? [first, second] : [second, first];
    this.#node(
      operator,
      inputs.map((input) => this.#name(input)),
      this.#name(name),
    );
    this.#sizes.set(name, larger);
  }

  #emitConcat(name: string, inputs: readonly string[]): void {
    const sizes = inputs.map((input) => this.#size(input));
    this.#node(
      'Concat',
      inputs.map((input) => this.#name(input)),
      this.#name(name),
      { axis: 1 },
    );
    const channels = sizes.reduce((sum, size) => sum + size.channels, 0);
    this.#sizes.set(name, { ...this.#size(inputs[0] ?? ''), channels });
  }

  #emitResize(name: string, { input, height, width }: Layer & { kind: 'resize' }): void {
    const size = this.#size(input);
    const scales = Float32Array.of(1, 1, height / size.height, width / size.width);
    const scalesName = this.#parameter(`scales-${scales.join('-')}`, [4], scales);
    this.#node('Resize', [this.#name(input), '', scalesName], this.#name(name), {
      mode: 'linear',
      coordinate_transformation_mode: 'asymmetric',
    });
    this.#sizes.set(name, { ...size, height, width });
  }

  #parameter(name: string, dims: readonly number[], data: Float32Array): string {
    this.#initializers.set(name, onnxTensor(name, 'float32', dims, data));
    return name;
  }

  #node(
    operator: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, OnnxAttributeValue>> = {},
  ): void {
    this.#nodes.push(onnxNode(operator, inputs, [output], attributes));
  }

  #name(name: string): string {
    return this.#names.get(name) ?? name;
  }

  #size(name: string): MapSize {
    const size = this.#sizes.get(name);
    if (size === undefined) throw new Error(`${name}: read before it is made`);
    return size;
  }

  #expectUnitScale(name: string, scale: number): void {
    if (scale !== 1) throw new Error(`${name}: the factor ${scale} was not folded into weights`);
  }
}
