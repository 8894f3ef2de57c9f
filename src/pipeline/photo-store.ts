import type { DetectedRaster } from '../detection/detection.js';
import { asVgrError, VgrError } from '../formats/fault.js';
import type { Clock, Detector, OpenedPhoto, OpenPhoto, PhotoRef, RunProgress } from './ports.js';

/** A photo with what the detector found in it. */
export interface ExaminedPhoto extends DetectedRaster, Omit<OpenedPhoto, 'raster'> {
  readonly decodeMs: number;
  readonly detectMs: number;
  /** Whether the detector was asked the expression itself; its first box is its answer then. */
  readonly asked?: boolean;
}

/** Photos as the queries of a run see them. */
export interface PhotoShelf {
  /** `fresh` tells whether this call caused the work. */
  get(
    ref: PhotoRef,
    expression: string,
  ): { readonly photo: Promise<ExaminedPhoto>; readonly fresh: boolean };
}

export interface ExamineParts {
  readonly open: OpenPhoto;
  readonly detector: Detector;
  readonly clock: Clock;
  readonly progress: RunProgress;
}

/**
 * Decodes a photo and runs the detector on it. When the worker ends under it, both are done once more, since the pixels
 * went with the worker.
 * @throws VgrError of the decoder or the detector; DETECTION_FAILED where the worker ends twice
 */
export async function examinePhoto(ref: PhotoRef, parts: ExamineParts): Promise<ExaminedPhoto> {
  return twiceOnCrash(() => examineOnce(ref, parts));
}

/**
 * Does work of a photo once more when the worker ends under it.
 * @throws VgrError of the work; DETECTION_FAILED where the worker ends twice
 */
export async function twiceOnCrash<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (asVgrError(thrown).code !== 'WORKER_CRASHED') throw thrown;
  }
  try {
    return await work();
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.code !== 'WORKER_CRASHED') throw fault;
    throw new VgrError(
      'DETECTION_FAILED',
      `the detector ended twice on this photo: ${fault.message}`,
      {
        cause: fault,
      },
    );
  }
}

/**
 * Decodes a photo that no detector looks at.
 * @param side of the raster, pixels: a few where only the size of the photo is wanted
 * @throws VgrError of the decoder
 */
export async function openUnexamined(
  ref: PhotoRef,
  { open, clock, progress }: Omit<ExamineParts, 'detector'>,
  side: number,
): Promise<ExaminedPhoto> {
  const start = clock();
  const photo = await open(ref, { width: side, height: side, fit: 'stretch', fill: 0 });
  const decodeMs = clock() - start;
  progress.decoded += 1;
  progress.decodeMs += decodeMs;
  return { ...photo, detections: [], decodeMs, detectMs: 0 };
}

async function examineOnce(
  ref: PhotoRef,
  { open, detector, clock, progress }: ExamineParts,
): Promise<ExaminedPhoto> {
  const start = clock();
  const photo = await open(ref, detector.spec);
  const decodeMs = clock() - start;
  progress.decoded += 1;
  progress.decodeMs += decodeMs;
  const { ms: detectMs, ...found } = await detector.detect(photo);
  progress.detected += 1;
  progress.detectMs += detectMs;
  const { raster: _moved, ...rest } = photo;
  return { ...rest, ...found, decodeMs, detectMs };
}

/**
 * The photos in use: queries that lie near each other share one decoding and one detection. Holds the last `capacity`
 * photos, failed ones too, so that a broken file is read once for all its queries.
 */
export class PhotoStore implements PhotoShelf {
  readonly #photos = new Map<string, Promise<ExaminedPhoto>>();
  readonly #capacity: number;
  readonly #examine: (ref: PhotoRef) => Promise<ExaminedPhoto>;

  constructor(capacity: number, examine: (ref: PhotoRef) => Promise<ExaminedPhoto>) {
    this.#capacity = capacity;
    this.#examine = examine;
  }

  get(ref: PhotoRef): { readonly photo: Promise<ExaminedPhoto>; readonly fresh: boolean } {
    const known = this.#photos.get(ref.path);
    if (known) {
      // Moves it to the young end: a Map keeps the order of insertion.
      this.#photos.delete(ref.path);
      this.#photos.set(ref.path, known);
      return { photo: known, fresh: false };
    }
    const photo = this.#examine(ref);
    // Who asks gets the error; the store itself must not make it an unhandled one.
    photo.catch(() => undefined);
    this.#photos.set(ref.path, photo);
    if (this.#photos.size > this.#capacity) {
      this.#photos.delete(this.#photos.keys().next().value!);
    }
    return { photo, fresh: true };
  }
}
