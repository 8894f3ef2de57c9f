/**
 * The thread that owns sessions. `session.run()` of onnxruntime-node blocks its thread, so the main thread never calls it
 * (microsoft/onnxruntime #19611). One request at a time: the pool sends the next one after the reply.
 */

import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { detectorFamily, promptedFamily } from '../detect/families.js';
import { CardMismatch, type NamedTensors, type Tensor } from '../detect/family.js';
import { packRasters } from '../detect/packing.js';
import { isPrompted } from '../formats/model-card.js';
import type { TensorPort } from '../formats/onnx.js';
import type { Refiner } from '../refine/refiner.js';
import { fromHalf, toHalf } from './half-float.js';
import {
  type DetectReply,
  type DetectRequest,
  type LoadReply,
  type LoadRequest,
  READY,
  type RefineRequest,
  type RunReply,
  type RunRequest,
  type WorkerMessage,
  type WorkerReply,
  type WorkerRequest,
} from './messages.js';

interface Outcome {
  readonly reply: WorkerReply;
  readonly transfer: ArrayBuffer[];
}

// The reasons travel as exceptions; the runtime's own log would reach stderr past `--quiet`.
ort.env.logLevel = 'fatal';

const sessions = new Map<string, ort.InferenceSession>();

function sessionOf(model: string): ort.InferenceSession {
  const session = sessions.get(model);
  if (!session) throw new Error(`model ${model} is not loaded`);
  return session;
}

async function load({ model, bytes, device, threads }: LoadRequest): Promise<LoadReply> {
  const provider =
    device.name === 'cuda' && device.index !== undefined
      ? { name: 'cuda', deviceId: device.index }
      : device.name;
  // The runtime takes no shared memory; its copy is dropped once the session stands.
  const session = await ort.InferenceSession.create(new Uint8Array(bytes).slice(), {
    executionProviders: [provider],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    // A block planned for the whole run costs thousands of page errors a photo until the allocator's arena has settled.
    enableMemPattern: false,
    // Waiting threads that spin take the cores on which photos are decoded.
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  });
  sessions.set(model, session);
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    signature: {
      inputs: session.inputMetadata.map(portOf),
      outputs: session.outputMetadata.map(portOf),
    },
  };
}

function portOf(value: ort.InferenceSession.ValueMetadata): TensorPort {
  if (!value.isTensor) return { name: value.name, type: 'other', dims: [] };
  return { name: value.name, type: value.type, dims: value.shape };
}

async function runSession(
  session: ort.InferenceSession,
  feeds: NamedTensors,
  fetches: readonly string[] | undefined,
): Promise<NamedTensors> {
  const inputs: Record<string, ort.Tensor> = {};
  for (const [name, tensor] of Object.entries(feeds)) {
    inputs[name] = tensorFor(session, name, tensor);
  }
  const results = fetches
    ? await session.run(inputs, fetches as string[])
    : await session.run(inputs);
  const outputs: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(results)) {
    outputs[name] =
      tensor.type === 'float16'
        ? { type: 'float32', data: fromHalf(bitsOf(tensor.data as Uint16Array)), dims: tensor.dims }
        : {
            type: tensor.type as Tensor['type'],
            data: tensor.data as Tensor['data'],
            dims: tensor.dims,
          };
  }
  return outputs;
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

/** Photos of a detector that is asked in words go one by one: their prompts make the batch. */
async function ask({ model, card, items, options }: DetectRequest): Promise<Outcome> {
  if (!isPrompted(card)) throw new CardMismatch(`family ${card.family} is not asked in words`);
  const family = promptedFamily(card.family);
  const results: DetectReply['results'][number][] = [];
  for (const { raster, image, prompts = [] } of items) {
    const outputs = await runSession(
      sessionOf(model),
      family.pack(raster, prompts, card),
      family.outputNames(card),
    );
    const answers = family.decode(outputs, image, prompts, card, options);
    results.push({ detections: [], answers, raster });
  }
  const transfer = items.map(({ raster }) => raster.data.buffer as ArrayBuffer);
  return { reply: { results } satisfies DetectReply, transfer };
}

async function detect(request: DetectRequest): Promise<Outcome> {
  const { model, card, items, options } = request;
  if (items[0]?.prompts) return ask(request);
  const family = detectorFamily(card.family);
  const outputs = await runSession(
    sessionOf(model),
    family.pack(
      items.map(({ raster }) => raster),
      card,
    ),
    family.outputNames(card),
  );
  const images = items.map(({ image }) => image);
  const transfer: ArrayBuffer[] = [];
  const results = family.decode(outputs, images, card, options).map((detections, index) => {
    const { raster } = items[index]!;
    transfer.push(raster.data.buffer as ArrayBuffer);
    return { detections, raster };
  });
  return { reply: { results } satisfies DetectReply, transfer };
}

async function run({ model, feeds, fetches, photos }: RunRequest): Promise<Outcome> {
  const packed = photos && packRasters(photos.rasters, photos.input);
  const outputs = await runSession(sessionOf(model), { ...feeds, ...packed }, fetches);
  return { reply: { outputs } satisfies RunReply, transfer: [] };
}

/** The refiner of this thread, kept until another is asked for. */
let made: { readonly key: string; readonly refiner: Refiner } | undefined;

/** Its modules are loaded on first use: runs that only detect start without them. */
async function refine({ refiner: spec, ...block }: RefineRequest): Promise<Outcome> {
  const { answerQueries } = await import('./query-answer.js');
  const { createLiteRefiner } = await import('../refine/lite-refiner.js');
  const key = JSON.stringify(spec);
  if (made?.key !== key) made = { key, refiner: createLiteRefiner(spec) };
  return { reply: await answerQueries(block, made.refiner), transfer: [] };
}

async function answer(request: WorkerRequest): Promise<Outcome> {
  if (request.kind === 'load') return { reply: await load(request), transfer: [] };
  if (request.kind === 'refine') return refine(request);
  return request.kind === 'detect' ? detect(request) : run(request);
}

const port = parentPort!;
port.on('message', async (request: WorkerRequest) => {
  const start = performance.now();
  const elapsed = (): number => performance.now() - start;
  try {
    const { reply, transfer } = await answer(request);
    port.postMessage({ ok: true, reply, busyMs: elapsed() } satisfies WorkerMessage, transfer);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const mismatch = error instanceof CardMismatch;
    port.postMessage({ ok: false, message, mismatch, busyMs: elapsed() } satisfies WorkerMessage);
  }
});
port.postMessage(READY);
