import { availableParallelism } from 'node:os';
import type { Printer } from '../core/terminal.js';
import { sha256Of } from '../core/text.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { RunSummary } from '../formats/run-summary.js';
import { configureSharp, type DecodingMemory, openPhoto } from '../photos/decode.js';
import { loadDetector, pooledDetector, wantedOf } from './detector.js';
import { deviceText, type InferenceFlags } from './device.js';
import type { Detector, OpenPhoto } from './ports.js';
import type { Threads } from './threads.js';

/** A detector in the threads of the pool. Says at its end what is known of the detector's work. */
export interface Engine extends Disposable {
  readonly threads: Threads;
  /** Absent with `--detector none`. */
  readonly detector?: Detector;
  readonly models: RunSummary['models'];
  /** Settings of the detector that decide what it finds. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Photos to keep in work so that no session waits for a decoder. */
  readonly inFlight: number;
}

/**
 * Loads the detector into the threads.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE, USAGE
 */
export async function openEngine(
  flags: InferenceFlags,
  threads: Threads,
  printer: Printer,
): Promise<Engine> {
  const { pool, plan, device, batchSize } = threads;
  const inFlight = 2 * threads.sessions * batchSize + 2;
  if (flags.detector === 'none') {
    const settings = { detector: 'none' };
    return { threads, inFlight, models: [], settings, [Symbol.dispose]: () => undefined };
  }
  const loaded = await loadDetector(flags.detector, pool, flags['input-size']);
  const { card, sha256 } = loaded;
  if (device === 'auto' && pool.device?.name === 'cpu' && plan.skipped.length > 0) {
    printer.note(`device ${deviceText(pool.device)} (${plan.skipped.join('; ')})`);
  }
  const wanted = wantedOf(flags, card);
  let cut = 0;
  const onCut = (count: number): void => {
    cut += count;
  };
  const detector = pooledDetector(pool, loaded, { ...wanted, batchSize, onCut });
  const { calibration } = detector;
  return {
    threads,
    inFlight,
    detector,
    models: [{ name: card.name, sha256, card_sha256: sha256Of(JSON.stringify(card)) }],
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
    [Symbol.dispose]: () => {
      if (cut > 0) printer.note(cutWarning(cut, card));
    },
  };
}

function cutWarning(count: number, { name, input }: DetectorCard): string {
  const prompts = count === 1 ? 'prompt is' : 'prompts are';
  return `warning: ${count} ${prompts} longer than the ${input.text!.length} tokens that ${name} reads; the rest was cut off`;
}

/** Opens photos with the limits of the flags. `meter` is that of the cores that decode photos. */
export function photoOpener(flags: { readonly 'max-pixels': number }, memory?: DecodingMemory) {
  configureSharp();
  const meter = new LaneMeter(availableParallelism());
  const limits = { maxPixels: flags['max-pixels'], memory };
  const open: OpenPhoto = ({ path }, spec) => meter.measure(() => openPhoto(path, spec, limits));
  return { open, meter };
}

/**
 * How long a stage worked. Work that waits for a free lane counts as at hand too, so at each moment as much of it counts as
 * there are lanes.
 */
export class LaneMeter {
  readonly lanes: number;
  readonly #clock: () => number;
  #atHand = 0;
  #since = 0;
  #busyMs = 0;

  /** @param clock milliseconds from any fixed moment, never falling */
  constructor(lanes: number, clock = () => performance.now()) {
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
