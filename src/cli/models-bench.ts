import { isPrompted } from '../formats/detector-labels.js';
import { asVgrError } from '../formats/fault.js';
import { type Device, deviceText, parseDevice, planDevices } from '../inference/device.js';
import { isEncoder, type StoredEncoder } from '../io/encoder-files.js';
import { findModel } from '../io/model-store.js';
import { benchEncoder, encoderBenchText } from './encoder-bench.js';
import { inferenceSettings } from './inference-settings.js';
import { type Run, rateOf, withDetector } from './model-rate.js';
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
      const fault = asVgrError(thrown);
      if (fault.code !== 'DEVICE_UNAVAILABLE' || asked !== 'auto') throw fault;
      printer.note(`left out: ${fault.message}`);
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
