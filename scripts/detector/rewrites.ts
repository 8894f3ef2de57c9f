import { type ConvLayer, inputsOf, type Layer, type Network, readersOf } from './layers.js';

/**
 * Leaves the function as it is and makes the graph faster: a ReLU after a concatenation goes before it, where it joins the
 * convolutions; factors go into weights; odd channel counts before depthwise convolutions are filled up.
 */
export function simplify(network: Network): Network {
  return fillChannels(foldFactors(hoistRelu(network)));
}

function hoistRelu(network: Network): Network {
  const readers = readersOf(network);
  const layers = new Map<string, Layer>();
  for (const [name, layer] of network.layers) {
    const source = layer.kind === 'relu' ? layers.get(layer.input) : undefined;
    if (layer.kind !== 'relu' || source?.kind !== 'concat' || readers.get(layer.input) !== 1) {
      layers.set(name, layer);
      continue;
    }
    layers.delete(layer.input);
    const inputs = source.inputs.map((input) => {
      const part = layers.get(input);
      if (part?.kind === 'conv' && readers.get(input) === 1) {
        layers.set(input, { ...part, relu: true });
        return input;
      }
      layers.set(`${input}/Relu`, { kind: 'relu', input });
      return `${input}/Relu`;
    });
    layers.set(name, { kind: 'concat', inputs });
  }
  return { ...network, layers };
}

function foldFactors(network: Network): Network {
  const readers = readersOf(network);
  const layers = new Map<string, Layer>();
  const alone = (name: string) => readers.get(name) === 1;
  for (const [name, layer] of network.layers) {
    const [input = ''] = inputsOf(layer);
    const source = layers.get(input);
    const isLinear = source?.kind === 'conv' && !source.relu && alone(input);
    if (layer.kind === 'scale' && isLinear) {
      layers.delete(input);
      layers.set(name, scaleResults(source, layer.factor));
    } else if (layer.kind === 'hard-swish' && isLinear) {
      // k x clip(s x + 0.5) is y clip(s / k y + 0.5) of y = k x.
      layers.set(input, scaleResults(source, layer.scale));
      layers.set(name, { ...layer, scale: 1, slope: layer.slope / layer.scale });
    } else if (layer.kind === 'conv' && source?.kind === 'multiply' && alone(input)) {
      // A gate's factor passes through the product into the weights that read it.
      const gateName =
        source.inputs.find((part) => layers.get(part)?.kind === 'hard-sigmoid') ?? '';
      const gate = layers.get(gateName);
      if (gate?.kind === 'hard-sigmoid' && alone(gateName)) {
        layers.set(gateName, { ...gate, scale: 1 });
        layers.set(name, { ...layer, weights: scaleWeights(layer, gate.scale) });
      } else {
        layers.set(name, layer);
      }
    } else {
      layers.set(name, layer);
    }
  }
  return { ...network, layers };
}

function scaleResults(layer: ConvLayer, factor: number): ConvLayer {
  const bias = layer.bias?.map((offset) => offset * factor) ?? null;
  return { ...layer, weights: scaleWeights(layer, factor), bias };
}

function scaleWeights(
  { weights: { dims, data } }: ConvLayer,
  factor: number,
): ConvLayer['weights'] {
  return { dims, data: Float32Array.from(data, (weight) => weight * factor) };
}

/** The runtime's blocked layout takes depthwise convolutions of this many channels, and multiples, only. */
const CHANNEL_BLOCK = 8;

/** Channels of zeros up to the next full block, for a dense convolution that only a depthwise one reads, and so on. */
function fillChannels(network: Network): Network {
  const readers = readersOf(network);
  const layers = new Map(network.layers);
  for (const [name, layer] of network.layers) {
    if (layer.kind !== 'conv' || layer.depthwise) continue;
    const middle = layers.get(layer.input);
    const first = middle?.kind === 'conv' ? layers.get(middle.input) : undefined;
    if (middle?.kind !== 'conv' || !middle.depthwise || first?.kind !== 'conv' || first.depthwise) {
      continue;
    }
    const missing = -(first.weights.dims[3] ?? 0) & (CHANNEL_BLOCK - 1);
    if (missing === 0 || readers.get(layer.input) !== 1 || readers.get(middle.input) !== 1)
      continue;
    layers.set(middle.input, { ...first, ...fill(first, 3, missing) });
    layers.set(layer.input, { ...middle, ...fill(middle, 2, missing) });
    layers.set(name, { ...layer, weights: fill({ ...layer, bias: null }, 2, missing).weights });
  }
  return { ...network, layers };
}

/** Weights with zeros at the end of one axis, and the bias with as many. */
function fill(
  { weights, bias }: ConvLayer,
  axis: number,
  missing: number,
): Pick<ConvLayer, 'weights' | 'bias'> {
  const size = weights.dims[axis] ?? 1;
  const inner = weights.dims.slice(axis + 1).reduce((product, length) => product * length, 1);
  const run = size * inner;
  const filled = (size + missing) * inner;
  const data = new Float32Array((weights.data.length / run) * filled);
  for (let from = 0, to = 0; from < weights.data.length; from += run, to += filled) {
    data.set(weights.data.subarray(from, from + run), to);
  }
  const dims = weights.dims.map((length, place) => (place === axis ? length + missing : length));
  return {
    weights: { dims, data },
    bias: bias && Float32Array.from([...bias, ...new Array<number>(missing).fill(0)]),
  };
}
