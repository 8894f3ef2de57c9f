import { availableParallelism, cpus } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { versions } from '../core/text.js';
import {
  type Device,
  detectorNames,
  deviceText,
  type InferenceFlags,
  inferenceSettings,
  planDevices,
} from './device.js';
import { findModel, readVerified } from './model-store.js';
import { type DetectorsAtWork, rateOf, type Split, warmDetectors, withPool } from './rate.js';
import { recalled, remember } from './records.js';

/** How long each split is measured, and how many photos at least. */
const MEASURED_MS = 1000;
const MIN_ROUNDS = 3;

/** More sessions than this are not tried: each holds the model's activations. */
const MAX_SESSIONS = 16;
const GPU_BATCHES = [1, 4, 8, 16] as const;

/**
 * The flags with the fastest sessions, threads and batch: measured without decoding, and remembered for the model and machine.
 * @throws VgrError of the model; USAGE where there is no detector
 */
export async function tunedFlags<Flags extends InferenceFlags>(
  flags: Flags,
  printer: Printer,
): Promise<Flags> {
  const names = detectorNames(flags.detector);
  if (names.length === 0) {
    throw new VgrError('USAGE', '--tune: expected a detector to measure, got `none`', {
      hint: 'leave out `--tune`, or name a detector: `vgr models list`',
    });
  }
  const hashes: string[] = [];
  for (const name of names) hashes.push((await readVerified(await findModel(name))).sha256);
  const key = keyOf(hashes.join(' '), flags);
  const known = await recalled('tuning', key, tuningRecord);
  const best = known ?? (await measure(flags, printer));
  if (known) printer.note(`--tune: ${tuningText(known)}, as measured before`);
  else {
    printer.note(`--tune: ${tuningText(best)}`);
    await remember('tuning', key, best);
  }
  const { sessions, threads, batch } = best;
  return { ...flags, sessions, threads, 'batch-size': batch };
}

/** What a measurement holds for. Another model, machine or runtime is measured again. */
function keyOf(sha256: string, { device, 'input-size': inputSize }: InferenceFlags) {
  return {
    model_sha256: sha256,
    device,
    input_size: inputSize,
    processor: cpus()[0]?.model ?? process.arch,
    cores: availableParallelism(),
    runtime: versions()['onnxruntime-node']!,
  };
}

async function measure(flags: InferenceFlags, printer: Printer): Promise<Tuning> {
  const measured = async (devices: readonly Device[], split: Split) => {
    const { rate, at } = await withPool(devices, split, async (pool) => {
      const work = await warmDetectors(flags.detector, pool, split, flags['input-size']);
      return { rate: await measuredRate(work, split), at: work };
    });
    const { sessions, threads, batchSize: batch } = split;
    const result: Tuning = { sessions, threads, batch, rate: Math.round(rate * 10) / 10 };
    printer.note(`--tune: ${tuningText(result)} on ${deviceText(at.device)}`);
    return { result, at };
  };
  const { device, sessions, threads } = inferenceSettings(flags);
  const first: Split = { sessions, threads, batchSize: 1 };
  // The first split picks the first device that starts; the others are measured on that one.
  const { result, at } = await measured(planDevices(device).devices, first);
  let best = result;
  for (const split of splitsOn(at)) {
    if (isDeepStrictEqual(split, first)) continue;
    const { result: other } = await measured([at.device], split);
    if (other.rate > best.rate) best = other;
  }
  return best;
}

/** Splits to measure: cores by powers of two; on a GPU one session with growing batches. */
function splitsOn({ device, cards }: DetectorsAtWork): readonly Split[] {
  if (device.name !== 'cpu') {
    const isFree = cards.some(({ input }) => input.batch === 'any');
    const batches = isFree ? GPU_BATCHES : ([1] as const);
    return batches.map((batchSize) => ({ sessions: 1, threads: 1, batchSize }));
  }
  return coreSplits(availableParallelism());
}

/** @param cores positive */
export function coreSplits(cores: number): readonly Split[] {
  const splits: Split[] = [];
  for (let sessions = 1; sessions <= Math.min(cores, MAX_SESSIONS); sessions *= 2) {
    splits.push({ sessions, threads: Math.floor(cores / sessions), batchSize: 1 });
  }
  return splits;
}

async function measuredRate(
  { run }: DetectorsAtWork,
  { sessions, batchSize }: Split,
): Promise<number> {
  const lanes = 2 * sessions * batchSize;
  const trial = await rateOf(run, MIN_ROUNDS * sessions * batchSize, lanes);
  return rateOf(run, Math.max(Math.ceil((trial * MEASURED_MS) / 1000), lanes), lanes);
}

function tuningText({ sessions, threads, batch, rate }: Tuning): string {
  const batches = batch > 1 ? `, batches of ${batch}` : '';
  return `${sessions} x ${threads} threads${batches}, ${rate} photos a second`;
}

const count = z.int().min(1).max(256);

/** How a detector's work is split, and how fast that was: photos a second, without decoding. */
const tuningRecord = z.object({ sessions: count, threads: count, batch: count, rate: z.number() });
type Tuning = z.output<typeof tuningRecord>;
