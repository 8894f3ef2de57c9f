import { asVgrError } from '../formats/fault.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { RgbRaster } from '../geometry/raster.js';
import { type Device, deviceText, parseDevice, planDevices } from '../inference/device.js';
import { SessionPool } from '../inference/pool.js';
import { pooledDetector } from '../inference/pooled-detector.js';
import type { OpenedPhoto } from '../pipeline/ports.js';
import { photoOpener } from './engine.js';
import { inferenceSettings } from './inference-settings.js';
import { loadDetector } from './load-detector.js';
import { trialPhotos } from './model-trial.js';
import type { Printer } from './printer.js';

export interface BenchFlags {
  readonly device: string;
  readonly runs: number;
  readonly json: boolean;
}

/** What one device does with a detector. */
interface BenchResult {
  readonly device: string;
  /** Time of one photo alone, from its pixels to its boxes, milliseconds. */
  readonly latency_ms: { readonly median: number; readonly p95: number };
  /** Photos a second with all sessions at work. */
  readonly throughput: number;
  readonly sessions: number;
  readonly threads: number;
  readonly batch: number;
}

/** Runs before the first that counts: caches fill and kernels are chosen. */
const WARM_UP = 3;

/**
 * `vgr models bench`: latency and throughput of a detector on each device at hand.
 * @returns the exit code: 3 where none of the devices starts
 */
export async function benchModelCommand(
  name: string,
  flags: BenchFlags,
  printer: Printer,
): Promise<number> {
  const asked = parseDevice(flags.device);
  const { devices, skipped } = planDevices(asked);
  for (const reason of skipped) printer.note(`left out: ${reason}`);
  let done = 0;
  for (const device of devices) {
    try {
      await tell(await measure(name, device, flags.runs), name, flags, printer);
      done += 1;
    } catch (thrown) {
      const fault = asVgrError(thrown);
      if (fault.code !== 'DEVICE_UNAVAILABLE' || asked !== 'auto') throw fault;
      printer.note(`left out: ${fault.message}`);
    }
  }
  return done > 0 ? 0 : 3;
}

async function measure(name: string, device: Device, runs: number): Promise<BenchResult> {
  const settings = inferenceSettings({ device: deviceText(device), detector: name });
  const { sessions, batchSize } = settings;
  const alone = await withDetector(name, device, { ...settings, sessions: 1 }, runs, latencies);
  const together = await withDetector(name, device, settings, runs, (run) =>
    rateOf(run, runs * sessions, 2 * sessions * batchSize),
  );
  const sorted = alone.value.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return {
    device: deviceText(device),
    latency_ms: { median: rounded(at(0.5)), p95: rounded(at(0.95)) },
    throughput: rounded(together.value),
    sessions,
    threads: settings.threads,
    batch: together.card.input.batch === 'any' ? batchSize : 1,
  };
}

/** Detects once, on a photo of its own. */
type Run = () => Promise<void>;

async function withDetector<T>(
  name: string,
  device: Device,
  { sessions, threads, batchSize }: ReturnType<typeof inferenceSettings>,
  runs: number,
  work: (run: Run, runs: number) => Promise<T>,
): Promise<{ readonly value: T; readonly card: DetectorCard }> {
  const pool = new SessionPool({
    plan: { devices: [device], skipped: [] },
    sessions,
    threads,
    notice: () => undefined,
  });
  try {
    const { card } = await loadDetector(name, pool);
    const { minScore, maxDetections } = card.decoding;
    const detector = pooledDetector(pool, card, { minScore, maxDetections, batchSize });
    const { raster, ...photo } = await benchPhoto(card);
    const run: Run = async () => {
      const copy: RgbRaster = { ...raster, data: raster.data.slice() };
      await detector.detect({ ...photo, raster: copy }, { features: false });
    };
    for (let round = 0; round < WARM_UP; round++) {
      await Promise.all(Array.from({ length: sessions }, run));
    }
    return { value: await work(run, runs), card };
  } finally {
    await pool.close();
  }
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

async function latencies(run: Run, runs: number): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < runs; round++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times;
}

/** Photos a second with `inFlight` of them under way at all times. */
async function rateOf(run: Run, photos: number, inFlight: number): Promise<number> {
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

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

async function tell(
  result: BenchResult,
  name: string,
  { json }: BenchFlags,
  printer: Printer,
): Promise<void> {
  if (json) {
    await printer.data(`${JSON.stringify({ name, ...result })}\n`);
    return;
  }
  const { device, latency_ms: ms, throughput, sessions, threads, batch } = result;
  const batches = batch > 1 ? `, batches of ${batch}` : '';
  await printer.data(
    `${name} on ${device}: ${ms.median} ms a photo (95 % within ${ms.p95} ms); ${throughput} photos a second with ${sessions} x ${threads} threads${batches}\n`,
  );
}
