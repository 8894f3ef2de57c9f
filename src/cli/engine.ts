import { quoted, VgrError } from '../formats/fault.js';
import type { DetectorCard } from '../formats/model-card.js';
import { deviceText, planDevices } from '../inference/device.js';
import { SessionPool } from '../inference/pool.js';
import { pooledDetector } from '../inference/pooled-detector.js';
import { findModel, readVerified } from '../io/model-store.js';
import { configureSharp, openPhoto } from '../io/photo-decoder.js';
import type { Detector, OpenPhoto } from '../pipeline/ports.js';
import { type InferenceFlags, inferenceSettings, parseFraction } from './inference-settings.js';
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
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, DEVICE_UNAVAILABLE, USAGE
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
    const card = await loadDetector(flags.detector, pool);
    if (device === 'auto' && pool.device?.name === 'cpu' && plan.skipped.length > 0) {
      printer.note(`device ${deviceText(pool.device)} (${plan.skipped.join('; ')})`);
    }
    const minScore =
      flags['min-score'] === undefined
        ? card.decoding.minScore
        : parseFraction('min-score', flags['min-score']);
    const maxDetections = flags['max-detections'] ?? card.decoding.maxDetections;
    return {
      ...shared,
      detector: pooledDetector(pool, card, { minScore, maxDetections, batchSize }),
      models: [{ name: card.name, sha256: card.sha256 }],
      settings: {
        detector: card.name,
        detector_sha256: card.sha256,
        min_score: minScore,
        max_detections: maxDetections,
      },
    };
  } catch (thrown) {
    await pool.close();
    throw thrown;
  }
}

async function loadDetector(wanted: string, pool: SessionPool): Promise<DetectorCard> {
  const { card, bytes } = await readVerified(await findModel(wanted, process.env.VGR_MODELS_DIR));
  if (card.kind !== 'detector') {
    throw new VgrError(
      'MODEL_INVALID',
      `${quoted(wanted)}: expected a detector, got a ${card.kind}`,
    );
  }
  const { inputs, outputs } = await pool.load({ name: card.name, bytes });
  const missing = [card.input.name, ...Object.values(card.outputs).flat()].filter(
    (name) => !inputs.includes(name) && !outputs.includes(name),
  );
  if (missing.length > 0) {
    throw new VgrError(
      'MODEL_INVALID',
      `model ${quoted(card.name)}: the card names ${missing.map((name) => quoted(name)).join(', ')}, the graph has inputs ${inputs.join(', ')} and outputs ${outputs.join(', ')}`,
    );
  }
  return card;
}

/** Opens photos with the limits of the flags. */
export function photoOpener(flags: { readonly 'max-pixels': number }): OpenPhoto {
  configureSharp();
  return ({ path }, spec) => openPhoto(path, spec, { maxPixels: flags['max-pixels'] });
}
