import { createHash } from 'node:crypto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { NamedTensors } from '../../src/detection/tensor.js';
import type { Expression } from '../../src/tensor/expression.js';
import { type ParameterValues, writeOnnxGraph } from '../../src/tensor/onnx-writer.js';
import type { TrainingRuntime, TrainingSession } from '../../src/training/session.js';

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
  const session = await InferenceSession.create(model, { ...sessionOptions(1), ...options });
  return {
    async run(feeds) {
      const results = await session.run(tensorsOf(feeds));
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

/** A training runtime of single sessions in this thread; equal graphs share one. */
export class LocalRuntime implements TrainingRuntime {
  readonly #sessions = new Map<string, Promise<InferenceSession>>();
  readonly #threads: number;

  constructor(threads = 1) {
    this.#threads = threads;
  }

  async open(_: string, model: Uint8Array): Promise<TrainingSession> {
    const key = createHash('sha256').update(model).digest('hex');
    const known = this.#sessions.get(key);
    const created = known ?? InferenceSession.create(model, sessionOptions(this.#threads));
    this.#sessions.set(key, created);
    const session = await created;
    return {
      async step(feeds) {
        const results = Object.entries(await session.run(tensorsOf(feeds)));
        return Object.fromEntries(
          results.map(([name, { data, dims }]) => [
            name,
            { type: 'float32', data: data as Float32Array, dims },
          ]),
        );
      },
    };
  }

  async close(): Promise<void> {
    const sessions = await Promise.all(this.#sessions.values());
    await Promise.all(sessions.map((session) => session.release()));
  }
}

function sessionOptions(threads: number): InferenceSession.SessionOptions {
  return { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
}

function tensorsOf(feeds: NamedTensors): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new Tensor(type, data, [...dims]),
    ]),
  );
}
