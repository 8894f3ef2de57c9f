import { candidateCount, type PolicyExample } from '../refinement/policy-batch.js';
import { EXTRA_ACTIONS } from '../refinement/policy-inputs.js';
import type { RandomStream } from './random.js';
import { RIGHT_IOU } from './reward.js';

/** A query whose answer is known. */
export interface TrainingExample extends PolicyExample {
  /**
   * [n + 2]: overlap of each action's box with the ground truth, 0..1: candidates, keep, none. `none` has 1 where the
   * ground truth says that nothing fits, else 0.
   */
  readonly overlaps: Float32Array;
}

/** One query as it is, then the same query seen otherwise, such as mirrored; training draws one of them each time. */
export interface TrainingQuery {
  readonly views: readonly [TrainingExample, ...TrainingExample[]];
}

/** Row of the embedding that stands for any word. */
export const UNKNOWN_WORD = 0;

/** Overlap of the tool's answer with the ground truth; 0 where the tool has none. */
export function toolOverlap(example: TrainingExample): number {
  return example.overlaps[candidateCount(example)]!;
}

/** The example with some words taken away, each with probability `share`. */
export function withoutWords<Example extends PolicyExample>(
  example: Example,
  share: number,
  random: RandomStream,
): Example {
  const words = example.words.map((word) => (random.uniform() < share ? UNKNOWN_WORD : word));
  return { ...example, words };
}

/**
 * What think should answer, [n + 1]: the right candidates that it sees, the better the overlap the more; `none` where it
 * sees no right one. Adds up to 1. `softness` is the difference in overlap that makes one candidate e times as good.
 * With `held`, the log-probabilities that the policy gives now, shares among right answers follow the policy: only the
 * odds of right against wrong are taught then, as by the likelihood of any right answer.
 */
export function thinkTarget(
  example: TrainingExample,
  softness: number,
  held?: Float32Array,
): Float32Array {
  const n = candidateCount(example);
  const seen = example.overlaps.slice(0, n).map((overlap, i) => overlap * example.thinkMask[i]!);
  const target = new Float32Array(n + 1);
  target.set(softTarget(seen, softness, held));
  if (target.every((share) => share === 0)) target[n] = 1;
  return target;
}

/** What rethink should do, [n + 2]: the same over the open actions; all 0 where none of them is right. */
export function rethinkTarget(
  example: TrainingExample,
  softness: number,
  held?: Float32Array,
): Float32Array {
  return softTarget(
    example.overlaps.map((overlap, action) => overlap * example.actionMask[action]!),
    softness,
    held,
  );
}

/** A right answer is never held for less likely than this, as a natural log: it could not be learned any more. */
const FAINTEST = -20;

function softTarget(overlaps: Float32Array, softness: number, held?: Float32Array): Float32Array {
  const right = (overlap: number) => overlap >= RIGHT_IOU;
  const logs = overlaps.map(
    (overlap, i) => overlap / softness + (held === undefined ? 0 : Math.max(held[i]!, FAINTEST)),
  );
  const top = logs.reduce(
    (most, log, i) => (right(overlaps[i]!) ? Math.max(most, log) : most),
    -Infinity,
  );
  const weights = logs.map((log, i) => (right(overlaps[i]!) ? Math.exp(log - top) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return total === 0 ? weights : weights.map((weight) => weight / total);
}

/** 1 for each action whose box is right, [n + 2]. */
export function scoreTarget(example: TrainingExample): Float32Array {
  return example.overlaps.map((overlap) => (overlap < RIGHT_IOU ? 0 : 1));
}

/**
 * How much each action counts in the score loss, [n + 2], adding up to 1: half for all open actions alike, half by how
 * likely they are to be taken, since it is the taken one whose score is read.
 */
export function scoreWeight(
  example: TrainingExample,
  probabilities: ArrayLike<number>,
): Float32Array {
  const open = example.actionMask.reduce((sum, each) => sum + each, 0);
  const likely = Float32Array.from(probabilities);
  const total = likely.reduce((sum, each) => sum + each, 0);
  return Float32Array.from(example.actionMask, (each, action) => {
    const even = each / open;
    return total === 0 ? even : (even + likely[action]! / total) / 2;
  });
}

/** @throws {RangeError} when the overlaps do not belong to the actions */
export function checkOverlaps(example: TrainingExample): void {
  const expected = candidateCount(example) + EXTRA_ACTIONS;
  if (example.overlaps.length !== expected) {
    throw new RangeError(`overlaps: expected ${expected} numbers, got ${example.overlaps.length}`);
  }
}
