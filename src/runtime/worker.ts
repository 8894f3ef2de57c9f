/**
 * The thread that owns sessions. `session.run()` of onnxruntime-node blocks its thread, so the main thread never calls it
 * (microsoft/onnxruntime #19611). One request at a time: the pool sends the next one after the reply. Other modules import the
 * types of the messages alone.
 */

import { parentPort } from 'node:worker_threads';
import type { ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import { detectorFamily, PROMPTED_FAMILIES } from '../detect/families.js';
import {
  CardMismatch,
  type DecodeOptions,
  type DetectedRaster,
  type Detection,
  type NamedTensors,
} from '../detect/family.js';
import { type PixelInput, packRasters } from '../detect/packing.js';
import type { TokenizedPrompt } from '../detect/prompt.js';
import type { Graphs, WritingFamily, WritingJob } from '../detect/writing.js';
import {
  type DetectorCard,
  graphNames,
  isScoring,
  type WritingCard,
} from '../formats/model-card.js';
import type { LiteSpec } from '../refine/lite-refiner.js';
import type { Refiner } from '../refine/refiner.js';
import type { AnsweredQueries } from './ports.js';
import type { QueryBlock } from './query-answer.js';
import { type GraphRequest, type LoadedGraph, Sessions } from './sessions.js';

/** What the thread is asked, by kind. */
export interface Requests {
  readonly load: GraphRequest;
  readonly detect: {
    readonly card: DetectorCard;
    readonly items: readonly DetectItem[];
    readonly options: DecodeOptions;
  };
  readonly encode: { readonly card: WritingCard; readonly raster: RgbRaster };
  readonly write: {
    readonly job: WritingJob;
    /** See {@link Graphs}. */
    readonly mixesRows: boolean;
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

const sessions = new Sessions();

const load = (request: Requests['load']): Promise<LoadedGraph> => sessions.load(request);

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
  if (isScoring(card)) {
    const family = PROMPTED_FAMILIES[card.family];
    const found: DetectedItem[] = [];
    // One by one: the prompts of a photo are the batch.
    for (const { raster, image, prompts = [] } of items) {
      const feeds = family.pack(raster, prompts, card);
      const outputs = await sessions.run(card.name, feeds, family.outputNames(card));
      const answers = family.decode(outputs, image, prompts, card, options);
      found.push({ detections: [], answers, raster });
    }
    return found;
  }
  const family = detectorFamily(card.family);
  const rasters = items.map(({ raster }) => raster);
  const images = items.map(({ image }) => image);
  const outputs = await sessions.run(
    card.name,
    family.pack(rasters, card),
    family.outputNames(card),
  );
  const found = family.decode(outputs, images, card, options);
  return found.map((detections, index) => ({ detections, raster: rasters[index]! }));
}

/** The graphs of a model that writes, as this thread has them. */
function graphsOf(card: WritingCard, mixesRows: boolean): Graphs {
  const names = graphNames(card);
  const signatures = [...names].map(([role, name]) => [role, sessions.signatureOf(name)]);
  return {
    run: (role, feeds, fetches) => sessions.run(names.get(role)!, feeds, fetches),
    signatures: Object.fromEntries(signatures),
    mixesRows,
  };
}

/** Loaded on first use. */
async function familyOf({ family }: WritingCard): Promise<WritingFamily> {
  const { WRITING } = await import('../detect/writing-families.js');
  return WRITING[family]();
}

async function encode({ card, raster }: Requests['encode']): Promise<NamedTensors> {
  const family = await familyOf(card);
  return family.encode(raster, card, graphsOf(card, false).run);
}

async function write({ job, mixesRows }: Requests['write']) {
  const family = await familyOf(job.card);
  return family.answer(job, graphsOf(job.card, mixesRows));
}

async function run({ model, feeds, fetches, photos }: Requests['run']): Promise<NamedTensors> {
  const packed = photos && packRasters(photos.rasters, photos.input);
  return sessions.run(model, { ...feeds, ...packed }, fetches);
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

const HANDLERS = { load, detect, encode, write, run, refine };

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
