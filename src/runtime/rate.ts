import { fileURLToPath } from 'node:url';
import { asVgrError } from '../core/error.js';
import type { RasterSpec } from '../core/raster.js';
import { isPrompted } from '../formats/model-card.js';
import { configureSharp, type DecodedPhoto, openPhoto, plainPhoto } from '../photos/decode.js';
import { listImages } from '../photos/find-photos.js';
import { loadDetectors, type PooledModel, pooledDetector } from './detector.js';
import { type Device, sessionLimits } from './device.js';
import { SessionPool } from './pool.js';
import type { Detector, PhotoRef } from './ports.js';

/** Photos that come with the program. */
const OWN_PHOTOS = fileURLToPath(new URL('../../fixtures/images', import.meta.url));

/**
 * The photos for a trial: those given, else those that come with the program.
 * @throws VgrError of the first photo given that is not there
 */
export async function trialPhotos(given?: readonly string[]): Promise<PhotoRef[]> {
  const photos: PhotoRef[] = [];
  try {
    for await (const item of listImages(given ?? [OWN_PHOTOS])) {
      if ('error' in item) throw item.error;
      photos.push(item);
    }
  } catch (thrown) {
    // An installation may come without them.
    if (given !== undefined) throw asVgrError(thrown);
  }
  return photos;
}

/** Opens a photo of a trial, with the usual limit of pixels; without one, a grey raster. */
export async function openTrialPhoto(
  photo: PhotoRef | undefined,
  spec: RasterSpec,
): Promise<DecodedPhoto> {
  configureSharp();
  return photo ? openPhoto(photo.path, spec) : plainPhoto(spec, 114);
}

/** What prompted detectors look for in a trial: objects in the program's own photos. */
export const TRIAL_NAMES = ['person', 'dog', 'cat', 'cup', 'train'];

/** A detector whose graph is in the pool, with its card's own settings. */
export function trialDetector(pool: SessionPool, model: PooledModel, batchSize = 1): Detector {
  const { minScore, maxDetections } = model.card.decoding;
  return pooledDetector(pool, model, {
    minScore,
    maxDetections,
    batchSize,
    classes: isPrompted(model.card) ? TRIAL_NAMES : undefined,
  });
}

/** One piece of a model's work, always the same. */
export type Run = () => Promise<unknown>;

/** How the work is split among sessions. */
export interface Split {
  readonly sessions: number;
  readonly threads: number;
  readonly batchSize: number;
}

/** Does work with a session pool on the first of these devices that starts, and closes it. */
export async function withPool<T>(
  devices: readonly Device[],
  { sessions, threads }: Split,
  work: (pool: SessionPool) => Promise<T>,
): Promise<T> {
  const plan = { devices, skipped: [] };
  const pool = new SessionPool({
    plan,
    sessions,
    threads,
    ...sessionLimits(),
    notice: () => undefined,
  });
  try {
    return await work(pool);
  } finally {
    await pool.close();
  }
}

/**
 * Loads detectors and warms them up for measuring.
 * @param inputSize longest side of a photo in place of the card's, pixels
 * @returns `run` detects on one photo, with one detector after the other
 * @throws VgrError of the models; DEVICE_UNAVAILABLE
 */
export async function warmDetectors(
  names: readonly string[],
  pool: SessionPool,
  { sessions, batchSize }: Split,
  inputSize?: number,
) {
  const models = await loadDetectors(names, pool, { 'input-size': inputSize });
  const ref = (await trialPhotos())[0];
  const runs: Run[] = [];
  for (const model of models) {
    const detector = trialDetector(pool, model, batchSize);
    const { raster, ...photo } = await openTrialPhoto(ref, model.card.input);
    // The pixels move to the worker.
    runs.push(() =>
      detector.detect({ ...photo, raster: { ...raster, data: raster.data.slice() } }),
    );
  }
  await warmUp(runs, sessions);
  const run: Run = async () => {
    for (const each of runs) await each();
  };
  return { run, cards: models.map(({ card }) => card), device: pool.device! };
}

/** Detectors that are warm, in a pool of their own. */
export type DetectorsAtWork = Awaited<ReturnType<typeof warmDetectors>>;

/** Runs that do not count: caches fill and kernels are chosen. */
const WARM_UP = 3;

/** Runs all of them side by side, once per session, a few times. */
export async function warmUp(runs: readonly Run[], sessions: number): Promise<void> {
  for (let round = 0; round < WARM_UP; round++) {
    await Promise.all(Array.from({ length: sessions }, () => runs.map((run) => run())).flat());
  }
}

/** Runs per second with `inFlight` of them under way at all times. */
export async function rateOf(run: Run, count: number, inFlight: number): Promise<number> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await run();
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (count * 1000) / (performance.now() - start);
}
