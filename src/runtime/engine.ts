import { availableParallelism } from 'node:os';
import { VgrError } from '../core/error.js';
import { Semaphore } from '../core/semaphore.js';
import type { Printer } from '../core/terminal.js';
import { sha256Of } from '../core/text.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { RunSummary } from '../formats/run-summary.js';
import {
  configureSharp,
  type DecodingMemory,
  openPhotoFor,
  type PhotoFlags,
  photoLimits,
  plainPhoto,
} from '../photos/decode.js';
import { type LoadedModel, loadDetectors, pooledDetector, wantedOf } from './detector.js';
import {
  type DetectorFlags,
  detectorNames,
  deviceText,
  type InferenceFlags,
  machineMemory,
  parseMemory,
} from './device.js';
import type { Detector, OpenPhoto, OpenPhotoFor } from './ports.js';
import type { Threads } from './threads.js';

/** Detectors in the threads of the pool. Says at its end what is known of their work. */
export interface Engine extends Disposable {
  readonly threads: Threads;
  /** The first is the tool; none with `--detector none`. */
  readonly detectors: readonly Detector[];
  readonly models: RunSummary['models'];
  /** Settings of the detectors that decide what they find. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Photos to keep in work so that no session waits for a decoder. */
  readonly inFlight: number;
}

/**
 * Loads the detectors into the threads.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE, USAGE
 */
export async function openEngine(
  flags: InferenceFlags,
  threads: Threads,
  printer: Printer,
): Promise<Engine> {
  const { pool, plan, device, sessions, batchSize } = threads;
  const names = detectorNames(flags.detector);
  const opened = await openDetectors(names, flags, threads);
  if (device === 'auto' && pool.device?.name === 'cpu' && plan.skipped.length > 0) {
    printer.note(`device ${deviceText(pool.device)} (${plan.skipped.join('; ')})`);
  }
  const settings = opened.map((each, at) => numbered(each.settings, at + 1));
  return {
    threads,
    inFlight: 2 * sessions * batchSize + 2,
    detectors: opened.map(({ detector }) => detector),
    models: opened.map(({ model }) => model),
    settings: names.length === 0 ? { detector: 'none' } : Object.assign({}, ...settings),
    [Symbol.dispose]: () => {
      for (const { warning } of opened) {
        const text = warning();
        if (text !== undefined) printer.note(text);
      }
    },
  };
}

/** Loads detectors into the threads, and tells what is to be known of each. @throws VgrError as {@link openEngine} */
export async function openDetectors(
  names: readonly string[],
  flags: DetectorFlags,
  threads: Threads,
) {
  const { pool } = threads;
  const models = await loadDetectors(names, pool, flags);
  for (const model of models) {
    if (pool.placeOf(model.card.name)?.device.name === 'cpu') continue;
    const { proveDetector } = await import('./device-trial.js');
    await proveDetector(model, pool);
  }
  return Promise.all(models.map((model) => opening(model, flags, threads)));
}

async function opening(loaded: LoadedModel, flags: DetectorFlags, { pool, batchSize }: Threads) {
  const { card, sha256 } = loaded;
  const wanted = await wantedOf(flags, card);
  let cut = 0;
  const onCut = (count: number): void => {
    cut += count;
  };
  const detector = pooledDetector(pool, loaded, { ...wanted, batchSize, onCut });
  const { calibration } = detector;
  return {
    detector,
    model: { name: card.name, sha256, card_sha256: sha256Of(JSON.stringify(card)) },
    settings: {
      detector: card.name,
      detector_sha256: sha256,
      ...(card.input.fit === 'longer-side' && { input_size: card.input.width }),
      min_score: wanted.minScore,
      max_detections: wanted.maxDetections,
      ...(wanted.nmsIou !== undefined && { nms: wanted.nmsIou }),
      ...(calibration && { calibration: Object.values(calibration).join(' ') }),
      ...(card.decoding.task && { task: card.decoding.task }),
      ...(wanted.classes && { classes: wanted.classes.join(',') }),
    },
    /** At the end of the run. */
    warning: () => (cut > 0 ? cutWarning(cut, card) : undefined),
  };
}

/** Settings of the second detector are `min_score_2` and so on. */
function numbered(settings: Engine['settings'], number: number): Engine['settings'] {
  if (number === 1) return settings;
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [`${name}_${number}`, value]),
  );
}

function cutWarning(count: number, { name, input }: DetectorCard): string {
  const prompts = count === 1 ? 'prompt is' : 'prompts are';
  return `warning: ${count} ${prompts} longer than the ${input.text!.length} tokens that ${name} reads; the rest was cut off`;
}

/** Opens photos with the limits of the flags. `meter` is that of the cores that decode photos. */
export function photoOpener(flags: PhotoFlags, memory?: DecodingMemory) {
  configureSharp();
  const meter = new LaneMeter(availableParallelism());
  const limits = { ...photoLimits(flags), memory };
  const openFor: OpenPhotoFor = ({ path }, specs) =>
    meter.measure(() => openPhotoFor(path, specs, limits));
  const open: OpenPhoto = async (ref, spec) => (await openFor(ref, [spec]))[0]!;
  return { open, openFor, meter };
}

/** What the main thread's heap and the allocator's pools grow by in a long run, beside sessions and decoding; 97 MB were seen. */
const GROWTH_BYTES = 128 * 2 ** 20;

/** Less than this decodes no photo of a camera. */
const MIN_FOR_DECODING = 32 * 2 ** 20;

/**
 * What photos that are being decoded may hold together. With `--max-memory` that is what the sessions leave of it, and a photo
 * that needs more is refused; without, a quarter of the machine, or of the container, and a larger photo is decoded alone.
 * @param warmRefiner has each of so many sessions run once what the refiner looks at photos with, where that is a model
 * @throws VgrError USAGE where the sessions alone take more than was given
 */
export async function decodingMemory(
  given: string | undefined,
  sessions: number,
  detectors: readonly Detector[],
  warmRefiner?: (sessions: number) => Promise<void>,
): Promise<DecodingMemory> {
  if (given === undefined) return { budget: new Semaphore(machineMemory() / 4), strict: false };
  const most = parseMemory(given);
  for (const each of detectors) await warmUp(each, sessions);
  await warmRefiner?.(sessions);
  const taken = process.memoryUsage.rss() + GROWTH_BYTES;
  if (most - taken < MIN_FOR_DECODING) {
    throw new VgrError(
      'USAGE',
      `--max-memory: ${sessions} sessions and what a run grows by take ${mib(taken)}; expected at least ${mib(taken + MIN_FOR_DECODING)}, got ${mib(most)}`,
      { hint: 'raise `--max-memory`, or lower `--sessions`' },
    );
  }
  return { budget: new Semaphore(most - taken), strict: true };
}

/** Sessions take their memory with the first photo. */
async function warmUp(detector: Detector, sessions: number): Promise<void> {
  const look = (): Promise<unknown> => {
    const blank = plainPhoto(detector.spec, 0);
    return detector.prompted ? detector.prompted.ask(blank, ['a']) : detector.detect(blank);
  };
  await Promise.all(Array.from({ length: sessions }, look));
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)}m`;
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
