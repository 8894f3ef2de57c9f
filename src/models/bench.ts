import { asVgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { isPrompted } from '../formats/model-card.js';
import {
  type Device,
  deviceText,
  inferenceSettings,
  parseDevice,
  planDevices,
} from '../runtime/device.js';
import { openEncoder } from '../runtime/encoder.js';
import { findModel, isEncoder, type StoredEncoder } from '../runtime/model-store.js';
import { SessionPool } from '../runtime/pool.js';
import { type Run, rateOf, withDetector } from '../runtime/rate.js';

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

/**
 * `vgr models bench`: latency and throughput of a detector or an image-text encoder on each device at hand.
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
  const model = await findModel(name);
  let done = 0;
  for (const device of devices) {
    try {
      if (isEncoder(model)) await tellEncoder(model, device, flags, printer);
      else await tell(await measure(name, device, flags.runs), name, flags, printer);
      done += 1;
    } catch (thrown) {
      const error = asVgrError(thrown);
      if (error.code !== 'DEVICE_UNAVAILABLE' || asked !== 'auto') throw error;
      printer.note(`left out: ${error.message}`);
    }
  }
  return done > 0 ? 0 : 3;
}

async function tellEncoder(
  model: StoredEncoder,
  device: Device,
  { runs, json }: BenchFlags,
  printer: Printer,
): Promise<void> {
  const { name } = model.card;
  const bench = await benchEncoder(model, device, runs);
  await printer.data(
    json ? `${JSON.stringify({ name, ...bench })}\n` : encoderBenchText(name, bench),
  );
}

async function measure(name: string, device: Device, runs: number): Promise<BenchResult> {
  const settings = inferenceSettings({ device: deviceText(device), detector: name });
  const { sessions, batchSize } = settings;
  const alone = await withDetector(name, [device], { ...settings, sessions: 1 }, ({ run }) =>
    latencies(run, runs),
  );
  const together = await withDetector(name, [device], settings, async ({ run, card }) => ({
    rate: await rateOf(run, runs * sessions, 2 * sessions * batchSize),
    card,
  }));
  const sorted = alone.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return {
    device: deviceText(device),
    latency_ms: { median: rounded(at(0.5)), p95: rounded(at(0.95)) },
    throughput: rounded(together.rate),
    sessions,
    threads: settings.threads,
    batch: together.card.input.batch === 'any' && !isPrompted(together.card) ? batchSize : 1,
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

/** What one device does with an encoder. */
export interface EncoderBench {
  readonly device: string;
  /** Time of one run of crops alone, from their pixels to their embeddings, and of one text, milliseconds. */
  readonly latency_ms: { readonly crops: number; readonly text: number };
  /** Crops in one run. */
  readonly batch: number;
  /** Crops a second with all sessions at work. */
  readonly throughput: number;
  readonly sessions: number;
  readonly threads: number;
}

/** Crops that a photo of many boxes asks for. */
const CROPS = 8;

/** Medians over `runs`, after three that do not count. @throws VgrError of the model or the device */
async function benchEncoder(
  model: StoredEncoder,
  device: Device,
  runs: number,
): Promise<EncoderBench> {
  const { sessions, threads } = inferenceSettings({
    device: deviceText(device),
    detector: model.card.name,
  });
  const pool = new SessionPool({
    plan: { devices: [device], skipped: [] },
    sessions,
    threads,
    notice: () => undefined,
  });
  try {
    const { encoder, card } = await openEncoder(model, pool);
    const { width, height, batch } = card.image;
    const data = new Uint8Array(width * height * 3).fill(114);
    const crops = Array.from({ length: CROPS }, () => ({ width, height, data }));
    const look = () => encoder.embedCrops(crops);
    const read = () => encoder.embedText('the left lion');
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: sessions }, () => Promise.all([look(), read()])));
    }
    const alone = await medianOf(runs, look);
    const text = await medianOf(runs, read);
    const start = performance.now();
    await Promise.all(
      Array.from({ length: 2 * sessions }, async () => {
        for (let round = 0; round < Math.ceil(runs / 2); round++) await look();
      }),
    );
    const done = CROPS * 2 * sessions * Math.ceil(runs / 2);
    return {
      device: deviceText(device),
      latency_ms: { crops: rounded(alone), text: rounded(text) },
      batch: batch === 'any' ? CROPS : 1,
      throughput: rounded((done * 1000) / (performance.now() - start)),
      sessions,
      threads,
    };
  } finally {
    await pool.close();
  }
}

async function medianOf(runs: number, run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < runs; round++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

/** One line for people. */
function encoderBenchText(name: string, bench: EncoderBench): string {
  const { device, latency_ms: ms, batch, throughput, sessions, threads } = bench;
  return `${name} on ${device}: ${ms.crops} ms for ${CROPS} crops (runs of ${batch}), ${ms.text} ms a text; ${throughput} crops a second with ${sessions} x ${threads} threads\n`;
}
