/**
 * The thread that owns sessions. `session.run()` of onnxruntime-node blocks its thread, so the main thread never calls it
 * (microsoft/onnxruntime #19611). One request at a time: the pool sends the next one after the reply. Other modules import the
 * types of the messages alone.
 */

import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import { detectorFamily, PROMPTED_FAMILIES } from '../detect/families.js';
import {
  CardMismatch,
  type DecodeOptions,
  type DetectedRaster,
  type Detection,
  type NamedTensors,
  type Tensor,
} from '../detect/family.js';
import { type PixelInput, packRasters } from '../detect/packing.js';
import type { TokenizedPrompt } from '../detect/prompt.js';
import type { GraphSignature } from '../detect/signature.js';
import { type DetectorCard, isPrompted } from '../formats/model-card.js';
import type { TensorPort } from '../formats/onnx.js';
import type { LiteSpec } from '../refine/lite-refiner.js';
import type { Refiner } from '../refine/refiner.js';
import type { Device } from './device.js';
import { fromHalf, toHalf } from './half-float.js';
import type { AnsweredQueries } from './ports.js';
import type { QueryBlock } from './query-answer.js';

/** What the thread is asked, by kind. */
export interface Requests {
  readonly load: {
    readonly model: string;
    /** The verified file; shared, so that all workers read one copy. */
    readonly bytes: SharedArrayBuffer;
    readonly device: Device;
    /** Intra-op threads of the session. */
    readonly threads: number;
  };
  readonly detect: {
    readonly card: DetectorCard;
    readonly items: readonly DetectItem[];
    readonly options: DecodeOptions;
  };
  readonly run: {
    readonly model: string;
    readonly feeds: NamedTensors;
    /** Rasters that the thread packs into an input of the graph. */
    readonly photos?: { readonly input: PixelInput; readonly rasters: readonly RgbRaster[] };
    /** Outputs to bring back; all where it is absent. */
    readonly fetches?: readonly string[];
  };
  /** Queries of one photo, its pixels in shared memory, or queries that bring their own boxes. */
  readonly refine: QueryBlock & { readonly refiner: LiteSpec };
}

/** One photo for a detector: the raster that the model takes and the size of the photo itself. */
export interface DetectItem {
  readonly raster: RgbRaster;
  readonly image: ImageSize;
  /** For a detector that takes prompts: those of one run. */
  readonly prompts?: readonly TokenizedPrompt[];
}

export type RequestKind = keyof Requests;
export type WorkerRequest = {
  [Kind in RequestKind]: { readonly kind: Kind } & Requests[Kind];
}[RequestKind];

export type Reply<Kind extends RequestKind> = Awaited<ReturnType<(typeof HANDLERS)[Kind]>>;

/** What the thread says: once that the runtime is loaded, then one answer a request. `busyMs` is the time it worked for it. */
export type WorkerMessage =
  | 'ready'
  | { readonly ok: true; readonly reply: Reply<RequestKind>; readonly busyMs: number }
  | {
      readonly ok: false;
      readonly message: string;
      /** Whether the graph turned out not to be what its card says. */
      readonly mismatch: boolean;
    };

// The reasons travel as exceptions; the runtime's own log would reach stderr past `--quiet`.
ort.env.logLevel = 'fatal';

const sessions = new Map<string, ort.InferenceSession>();

async function load({ model, bytes, device, threads }: Requests['load']): Promise<GraphSignature> {
  const provider =
    device.name === 'cuda' && device.index !== undefined
      ? { name: 'cuda', deviceId: device.index }
      : device.name;
  // The runtime takes no shared memory; its copy is dropped once the session is made.
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
    inputs: session.inputMetadata.map(portOf),
    outputs: session.outputMetadata.map(portOf),
  };
}

function portOf(value: ort.InferenceSession.ValueMetadata): TensorPort {
  if (!value.isTensor) return { name: value.name, type: 'other', dims: [] };
  return { name: value.name, type: value.type, dims: value.shape };
}

async function runModel(
  model: string,
  feeds: NamedTensors,
  fetches?: readonly string[],
): Promise<NamedTensors> {
  const session = sessions.get(model);
  if (!session) throw new Error(`model ${model} is not loaded`);
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

/** A raster comes back with what was found in it. */
interface DetectedItem extends DetectedRaster {
  /** What each prompt finds, where there were any; `detections` is empty then. */
  readonly answers?: readonly (readonly Detection[])[];
}

async function detect({
  card,
  items,
  options,
}: Requests['detect']): Promise<readonly DetectedItem[]> {
  if (isPrompted(card)) {
    const family = PROMPTED_FAMILIES[card.family];
    const found: DetectedItem[] = [];
    // One by one: the prompts of a photo are the batch.
    for (const { raster, image, prompts = [] } of items) {
      const feeds = family.pack(raster, prompts, card);
      const outputs = await runModel(card.name, feeds, family.outputNames(card));
      const answers = family.decode(outputs, image, prompts, card, options);
      found.push({ detections: [], answers, raster });
    }
    return found;
  }
  const family = detectorFamily(card.family);
  const rasters = items.map(({ raster }) => raster);
  const images = items.map(({ image }) => image);
  const outputs = await runModel(card.name, family.pack(rasters, card), family.outputNames(card));
  const found = family.decode(outputs, images, card, options);
  return found.map((detections, index) => ({ detections, raster: rasters[index]! }));
}

async function run({ model, feeds, fetches, photos }: Requests['run']): Promise<NamedTensors> {
  const packed = photos && packRasters(photos.rasters, photos.input);
  return runModel(model, { ...feeds, ...packed }, fetches);
}

/** The refiner of this thread, kept until another is asked for. */
let made: { readonly key: string; readonly refiner: Refiner } | undefined;

/** Its modules are loaded on first use: runs that only detect start without them. */
async function refine({ refiner: spec, ...block }: Requests['refine']): Promise<AnsweredQueries> {
  const { answerQueries } = await import('./query-answer.js');
  const { createLiteRefiner } = await import('../refine/lite-refiner.js');
  const key = JSON.stringify(spec);
  if (made?.key !== key) made = { key, refiner: createLiteRefiner(spec) };
  return answerQueries(block, made.refiner);
}

const HANDLERS = { load, detect, run, refine };

const port = parentPort!;
const say = (message: WorkerMessage, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);

port.on('message', async (request: WorkerRequest) => {
  const start = performance.now();
  try {
    const reply = await HANDLERS[request.kind](request as never);
    // Rasters go back to the main thread without a copy.
    const items = request.kind === 'detect' ? request.items : [];
    const moved = items.map(({ raster }) => raster.data.buffer as ArrayBuffer);
    say({ ok: true, reply, busyMs: performance.now() - start }, moved);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    say({ ok: false, message, mismatch: error instanceof CardMismatch });
  }
});
say('ready');
