import type { BoxXyxy, ImageSize } from '../core/box.js';
import type { RasterSpec, RgbRaster } from '../core/raster.js';
import type { DetectedRaster, Detection } from '../detect/family.js';
import type { ScoreCalibration } from '../formats/model-card.js';
import type { OutputLine } from '../formats/result-line.js';

/** A photo by name: `image` as outputs echo it, `path` where it lies. */
export interface PhotoRef {
  readonly image: string;
  readonly path: string;
}

/** A decoded photo, upright. */
export interface OpenedPhoto {
  /** Size of the upright photo, pixels. */
  readonly size: ImageSize;
  /** The photo in the shape that the detector takes. */
  readonly raster: RgbRaster;
  /** The photo's rectangle inside the raster, raster pixels. */
  readonly contentXyxy: BoxXyxy;
  /** Of the file's bytes, hexadecimal. */
  readonly sha256: string;
}

/** Opens photos. @throws VgrError with a code of kind item */
export type OpenPhoto = (ref: PhotoRef, spec: RasterSpec) => Promise<OpenedPhoto>;

/** A detector that stands ready in the session pool. */
export interface Detector {
  /** Name of the model: the name of the tool in results. */
  readonly name: string;
  readonly spec: RasterSpec;
  /** What its scores are worth; absent where nothing is known. */
  readonly calibration?: ScoreCalibration | undefined;
  /** Label and category id of everything it can find. */
  readonly categories: readonly { readonly id: number; readonly name: string }[];
  /**
   * The raster's buffer is moved away for the time of the call and comes back in the result. `ms`: the model's own time.
   * @throws VgrError WORKER_CRASHED when the thread ends under it; the raster is lost then
   */
  detect(photo: OpenedPhoto): Promise<DetectedRaster & { readonly ms: number }>;
  /** Present on a detector that is asked the expressions themselves. Its `detect` is not called then. */
  readonly prompted?: PromptPort;
}

/** What expressions find in a photo, best first, in the order of the expressions. */
export interface PromptAnswers {
  readonly answers: readonly (readonly Detection[])[];
  /** The model's own time, milliseconds. */
  readonly ms: number;
}

/** A detector that finds what words say. */
export interface PromptPort {
  /** Most expressions that one run takes. */
  readonly promptsARun: number;
  /**
   * What each expression finds in the photo. The raster stays where it is.
   * @throws VgrError WORKER_CRASHED when the thread ends under it
   */
  ask(photo: OpenedPhoto, expressions: readonly string[]): Promise<PromptAnswers>;
}

/** A line with the place of its item in the input, counted over all shards: lines of a queries file, photos of a listing. */
export interface PlacedLine<Line extends OutputLine = OutputLine> {
  readonly place: number;
  readonly line: Line;
  /** The line as JSON, where it was written down already. */
  readonly json?: string;
}

/** Milliseconds from any fixed moment, never falling. */
export type Clock = () => number;

/** Counters of a run, read by the progress display and the summary. Times are sums over all items; stages overlap. */
export interface RunProgress {
  /** Items of the whole input that were taken in, those of other shards among them. */
  listed: number;
  decoded: number;
  detected: number;
  refined: number;
  decodeMs: number;
  detectMs: number;
  refineMs: number;
}

/** Counters at the start. */
export function startedProgress(): RunProgress {
  return { listed: 0, decoded: 0, detected: 0, refined: 0, decodeMs: 0, detectMs: 0, refineMs: 0 };
}
