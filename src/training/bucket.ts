import {
  candidateBucket,
  candidateCount,
  type PaddedSizes,
  type PolicyExample,
} from '../refinement/policy-batch.js';

/** Words are padded to a multiple of this. */
const WORD_STEP = 4;

/** Words that every example fits into. */
export function wordBucket(examples: Iterable<PolicyExample>): number {
  let longest = 1;
  for (const example of examples) longest = Math.max(longest, example.words.length);
  return Math.ceil(longest / WORD_STEP) * WORD_STEP;
}

/** Examples that go through one graph in one run, by their places in the batch. */
export interface MicroBatch {
  readonly members: readonly number[];
  readonly sizes: PaddedSizes;
}

/**
 * A batch cut into micro-batches of examples of like size. The cut depends on the examples alone, never on the device, so
 * that sums over micro-batches are the same wherever they run.
 */
export function microBatches(
  examples: readonly PolicyExample[],
  batch: number,
  words: number,
): readonly MicroBatch[] {
  const count = (place: number) => candidateCount(examples[place]!);
  const places = examples.map((_, place) => place).sort((a, b) => count(a) - count(b) || a - b);
  const cuts: MicroBatch[] = [];
  for (let start = 0; start < places.length; start += batch) {
    const members = places.slice(start, start + batch);
    const candidates = candidateBucket(count(members.at(-1)!));
    cuts.push({ members, sizes: { batch, candidates, words } });
  }
  return cuts;
}
