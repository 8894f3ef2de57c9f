import type { PolicyExample } from '../../src/refinement/policy-batch.js';
import type { PolicySettings } from '../../src/refinement/policy-inputs.js';
import { RandomStream } from '../../src/training/random.js';

/** A network small enough to run in a millisecond. */
export const SMALL_POLICY: PolicySettings = {
  candidateFeatures: 7,
  toolFeatures: 3,
  queryFeatures: 4,
  wordFeatures: 2,
  vocabulary: 30,
  wordWidth: 6,
  width: 16,
  heads: 2,
  hidden: 24,
  thinkLayers: 1,
  rethinkLayers: 1,
};

/** An example of random features; the last candidate is hidden from think, the tool's answer is candidate 0. */
export function randomExample(
  seed: number,
  candidates: number,
  words: number,
  settings: PolicySettings = SMALL_POLICY,
): PolicyExample {
  const random = RandomStream.fromSeed(seed);
  const floats = (length: number) => Float32Array.from({ length }, () => 2 * random.uniform() - 1);
  const boxes = Float32Array.from({ length: candidates * 4 }, () => 0.1 + 0.8 * random.uniform());
  const thinkMask = new Uint8Array(candidates).fill(1);
  const tool = floats(candidates * settings.toolFeatures);
  for (let i = 0; i < candidates; i++) tool[i * settings.toolFeatures] = i === 0 ? 1 : 0;
  const actionMask = new Uint8Array(candidates + 2).fill(1);
  if (candidates === 0) actionMask[0] = 0;
  if (candidates > 1) thinkMask[candidates - 1] = 0;
  return {
    candidates: floats(candidates * settings.candidateFeatures),
    boxes,
    thinkMask,
    tool,
    actionMask,
    words: Int32Array.from({ length: words }, () => random.below(settings.vocabulary)),
    wordFeatures: floats(words * settings.wordFeatures),
    query: floats(settings.queryFeatures),
  };
}
