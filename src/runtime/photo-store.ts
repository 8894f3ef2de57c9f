import { asVgrError, VgrError } from '../core/error.js';
import type { DetectedRaster } from '../detect/family.js';
import type {
  Clock,
  Detector,
  OpenedPhoto,
  OpenPhoto,
  PhotoRef,
  PromptPort,
  RunProgress,
} from './ports.js';

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
async function twiceOnCrash<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (asVgrError(thrown).code !== 'WORKER_CRASHED') throw thrown;
  }
  try {
    return await work();
  } catch (thrown) {
    const error = asVgrError(thrown);
    if (error.code !== 'WORKER_CRASHED') throw error;
    throw new VgrError(
      'DETECTION_FAILED',
      `the detector ended twice on this photo: ${error.message}`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Decodes a photo that no detector looks at.
 * @param side of the raster, pixels: a few where only the size of the photo is wanted
 * @throws VgrError of the decoder
 */
async function openUnexamined(
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

/** Answers that are kept of one photo. Neighbouring lines ask alike; a photo may have any number of lines. */
const ANSWERS_KEPT = 64;

/** A decoded photo with the time it took. */
interface TimedPhoto extends OpenedPhoto {
  readonly decodeMs: number;
}

/** An expression that waits for its photo. */
interface Waiter {
  readonly expression: string;
  /** Whether the photo is decoded for its sake. */
  readonly first: boolean;
  resolve(photo: ExaminedPhoto): void;
  reject(error: unknown): void;
}

/** A photo with what it was asked. */
interface AskedPhoto {
  readonly opened: Promise<TimedPhoto>;
  /** By expression; what was asked twice is answered once. */
  readonly answers: Map<string, Promise<ExaminedPhoto>>;
  readonly waiting: Waiter[];
  /** Runs under way. */
  running: number;
}

/**
 * Photos for a detector that is asked the expressions themselves. Queries of one photo share its decoding, and those that
 * wait at the same time share a run: while one is under way, a run that is not full yet waits for more. Holds the last
 * `capacity` photos with their answers, failed ones too.
 */
export class PromptedPhotos implements PhotoShelf {
  readonly #photos = new Map<string, AskedPhoto>();
  readonly #capacity: number;
  readonly #parts: ExamineParts;
  readonly #port: PromptPort;

  constructor(capacity: number, parts: ExamineParts, port: PromptPort) {
    this.#capacity = capacity;
    this.#parts = parts;
    this.#port = port;
  }

  get(
    ref: PhotoRef,
    expression: string,
  ): { readonly photo: Promise<ExaminedPhoto>; readonly fresh: boolean } {
    const first = !this.#photos.has(ref.path);
    const asked = this.#photo(ref);
    const known = asked.answers.get(expression);
    if (known) return { photo: known, fresh: false };
    const photo = new Promise<ExaminedPhoto>((resolve, reject) => {
      asked.waiting.push({ expression, first, resolve, reject });
    });
    // Who asks gets the error; the store itself must not make it an unhandled one.
    photo.catch(() => undefined);
    asked.answers.set(expression, photo);
    if (asked.answers.size > ANSWERS_KEPT) {
      asked.answers.delete(asked.answers.keys().next().value!);
    }
    asked.opened.then(
      (opened) => this.#dispatch(asked, opened),
      (error: unknown) => {
        for (const { reject } of asked.waiting.splice(0)) reject(error);
      },
    );
    return { photo, fresh: true };
  }

  #photo(ref: PhotoRef): AskedPhoto {
    const known = this.#photos.get(ref.path);
    const asked = known ?? {
      opened: this.#open(ref),
      answers: new Map(),
      waiting: [],
      running: 0,
    };
    // Moves it to the young end: a Map keeps the order of insertion.
    this.#photos.delete(ref.path);
    this.#photos.set(ref.path, asked);
    if (this.#photos.size > this.#capacity) {
      this.#photos.delete(this.#photos.keys().next().value!);
    }
    return asked;
  }

  async #open(ref: PhotoRef): Promise<TimedPhoto> {
    const { open, detector, clock, progress } = this.#parts;
    const start = clock();
    const photo = await open(ref, detector.spec);
    const decodeMs = clock() - start;
    progress.decoded += 1;
    progress.decodeMs += decodeMs;
    return { ...photo, decodeMs };
  }

  #dispatch(asked: AskedPhoto, opened: TimedPhoto): void {
    const { promptsARun } = this.#port;
    const isDue = (): boolean => asked.waiting.length >= (asked.running === 0 ? 1 : promptsARun);
    while (isDue()) {
      const batch = asked.waiting.splice(0, promptsARun);
      asked.running += 1;
      void this.#run(batch, opened).then(() => {
        asked.running -= 1;
        this.#dispatch(asked, opened);
      });
    }
  }

  /** Never throws: each expression gets its answer or the error. */
  async #run(batch: readonly Waiter[], { decodeMs, ...photo }: TimedPhoto): Promise<void> {
    const { progress } = this.#parts;
    try {
      const expressions = batch.map(({ expression }) => expression);
      const { answers, ms } = await twiceOnCrash(() => this.#port.ask(photo, expressions));
      progress.detected += batch.length;
      progress.detectMs += ms;
      for (const [index, { first, resolve }] of batch.entries()) {
        resolve({
          ...photo,
          detections: answers[index]!,
          decodeMs: first ? decodeMs : 0,
          detectMs: ms / batch.length,
          asked: true,
        });
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

/**
 * The shelf that suits the detector; without one photos are decoded alone.
 * @param options.rasterSide of the raster of a photo that no detector looks at, pixels
 */
export function photoShelf(
  { detector, ...parts }: Omit<ExamineParts, 'detector'> & { readonly detector?: Detector },
  { capacity, rasterSide }: { readonly capacity: number; readonly rasterSide: number },
): PhotoShelf {
  if (detector?.prompted) {
    return new PromptedPhotos(capacity, { ...parts, detector }, detector.prompted);
  }
  return new PhotoStore(capacity, (ref) =>
    detector ? examinePhoto(ref, { ...parts, detector }) : openUnexamined(ref, parts, rasterSide),
  );
}

const SHARED = new WeakMap<ExaminedPhoto, ExaminedPhoto>();

/** The photo with its pixels in shared memory, so that threads read them where they lie. They are copied once a photo. */
export function sharedPhoto(photo: ExaminedPhoto): ExaminedPhoto {
  const known = SHARED.get(photo);
  if (known) return known;
  const { data } = photo.raster;
  const pixels = new Uint8Array(new SharedArrayBuffer(data.length));
  pixels.set(data);
  const shared = { ...photo, raster: { ...photo.raster, data: pixels } };
  SHARED.set(photo, shared);
  return shared;
}
