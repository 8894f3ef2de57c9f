import { asVgrError } from '../core/error.js';
import { plainRaster, type RgbRaster } from '../core/raster.js';
import type { Printer } from '../core/terminal.js';
import { isPrompted } from '../formats/model-card.js';
import { deviceText, inferenceSettings, parseDevice, planDevices } from '../runtime/device.js';
import { openEncoder } from '../runtime/encoder.js';
import { findModel, isEncoder, recallModel, type StoredEncoder } from '../runtime/model-store.js';
import type { SessionPool } from '../runtime/pool.js';
import { type Run, rateOf, type Split, warmDetectors, warmUp, withPool } from '../runtime/rate.js';
import { rememberSpeed, type Speed } from './speed.js';

export interface BenchFlags {
  readonly device: string;
  readonly runs: number;
  readonly json: boolean;
}

/**
 * `vgr models bench`: latency in milliseconds and throughput per second of a detector or an image-text encoder on each device.
 * @returns the exit code: 3 where none of the devices starts
 */
export async function benchModel(
  name: string,
  { device: wanted, runs, json }: BenchFlags,
  printer: Printer,
): Promise<number> {
  const asked = parseDevice(wanted);
  const { devices, skipped } = planDevices(asked);
  for (const reason of skipped) printer.note(`left out: ${reason}`);
  const model = await findModel(name);
  const shown = isEncoder(model) ? model.card.name : name;
  let done = 0;
  let fastest: Speed | undefined;
  for (const each of devices) {
    const device = deviceText(each);
    const split = inferenceSettings({ device });
    try {
      const { fields, text } = await withPool([each], split, (pool) =>
        isEncoder(model)
          ? benchEncoder(model, pool, split, runs)
          : benchDetector(name, pool, split, runs),
      );
      await printer.data(
        json
          ? `${JSON.stringify({ name: shown, device, ...fields })}\n`
          : `${shown} on ${device}: ${text}\n`,
      );
      done += 1;
      const speed = { device, per_second: fields.throughput };
      if (speed.per_second > (fastest?.per_second ?? 0)) fastest = speed;
    } catch (thrown) {
      const error = asVgrError(thrown);
      if (error.code !== 'DEVICE_UNAVAILABLE' || asked !== 'auto') throw error;
      printer.note(`left out: ${error.message}`);
    }
  }
  const sha256 = (await recallModel(model))?.sha256 ?? model.card.sha256;
  // For `vgr models list`.
  if (fastest && sha256 !== undefined) await rememberSpeed(sha256, fastest);
  return done > 0 ? 0 : 3;
}

/** Fields for `--json`, and a sentence. */
type BenchResult = Promise<{
  readonly fields: { readonly throughput: number; readonly [field: string]: unknown };
  readonly text: string;
}>;

async function benchDetector(name: string, pool: SessionPool, split: Split, runs: number) {
  const { sessions, threads, batchSize } = split;
  const { run, cards } = await warmDetectors([name], pool, split);
  const card = cards[0]!;
  const sorted = await sortedTimes(run, runs);
  const ms = { median: at(sorted, 0.5), p95: at(sorted, 0.95) };
  const throughput = rounded(await rateOf(run, runs * sessions, 2 * sessions * batchSize));
  const batch = card.input.batch === 'any' && !isPrompted(card) ? batchSize : 1;
  const batches = batch > 1 ? `, batches of ${batch}` : '';
  return {
    fields: { latency_ms: ms, throughput, sessions, threads, batch },
    text: `${ms.median} ms a photo (95 % within ${ms.p95} ms); ${throughput} photos a second with ${sessions} x ${threads} threads${batches}`,
  };
}

/** Crops of a photo with many boxes. */
const CROPS = 8;

async function benchEncoder(
  model: StoredEncoder,
  pool: SessionPool,
  { sessions, threads }: Split,
  runs: number,
): BenchResult {
  const { encoder, card } = await openEncoder(model, pool);
  const crops = new Array<RgbRaster>(CROPS).fill(plainRaster(card.image, 114));
  const look: Run = () => encoder.embedCrops(crops);
  const read: Run = () => encoder.embedText('the left lion');
  await warmUp([look, read], sessions);
  const ms = {
    crops: at(await sortedTimes(look, runs), 0.5),
    text: at(await sortedTimes(read, runs), 0.5),
  };
  const throughput = rounded(CROPS * (await rateOf(look, runs * sessions, 2 * sessions)));
  const batch = card.image.batch === 'any' ? CROPS : 1;
  return {
    fields: { latency_ms: ms, batch, throughput, sessions, threads },
    text: `${ms.crops} ms for ${CROPS} crops (runs of ${batch}), ${ms.text} ms a text; ${throughput} crops a second with ${sessions} x ${threads} threads`,
  };
}

/** Times of runs one after the other, ascending, milliseconds. */
async function sortedTimes(run: Run, runs: number): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < runs; round++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}

/** The quantile of sorted times, rounded. */
function at(sorted: readonly number[], share: number): number {
  return rounded(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
