import { LRUCache } from 'lru-cache';
import { VgrError } from '../core/error.js';
import type { RasterSpec } from '../core/raster.js';
import type { DecodedPhoto } from '../photos/decode.js';
import { retriedOnCrash } from './pooled-worker.js';
import {
  type Detector,
  type ExaminedPhoto,
  type OpenPhoto,
  type OpenPhotoFor,
  type PhotoRef,
  type PromptPort,
  type RunProgress,
  type SeenPhoto,
  startedProgress,
} from './ports.js';

export interface ExamineParts {
  readonly open: OpenPhoto;
  readonly detector: Detector;
  readonly progress: RunProgress;
}

/**
 * Decodes a photo and runs the detector on it. When the worker ends under it, both are done once more, since the pixels
 * went with the worker.
 * @throws VgrError of the decoder or the detector; DETECTION_FAILED where the worker ends twice
 */
export async function examinePhoto(
  ref: PhotoRef,
  { open, detector, progress }: ExamineParts,
): Promise<ExaminedPhoto> {
  return retriedOnCrash(async () => {
    const { decodeMs, raster, ...photo } = await openTimed(ref, open, detector.spec, progress);
    const { ms: detectMs, ...found } = await detector.detect({ ...photo, raster });
    progress.detected += 1;
    progress.detectMs += detectMs;
    return { ...photo, ...found, decodeMs, detectMs };
  }, endedTwice);
}

function endedTwice(cause: VgrError): VgrError {
  return new VgrError(
    'DETECTION_FAILED',
    `the detector ended twice on this photo: ${cause.message}`,
    { cause },
  );
}

/** A decoded photo with the time it took. */
interface TimedPhoto extends DecodedPhoto {
  readonly decodeMs: number;
}

async function openTimed(
  ref: PhotoRef,
  open: OpenPhoto,
  spec: Detector['spec'],
  progress: RunProgress,
): Promise<TimedPhoto> {
  const start = performance.now();
  const photo = await open(ref, spec);
  const decodeMs = performance.now() - start;
  progress.decoded += 1;
  progress.decodeMs += decodeMs;
  return { ...photo, decodeMs };
}

/** Enough to tell colours by, pixels. */
const PLAIN_SIDE = 512;

/** Decodes a photo that no detector looks at. @throws VgrError of the decoder */
async function openUnexamined(
  ref: PhotoRef,
  { open, progress }: Omit<ExamineParts, 'detector'>,
  side: number,
): Promise<ExaminedPhoto> {
  const spec = { width: side, height: side, fit: 'stretch', fill: 0 } as const;
  return { ...(await openTimed(ref, open, spec, progress)), detections: [], detectMs: 0 };
}

/** Photos as the queries of a run see them. `fresh` tells whether this call caused the work. */
export type PhotoShelf = (
  ref: PhotoRef,
  expression: string,
) => { readonly photo: Promise<ExaminedPhoto>; readonly fresh: boolean };

/**
 * The photos in use: queries that lie near each other share one decoding and one detection. Holds the last `capacity`
 * photos, failed ones too, so that a broken file is read once for all its queries.
 */
export function photoStore(
  capacity: number,
  examine: (ref: PhotoRef) => Promise<ExaminedPhoto>,
): PhotoShelf {
  const photos = new LRUCache<string, Promise<ExaminedPhoto>>({ max: capacity });
  return (ref) => {
    const known = photos.get(ref.path);
    if (known) return { photo: known, fresh: false };
    const photo = examine(ref);
    handled(photo);
    photos.set(ref.path, photo);
    return { photo, fresh: true };
  };
}

/** Callers get the error; the promise that the store itself holds must not make it an unhandled one. */
function handled(photo: Promise<ExaminedPhoto>): void {
  photo.catch(() => undefined);
}

/** Answers that are kept of one photo. Neighbouring lines ask alike; a photo may have any number of lines. */
const MAX_ANSWERS = 64;

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
  readonly answers: LRUCache<string, Promise<ExaminedPhoto>>;
  readonly waiting: Waiter[];
  /** Runs under way. */
  running: number;
}

/**
 * Photos for a detector that takes the expressions themselves. Queries of one photo share its decoding, and those that
 * wait at the same time share a run: while one is under way, a run that is not full yet waits for more. Holds the last
 * `capacity` photos with their answers, failed ones too.
 */
export function promptedPhotos(
  capacity: number,
  { open, detector, progress }: ExamineParts,
  { promptsARun, ask }: PromptPort,
): PhotoShelf {
  const photos = new LRUCache<string, AskedPhoto>({ max: capacity });

  function dispatch(asked: AskedPhoto, opened: TimedPhoto): void {
    const isDue = (): boolean => asked.waiting.length >= (asked.running === 0 ? 1 : promptsARun);
    while (isDue()) {
      const batch = asked.waiting.splice(0, promptsARun);
      asked.running += 1;
      void run(batch, opened).then(() => {
        asked.running -= 1;
        dispatch(asked, opened);
      });
    }
  }

  /** Never throws: each expression gets its answer or the error. */
  async function run(batch: readonly Waiter[], opened: TimedPhoto): Promise<void> {
    const { decodeMs, ...photo } = opened;
    try {
      const expressions = batch.map(({ expression }) => expression);
      const { answers, ms } = await retriedOnCrash(() => ask(photo, expressions), endedTwice);
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

  return (ref, expression) => {
    const held = photos.get(ref.path);
    const asked = held ?? {
      opened: openTimed(ref, open, detector.spec, progress),
      answers: new LRUCache({ max: MAX_ANSWERS }),
      waiting: [],
      running: 0,
    };
    if (!held) photos.set(ref.path, asked);
    const known = asked.answers.get(expression);
    if (known) return { photo: known, fresh: false };
    const photo = new Promise<ExaminedPhoto>((resolve, reject) => {
      asked.waiting.push({ expression, first: !held, resolve, reject });
    });
    handled(photo);
    asked.answers.set(expression, photo);
    asked.opened.then(
      (opened) => dispatch(asked, opened),
      (error: unknown) => {
        for (const { reject } of asked.waiting.splice(0)) reject(error);
      },
    );
    return { photo, fresh: true };
  };
}

/** What photos are looked at with. */
export interface ShelfParts extends Omit<ExamineParts, 'detector' | 'open'> {
  readonly open: OpenPhotoFor;
  /** None: photos are decoded alone. */
  readonly detectors: readonly Detector[];
}

/**
 * The shelf that suits the detectors.
 * @param capacity photos that are held
 * @param side of the raster of a photo that no detector looks at, pixels: a few where only the size of the photo is wanted
 */
export function photoShelf(
  { detectors, open, progress }: ShelfParts,
  capacity: number,
  side = PLAIN_SIDE,
): PhotoShelf {
  const alone: OpenPhoto = async (ref, spec) => (await open(ref, [spec]))[0]!;
  const [first, ...others] = detectors;
  if (!first) {
    return photoStore(capacity, (ref) => openUnexamined(ref, { open: alone, progress }, side));
  }
  if (others.length === 0) return shelfOf({ open: alone, detector: first, progress }, capacity);
  const once = decodedOnce(
    open,
    detectors.map(({ spec }) => spec),
    capacity,
  );
  // A photo counts once, whatever looks at it.
  const shelves = detectors.map((detector, at) =>
    shelfOf({ open: once, detector, progress: at === 0 ? progress : startedProgress() }, capacity),
  );
  return sharedShelf(shelves, progress);
}

function shelfOf(parts: ExamineParts, capacity: number): PhotoShelf {
  const { prompted } = parts.detector;
  return prompted
    ? promptedPhotos(capacity, parts, prompted)
    : photoStore(capacity, (ref) => examinePhoto(ref, parts));
}

/** A photo of which some detectors have not fetched their raster yet. */
interface SharedDecoding {
  readonly rasters: Promise<readonly DecodedPhoto[]>;
  readonly left: Set<RasterSpec>;
}

/** Decodes each photo once for detectors that are all asked for it, and fetch their rasters one by one. */
function decodedOnce(
  open: OpenPhotoFor,
  specs: readonly RasterSpec[],
  capacity: number,
): OpenPhoto {
  const photos = new LRUCache<string, SharedDecoding>({ max: capacity });
  return async (ref, spec) => {
    let held = photos.get(ref.path);
    if (!held?.left.has(spec)) {
      // The first one that asks, or one whose raster went with its thread.
      held = { rasters: open(ref, specs), left: new Set(specs) };
      photos.set(ref.path, held);
    }
    held.left.delete(spec);
    if (held.left.size === 0) photos.delete(ref.path);
    return (await held.rasters)[specs.indexOf(spec)]!;
  };
}

/** Joins what several detectors find in a photo. Queries for which they find the same share one object. */
function sharedShelf(
  shelves: readonly PhotoShelf[],
  progress: Pick<RunProgress, 'detectMs'>,
): PhotoShelf {
  const joined = new WeakMap<Promise<ExaminedPhoto>, JoinedPhotos>();
  return (ref, expression) => {
    const seen = shelves.map((shelf) => shelf(ref, expression));
    const parts = seen.map(({ photo }) => photo);
    const fresh = seen.some((each) => each.fresh);
    // By the findings of the first, the few that the others have for them.
    const ofFirst = joined.get(parts[0]!) ?? [];
    joined.set(parts[0]!, ofFirst);
    const known = ofFirst.find((each) => each.parts.every((part, at) => part === parts[at]));
    if (known) return { photo: known.photo, fresh };
    const photo = Promise.all(parts).then(([first, ...others]): ExaminedPhoto => {
      const detectMs = others.reduce((sum, each) => sum + each.detectMs, 0);
      progress.detectMs += detectMs;
      return {
        ...first!,
        detectMs: first!.detectMs + detectMs,
        others: others.map(({ detections, asked }) => ({ detections, asked })),
      };
    });
    handled(photo);
    ofFirst.push({ parts, photo });
    if (ofFirst.length > MAX_ANSWERS) ofFirst.shift();
    return { photo, fresh };
  };
}

/** Findings of all detectors, one after the other and joined. */
type JoinedPhotos = {
  readonly parts: readonly Promise<ExaminedPhoto>[];
  readonly photo: Promise<ExaminedPhoto>;
}[];

const SHARED = new WeakMap<ExaminedPhoto, ExaminedPhoto>();

/** The photo with its pixels in shared memory, so that threads read them where they lie. They are copied once a photo. */
export function sharedPhoto(seen: SeenPhoto): SeenPhoto {
  const { photo } = seen;
  let shared = SHARED.get(photo);
  if (!shared) {
    const { data } = photo.raster;
    const pixels = new Uint8Array(new SharedArrayBuffer(data.length));
    pixels.set(data);
    shared = { ...photo, raster: { ...photo.raster, data: pixels } };
    SHARED.set(photo, shared);
  }
  return { ...seen, photo: shared };
}
