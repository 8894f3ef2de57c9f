import { availableParallelism, cpus } from 'node:os';
import { z } from 'zod';
import { versions } from '../core/text.js';
import { recalled, remember } from '../runtime/records.js';

/** How fast a model was on this machine: photos a second, or crops with an encoder. */
const speedRecord = z.object({ device: z.string(), per_second: z.number().positive() });
export type Speed = z.output<typeof speedRecord>;

/** Other weights, another machine and another runtime are measured anew. */
function keyOf(sha256: string) {
  return {
    model_sha256: sha256,
    processor: cpus()[0]?.model ?? process.arch,
    cores: availableParallelism(),
    runtime: versions()['onnxruntime-node']!,
  };
}

/** Remembers what `vgr models bench` measured last. @param sha256 of the weights */
export function rememberSpeed(sha256: string, speed: Speed): Promise<void> {
  return remember('speed', keyOf(sha256), speed);
}

/** What was measured last; undefined where nothing was. @param sha256 of the weights */
export function recallSpeed(sha256: string): Promise<Speed | undefined> {
  return recalled('speed', keyOf(sha256), speedRecord);
}
