import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { GraphModelFiles } from '../../scripts/detector/centernet.js';
import type { ImageSize } from '../../src/core/box.js';
import type { RgbRaster } from '../../src/core/raster.js';

/** A tensor that TensorFlow.js computed. */
export interface ReferenceTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

interface Tensor {
  readonly shape: number[];
  data(): Promise<Float32Array>;
}

/** A model that TensorFlow.js has loaded. */
export interface GraphModel {
  execute(input: Tensor, nodes: string[]): Tensor[];
  dispose(): void;
}

/** What is called of TensorFlow.js, which is installed beside the conversion only. */
interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  loadGraphModel(source: { readonly load: () => Promise<object> }): Promise<GraphModel>;
  tensor(values: Float32Array, shape: number[]): Tensor;
  dispose(tensors: Tensor[]): void;
}

const installed = createRequire(new URL('../../scripts/detector/package.json', import.meta.url));
const tensorFlow = (): TensorFlow => installed('@tensorflow/tfjs');

/** Sides of the picture that the graph model is made for. */
const SIDE = 512;

/**
 * The graph model for pictures of another size: the sizes that its upsampling makes are constants, which follow. What is behind
 * the heads stays as it is and is not to be run.
 */
export function forSize(
  { json, weights }: GraphModelFiles,
  { width, height }: ImageSize,
): GraphModelFiles {
  const model = JSON.parse(json);
  const resized = Buffer.from(weights);
  let offset = 0;
  for (const { name, shape, quantization } of model.weightsManifest[0].weights) {
    if (/up_sampling2d.*\/mul$/.test(name)) {
      for (const [place, side] of [height, width].entries()) {
        const at = offset + 4 * place;
        resized.writeInt32LE((resized.readInt32LE(at) * side) / SIDE, at);
      }
    }
    offset += shape.reduce((count: number, each: number) => count * each, quantization ? 2 : 4);
  }
  const dims = [1, height, width, 3].map((size) => ({ size: String(size) }));
  for (const { op, attr } of model.modelTopology.node) {
    if (op === 'Placeholder') attr.shape.shape.dim = dims;
  }
  for (const input of Object.values<{ tensorShape: unknown }>(model.signature.inputs)) {
    input.tensorShape = { dim: dims };
  }
  return { json: JSON.stringify(model), weights: resized };
}

/** The graph model as TensorFlow.js runs it, on WebAssembly. */
export async function loadReference({ json, weights }: GraphModelFiles): Promise<GraphModel> {
  const tf = tensorFlow();
  const wasm = installed.resolve('@tensorflow/tfjs-backend-wasm');
  installed('@tensorflow/tfjs-backend-wasm').setWasmPaths(`${dirname(wasm)}/`);
  await tf.setBackend('wasm');
  await tf.ready();
  const { modelTopology, weightsManifest, signature } = JSON.parse(json);
  return tf.loadGraphModel({
    load: async () => ({
      modelTopology,
      signature,
      weightSpecs: weightsManifest[0].weights,
      weightData: Uint8Array.from(weights).buffer,
    }),
  });
}

/** Nodes of the graph for one picture of interleaved 8-bit pixels. */
export async function runReference(
  model: GraphModel,
  { data, width, height }: RgbRaster,
  nodes: readonly string[],
): Promise<ReferenceTensor[]> {
  const tf = tensorFlow();
  const input = tf.tensor(Float32Array.from(data), [1, height, width, 3]);
  const outputs = model.execute(input, [...nodes]);
  const read = await Promise.all(
    outputs.map(async (tensor) => ({
      dims: tensor.shape,
      data: await tensor.data(),
    })),
  );
  tf.dispose([input, ...outputs]);
  return read;
}

/** [1, height, width, channels] as [1, channels, height, width]. */
export function channelsFirst({ dims, data }: ReferenceTensor): ReferenceTensor {
  const [, height = 0, width = 0, channels = 0] = dims;
  const area = height * width;
  const moved = new Float32Array(data.length);
  for (let cell = 0; cell < area; cell++) {
    for (let channel = 0; channel < channels; channel++) {
      moved[channel * area + cell] = data[cell * channels + channel]!;
    }
  }
  return { dims: [1, channels, height, width], data: moved };
}
