import type { Device } from '../inference/device.js';
import { deviceText } from '../inference/device.js';
import { SessionPool } from '../inference/pool.js';
import type { StoredEncoder } from '../io/encoder-files.js';
import { openEncoder } from './encoder-open.js';
import { inferenceSettings } from './inference-settings.js';

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
export async function benchEncoder(
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

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

/** One line for people. */
export function encoderBenchText(name: string, bench: EncoderBench): string {
  const { device, latency_ms: ms, batch, throughput, sessions, threads } = bench;
  return `${name} on ${device}: ${ms.crops} ms for ${CROPS} crops (runs of ${batch}), ${ms.text} ms a text; ${throughput} crops a second with ${sessions} x ${threads} threads\n`;
}
