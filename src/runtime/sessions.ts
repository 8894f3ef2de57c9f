import * as ort from 'onnxruntime-node';
import { fromHalf, toHalf } from '../core/half-float.js';
import type { NamedTensors, Tensor } from '../detect/family.js';
import type { GraphSignature } from '../detect/signature.js';
import type { Optimisation } from '../formats/model-card.js';
import type { TensorPort } from '../formats/onnx.js';
import type { Device } from './device.js';

// The reasons travel as exceptions; the runtime's own log would reach stderr past `--quiet`.
ort.env.logLevel = 'fatal';

/** A graph to make a session of. */
export interface GraphRequest {
  readonly model: string;
  /** The verified file; shared, so that all workers read one copy. */
  readonly bytes: SharedArrayBuffer;
  readonly device: Device;
  /** Intra-op threads of the session. */
  readonly threads: number;
  /** How far the runtime may rewrite the graph; `all` where absent. */
  readonly optimisation?: Optimisation;
}

/** What is known of a graph once its session is made. */
export interface LoadedGraph extends GraphSignature {
  /** Present where the runtime refused the graph at the level that was asked for: why. */
  readonly refusal?: string;
}

/** The sessions of one thread, by model. */
export class Sessions {
  readonly #sessions = new Map<string, ort.InferenceSession>();

  /**
   * Makes a session. Where the runtime refuses the graph, it is tried once more as it is, without being rewritten: rewriting
   * has faults of its own with some graphs of half precision.
   * @throws Error of the runtime, that of the first attempt
   */
  async load({ optimisation = 'all', ...request }: GraphRequest): Promise<LoadedGraph> {
    try {
      return await this.#load(request, optimisation);
    } catch (refused) {
      if (optimisation === 'disabled') throw refused;
      const loaded = await this.#load(request, 'disabled').catch(() => {
        throw refused;
      });
      return { ...loaded, refusal: (refused as Error).message };
    }
  }

  async #load(
    { model, bytes, device, threads }: Omit<GraphRequest, 'optimisation'>,
    optimisation: Optimisation,
  ): Promise<GraphSignature> {
    const provider =
      device.name === 'cuda' && device.index !== undefined
        ? { name: 'cuda', deviceId: device.index }
        : device.name;
    // The runtime takes no shared memory; its copy is dropped once the session is made.
    const session = await ort.InferenceSession.create(new Uint8Array(bytes).slice(), {
      executionProviders: [provider],
      graphOptimizationLevel: optimisation,
      executionMode: 'sequential',
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      // A block planned for the whole run costs thousands of page errors a photo until the allocator's arena has settled.
      enableMemPattern: false,
      // Waiting threads that spin take the cores on which photos are decoded.
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
    });
    this.#sessions.set(model, session);
    return this.signatureOf(model);
  }

  /** @throws Error where the model is not loaded */
  signatureOf(model: string): GraphSignature {
    const { inputMetadata, outputMetadata } = this.#session(model);
    return { inputs: inputMetadata.map(portOf), outputs: outputMetadata.map(portOf) };
  }

  #session(model: string): ort.InferenceSession {
    const session = this.#sessions.get(model);
    if (session) return session;
    throw new Error(`model ${model} is not loaded`);
  }

  /**
   * @param fetches outputs to bring back; all where it is absent
   * @throws Error of the runtime
   */
  async run(
    model: string,
    feeds: NamedTensors,
    fetches?: readonly string[],
  ): Promise<NamedTensors> {
    const session = this.#session(model);
    const inputs: Record<string, ort.Tensor> = {};
    for (const [name, tensor] of Object.entries(feeds)) {
      inputs[name] = tensorFor(session, name, tensor);
    }
    const results = fetches
      ? await session.run(inputs, fetches as string[])
      : await session.run(inputs);
    const outputs: Record<string, Tensor> = {};
    for (const [name, { type, data, dims }] of Object.entries(results)) {
      outputs[name] =
        type === 'float16'
          ? { type: 'float32', data: fromHalf(bitsOf(data as Uint16Array)), dims }
          : { type: type as Tensor['type'], data: data as Tensor['data'], dims };
    }
    return outputs;
  }
}

function portOf(value: ort.InferenceSession.ValueMetadata): TensorPort {
  if (!value.isTensor) return { name: value.name, type: 'other', dims: [] };
  return { name: value.name, type: value.type, dims: value.shape };
}

/** The tensor as the runtime takes it; in half precision where the graph wants that. */
function tensorFor(
  session: ort.InferenceSession,
  name: string,
  { type, data, dims }: Tensor,
): ort.Tensor {
  const port = session.inputMetadata.find((one) => one.name === name);
  const isHalf = port?.isTensor && port.type === 'float16' && data instanceof Float32Array;
  if (isHalf) return new ort.Tensor('float16', toHalf(data), dims);
  return new ort.Tensor(type, data as never, dims);
}

/** Newer versions of Node.js have an array for half precision, in which the runtime then gives it. */
function bitsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint16Array {
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}
