import type { RgbRaster } from '../core/raster.js';
import type { DetectorCard } from '../formats/model-card.js';
import { trialDetector, trialPhotos } from '../models/trial.js';
import { loadDetector } from './detector.js';
import type { Device, InferenceSettings } from './device.js';
import { photoOpener } from './engine.js';
import { SessionPool } from './pool.js';
import type { OpenedPhoto } from './ports.js';

/** Detects once, on a photo of its own. */
export type Run = () => Promise<void>;

/** A detector that is warm, in a pool of its own. */
export interface DetectorAtWork {
  readonly run: Run;
  readonly card: DetectorCard;
  readonly device: Device;
}

/** Runs before the first that counts: caches fill and kernels are chosen. */
const WARM_UP = 3;

/**
 * Brings up a detector for measuring, and takes it down again.
 * @param devices to try, in this order
 * @throws VgrError of the model; DEVICE_UNAVAILABLE
 */
export async function withDetector<T>(
  name: string,
  devices: readonly Device[],
  {
    sessions,
    threads,
    batchSize,
    inputSize,
  }: Pick<InferenceSettings, 'sessions' | 'threads' | 'batchSize'> & {
    readonly inputSize?: number | undefined;
  },
  work: (detector: DetectorAtWork) => Promise<T>,
): Promise<T> {
  const pool = new SessionPool({
    plan: { devices, skipped: [] },
    sessions,
    threads,
    notice: () => undefined,
  });
  try {
    const loaded = await loadDetector(name, pool, inputSize);
    const { card } = loaded;
    const detector = trialDetector(pool, loaded, batchSize);
    const { raster, ...photo } = await benchPhoto(card);
    const run: Run = async () => {
      const copy: RgbRaster = { ...raster, data: raster.data.slice() };
      await detector.detect({ ...photo, raster: copy });
    };
    for (let round = 0; round < WARM_UP; round++) {
      await Promise.all(Array.from({ length: sessions }, run));
    }
    return await work({ run, card, device: pool.device! });
  } finally {
    await pool.close();
  }
}

/** Photos a second with `inFlight` of them under way at all times. */
export async function rateOf(run: Run, photos: number, inFlight: number): Promise<number> {
  let left = photos;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await run();
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (photos * 1000) / (performance.now() - start);
}

async function benchPhoto({ input }: DetectorCard): Promise<OpenedPhoto> {
  const [first] = await trialPhotos(undefined);
  if (first) return photoOpener({ 'max-pixels': 100_000_000 })(first, input);
  const { width, height } = input;
  const data = new Uint8Array(width * height * 3).fill(114);
  return {
    size: { width, height },
    raster: { width, height, data },
    contentXyxy: { x1: 0, y1: 0, x2: width, y2: height },
    sha256: '',
  };
}
