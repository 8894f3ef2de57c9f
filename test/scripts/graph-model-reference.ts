import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import type { GraphModelFiles } from '../../scripts/detector/centernet.js';

/** A tensor that TensorFlow.js computed. */
export interface ReferenceTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

const WASM = new URL('../../node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url);

/** The graph model as TensorFlow.js runs it, on WebAssembly. */
export async function loadReference({ json, weights }: GraphModelFiles): Promise<tf.GraphModel> {
  setWasmPaths(fileURLToPath(WASM));
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
  model: tf.GraphModel,
  pixels: Uint8Array,
  size: number,
  nodes: readonly string[],
): Promise<ReferenceTensor[]> {
  const input = tf.tensor(Float32Array.from(pixels), [1, size, size, 3]);
  const outputs = model.execute(input, [...nodes]) as tf.Tensor[];
  const read = await Promise.all(
    outputs.map(async (tensor) => ({
      dims: tensor.shape,
      data: (await tensor.data()) as Float32Array,
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
