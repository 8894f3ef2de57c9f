import type { ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import type { DecodeOptions, Detection, NamedTensors } from '../detect/family.js';
import type { PixelInput } from '../detect/packing.js';
import type { TokenizedPrompt } from '../detect/prompt.js';
import type { GraphSignature } from '../detect/signature.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { LiteSpec } from '../refine/lite-refiner.js';
import type { Device } from './device.js';
import type { AnsweredQueries } from './ports.js';
import type { QueryBlock } from './query-answer.js';

/** One photo for a detector: the raster that the model takes and the size of the photo itself. */
export interface DetectItem {
  readonly raster: RgbRaster;
  readonly image: ImageSize;
  /** For a detector that is asked in words: what one run asks of the photo. */
  readonly prompts?: readonly TokenizedPrompt[];
}

export interface LoadRequest {
  readonly kind: 'load';
  readonly model: string;
  /** The verified file; shared, so that all workers read one copy. */
  readonly bytes: SharedArrayBuffer;
  readonly device: Device;
  /** Intra-op threads of the session. */
  readonly threads: number;
}

export interface DetectRequest {
  readonly kind: 'detect';
  readonly model: string;
  readonly card: DetectorCard;
  readonly items: readonly DetectItem[];
  readonly options: DecodeOptions;
}

/** Rasters that the worker packs into an input of the graph. */
export interface RunPhotos {
  readonly input: PixelInput;
  readonly rasters: readonly RgbRaster[];
}

export interface RunRequest {
  readonly kind: 'run';
  readonly model: string;
  readonly feeds: NamedTensors;
  readonly photos?: RunPhotos;
  /** Outputs to bring back; all where it is absent. */
  readonly fetches?: readonly string[];
}

/** Queries of one photo, its pixels in shared memory, or queries that bring their own boxes. */
export interface RefineRequest extends QueryBlock {
  readonly kind: 'refine';
  readonly refiner: LiteSpec;
}

export type WorkerRequest = LoadRequest | DetectRequest | RunRequest | RefineRequest;

export interface LoadReply {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly signature: GraphSignature;
}

export interface DetectReply {
  readonly results: readonly {
    readonly detections: readonly Detection[];
    /** What each prompt finds, where there were any; `detections` is empty then. */
    readonly answers?: readonly (readonly Detection[])[];
    readonly raster: RgbRaster;
  }[];
}

export interface RunReply {
  readonly outputs: NamedTensors;
}

export type WorkerReply = LoadReply | DetectReply | RunReply | AnsweredQueries;

/** What a thread says once the runtime is loaded, before any answer. */
export const READY = 'ready';

/** One answer of a worker. `busyMs` is the time it worked for the request. */
export type WorkerMessage =
  | { readonly ok: true; readonly reply: WorkerReply; readonly busyMs: number }
  | {
      readonly ok: false;
      readonly message: string;
      /** Whether the graph turned out not to be what its card says. */
      readonly mismatch: boolean;
      readonly busyMs: number;
    };
