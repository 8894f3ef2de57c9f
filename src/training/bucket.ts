import {
  candidateCount,
  type PaddedSizes,
  type PolicyExample,
} from '../refinement/policy-batch.js';

/** Numbers of candidates that graphs are made for; beyond them, multiples of the last. */
const LADDER = [8, 16, 24, 32, 48, 64, 96, 128] as const;

/** Words are padded to a multiple of this. */
const WORD_STEP = 4;

/** The smallest size of the ladder that holds `count` candidates. */
export function candidateBucket(count: number): number {
  const largest = LADDER[LADDER.length - 1]!;
  return LADDER.find((size) => size >= count) ?? Math.ceil(count / largest) * largest;
}

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
