import { VgrError } from '../core/error.js';
import { Semaphore } from '../core/semaphore.js';
import { type DecodingMemory, plainPhoto } from '../photos/decode.js';
import { machineMemory, parseMemory } from './device.js';
import type { Detector } from './ports.js';

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
