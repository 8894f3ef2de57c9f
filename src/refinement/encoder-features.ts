import { sigmoid } from '../detection/logistic.js';
import type { Expression } from '../language/expression.js';
import type { MatchScale } from './crop-match.js';

/** What the numbers of this group mean. A refiner that reads them answers only with the version it was trained on. */
export const ENCODER_FEATURE_VERSION = 1;

/** Numbers a text: see {@link matchNumbers}. */
const PER_TEXT = 7;
const TEXTS = 2;

/** Numbers a candidate that come from an image-text encoder, in one group after all others; the last is 1 where they are missing. */
export const ENCODER_FEATURES = TEXTS * PER_TEXT + 1;

/** Lowest natural log of a share that counts. */
const LOG_FLOOR = -9;

/**
 * The texts that crops are held against: the expression, and the words for the thing itself without its place and its
 * neighbours ("red car" of "the second red car left of the bus"); the expression twice where no noun is named.
 */
export function encoderTexts({ text, head, attributes }: Expression): readonly [string, string] {
  if (head === null) return [text, text];
  const own = attributes.filter(({ bearer, negated }) => bearer === null && !negated);
  return [text, [...own.map(({ word }) => word), head.phrase].join(' ')];
}

/**
 * The group for each candidate, [n, {@link ENCODER_FEATURES}].
 * @param cosines one row for each of {@link encoderTexts}, [n] each; undefined where there is no photo to look at
 * @param thinkMask [n]: what think may not see takes no part in what others are compared with
 */
export function encoderRows(
  cosines: readonly Float32Array[] | undefined,
  scale: MatchScale | undefined,
  thinkMask: Uint8Array,
): Float32Array {
  const rows = new Float32Array(thinkMask.length * ENCODER_FEATURES);
  for (let row = 0; row < thinkMask.length; row++) {
    const at = row * ENCODER_FEATURES;
    if (cosines === undefined || scale === undefined) {
      rows[at + ENCODER_FEATURES - 1] = 1;
      continue;
    }
    for (const [place, own] of cosines.entries()) {
      rows.set(matchNumbers(own, row, scale, thinkMask), at + place * PER_TEXT);
    }
  }
  return rows;
}

/**
 * How well one candidate fits one text: the cosine; by how much its score beats the mean, squeezed into -1..1; its share in
 * a softmax over scores, and the natural log of that over 9; 1 / (1 + candidates that fit better); whether none does; the
 * chance of a match by the encoder's own sigmoid, 0 where it has none.
 */
function matchNumbers(
  cosines: Float32Array,
  at: number,
  { scale, bias }: MatchScale,
  thinkMask: Uint8Array,
): number[] {
  const own = cosines[at]!;
  const rivals = cosines.filter((_, other) => thinkMask[other] === 1 && other !== at);
  // A candidate that think may not see is compared with those it may see, as if it were one of them.
  const all = [own, ...rivals];
  const mean = all.reduce((sum, each) => sum + each, 0) / all.length;
  const total = all.reduce((sum, each) => sum + Math.exp(scale * (each - own)), 0);
  const share = 1 / total;
  const better = rivals.reduce((count, each) => count + (each > own ? 1 : 0), 0);
  return [
    own,
    Math.tanh((scale * (own - mean)) / 8),
    share,
    Math.max(Math.log(share), LOG_FLOOR) / 9,
    1 / (1 + better),
    better === 0 ? 1 : 0,
    bias === null ? 0 : sigmoid(scale * own + bias),
  ];
}

/** Rows side by side: [n, a] and [n, b] to [n, a + b]. */
export function besideRows(left: Float32Array, right: Float32Array, count: number): Float32Array {
  if (count === 0) return left;
  const [a, b] = [left.length / count, right.length / count];
  const joined = new Float32Array(left.length + right.length);
  for (let row = 0; row < count; row++) {
    joined.set(left.subarray(row * a, (row + 1) * a), row * (a + b));
    joined.set(right.subarray(row * b, (row + 1) * b), row * (a + b) + a);
  }
  return joined;
}
