import { availableParallelism } from 'node:os';
import type { Printer } from '../core/terminal.js';
import { isPrompted } from '../formats/model-card.js';
import { configureSharp, type DecodingMemory, openPhoto } from '../photos/decode.js';
import { CutPrompts, loadDetector, standingDetector, wantedOf } from './detector.js';
import { deviceText, type InferenceFlags } from './device.js';
import type { OpenedPool } from './open-pool.js';
import type { SessionPool } from './pool.js';
import type { Clock, Detector, OpenPhoto } from './ports.js';

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
  /** Of the cores that decode photos. */
  readonly decoding: LaneMeter;
  /** Tells what is known of the detector's work when it is over. */
  readonly closing: () => void;
}

/**
 * Loads the detector into the session pool.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE, USAGE
 */
export async function openEngine(
  flags: InferenceFlags,
  { pool, plan, device, sessions, threads, batchSize }: OpenedPool,
  printer: Printer,
): Promise<Engine> {
  const shared = {
    pool,
    sessions,
    threads,
    inFlight: 2 * sessions * batchSize + 2,
    decoding: new LaneMeter(availableParallelism(), () => performance.now()),
    closing: (): void => undefined,
  };
  if (flags.detector === 'none') return { ...shared, models: [], settings: { detector: 'none' } };
  const loaded = await loadDetector(flags.detector, pool, flags['input-size']);
  const { card, sha256 } = loaded;
  if (device === 'auto' && pool.device?.name === 'cpu' && plan.skipped.length > 0) {
    printer.note(`device ${deviceText(pool.device)} (${plan.skipped.join('; ')})`);
  }
  const wanted = wantedOf(flags, card);
  const cut = isPrompted(card) ? new CutPrompts(card) : undefined;
  const onCut = cut?.add ?? (() => undefined);
  const detector = standingDetector(pool, loaded, { ...wanted, batchSize, onCut });
  const { calibration } = detector;
  return {
    ...shared,
    detector,
    closing: () => cut?.tell(printer),
    models: [{ name: card.name, sha256 }],
    settings: {
      detector: card.name,
      detector_sha256: sha256,
      ...(card.input.fit === 'longer-side' && { input_size: card.input.width }),
      min_score: wanted.minScore,
      max_detections: wanted.maxDetections,
      ...(wanted.nmsIou !== undefined && { nms: wanted.nmsIou }),
      ...(calibration && { calibration: Object.values(calibration).join(' ') }),
      ...(wanted.classes && { classes: wanted.classes.join(',') }),
    },
  };
}

/** Opens photos with the limits of the flags. */
export function photoOpener(
  flags: { readonly 'max-pixels': number },
  memory?: DecodingMemory,
  meter?: LaneMeter,
): OpenPhoto {
  configureSharp();
  const maxPixels = flags['max-pixels'];
  const open: OpenPhoto = ({ path }, spec) => openPhoto(path, spec, { maxPixels, memory });
  return meter ? (ref, spec) => meter.measure(() => open(ref, spec)) : open;
}

/**
 * How long a stage worked. Work that waits for a free lane is at hand too, so at each moment as much of it counts as there
 * are lanes.
 */
export class LaneMeter {
  readonly lanes: number;
  readonly #clock: Clock;
  #atHand = 0;
  #since = 0;
  #busyMs = 0;

  constructor(lanes: number, clock: Clock) {
    this.lanes = lanes;
    this.#clock = clock;
  }

  async measure<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#change(1);
    try {
      return await work();
    } finally {
      this.#change(-1);
    }
  }

  /** Pieces of work that are under way or wait for a lane. */
  get atHand(): number {
    return this.#atHand;
  }

  /** Sum over the lanes up to now, milliseconds. */
  get busyMs(): number {
    this.#change(0);
    return this.#busyMs;
  }

  #change(by: number): void {
    const now = this.#clock();
    this.#busyMs += (now - this.#since) * Math.min(this.#atHand, this.lanes);
    this.#since = now;
    this.#atHand += by;
  }
}
