import { deviceText, planDevices } from '../inference/device.js';
import { SessionPool } from '../inference/pool.js';
import { pooledDetector } from '../inference/pooled-detector.js';
import { configureSharp, openPhoto } from '../io/photo-decoder.js';
import type { Detector, OpenPhoto } from '../pipeline/ports.js';
import { type InferenceFlags, inferenceSettings } from './inference-settings.js';
import { loadDetector, wantedOf } from './load-detector.js';
import type { Printer } from './printer.js';

/** The running parts that `detect` and `refine` share: one session pool, and the detector in it. */
export interface Engine {
  readonly pool: SessionPool;
  readonly sessions: number;
  readonly threads: number;
  /** Absent with `--detector none`. */
  readonly detector?: Detector;
  readonly models: readonly { readonly name: string; readonly sha256: string }[];
  /** Settings of the detector that decide what it finds. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Photos to keep in work so that no session waits for a decoder. */
  readonly inFlight: number;
  close(): Promise<void>;
}

/**
 * Starts the session pool and loads the detector into it.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE, USAGE
 */
export async function openEngine(flags: InferenceFlags, printer: Printer): Promise<Engine> {
  const { device, sessions, threads, batchSize } = inferenceSettings(flags);
  const plan = planDevices(device);
  const pool = new SessionPool({
    plan,
    sessions,
    threads,
    notice: (text) => printer.note(text),
  });
  const shared = {
    pool,
    sessions,
    threads,
    inFlight: 2 * sessions * batchSize + 2,
    close: () => pool.close(),
  };
  if (flags.detector === 'none') return { ...shared, models: [], settings: { detector: 'none' } };
  try {
    const { card, sha256 } = await loadDetector(flags.detector, pool);
    if (device === 'auto' && pool.device?.name === 'cpu' && plan.skipped.length > 0) {
      printer.note(`device ${deviceText(pool.device)} (${plan.skipped.join('; ')})`);
    }
    const wanted = wantedOf(flags, card);
    return {
      ...shared,
      detector: pooledDetector(pool, card, { ...wanted, batchSize }),
      models: [{ name: card.name, sha256 }],
      settings: {
        detector: card.name,
        detector_sha256: sha256,
        min_score: wanted.minScore,
        max_detections: wanted.maxDetections,
        ...(wanted.nmsIou !== undefined && { nms: wanted.nmsIou }),
        ...(wanted.classes && { classes: wanted.classes.join(',') }),
      },
    };
  } catch (thrown) {
    await pool.close();
    throw thrown;
  }
}

/** Opens photos with the limits of the flags. */
export function photoOpener(flags: { readonly 'max-pixels': number }): OpenPhoto {
  configureSharp();
  return ({ path }, spec) => openPhoto(path, spec, { maxPixels: flags['max-pixels'] });
}
