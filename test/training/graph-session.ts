import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { NamedTensors } from '../../src/detection/tensor.js';
import type { Expression } from '../../src/tensor/expression.js';
import { type ParameterValues, writeOnnxGraph } from '../../src/tensor/onnx-writer.js';

/** A graph that runs: expressions in, tensors out, through the real runtime. */
export interface GraphSession {
  run(feeds: NamedTensors): Promise<Record<string, Float32Array>>;
  close(): Promise<void>;
}

export async function openGraph(
  outputs: Readonly<Record<string, Expression>>,
  parameters: ParameterValues = 'inputs',
  options: InferenceSession.SessionOptions = {},
): Promise<GraphSession> {
  return openModel(writeOnnxGraph({ name: 'test', outputs, parameters }), options);
}

export async function openModel(
  model: Uint8Array,
  options: InferenceSession.SessionOptions = {},
): Promise<GraphSession> {
  const session = await InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    ...options,
  });
  return {
    async run(feeds) {
      const tensors = Object.entries(feeds).map(
        ([name, { type, data, dims }]) => [name, new Tensor(type, data, [...dims])] as const,
      );
      const results = await session.run(Object.fromEntries(tensors));
      return Object.fromEntries(
        Object.entries(results).map(([name, tensor]) => [name, tensor.data as Float32Array]),
      );
    },
    close: () => session.release(),
  };
}

/** A float tensor as a feed. */
export function floats(
  data: readonly number[] | Float32Array,
  dims: readonly number[],
): NamedTensors[string] {
  return { type: 'float32', data: Float32Array.from(data), dims };
}
