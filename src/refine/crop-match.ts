import type { BoxXyxy } from '../core/box.js';
import type { Expression } from '../language/expression.js';
import type { Action, CropMatches } from './situation.js';

/** How an image-text encoder makes a score of a cosine: `scale * cosine + bias`. */
export interface MatchScale {
  /** Above 0. */
  readonly scale: number;
  /** Null where scores are only compared with each other, as CLIP's are. */
  readonly bias: number | null;
}

/** Compares crops of one photo with texts. */
export interface CropMatcher extends MatchScale {
  /**
   * Cosines between crops and texts, one row a text, [boxes] each, -1..1. A text gives the same number whatever it is asked
   * together with, and so does a box.
   * @param boxes absolute pixels of the upright photo
   * @throws VgrError with a code of kind item where the photo cannot be read
   */
  match(boxes: readonly BoxXyxy[], texts: readonly string[]): Promise<readonly Float32Array[]>;
}

/**
 * The texts that crops are held against: the expression, and the words for the thing itself without its place and its
 * neighbours ("red car" of "the second red car left of the bus"); the expression twice where no noun is named.
 */
export function encoderTexts({ text, head, attributes }: Expression): readonly [string, string] {
  if (head === null) return [text, text];
  const own = attributes.filter(({ bearer, negated }) => bearer === null && !negated);
  return [text, [...own.map(({ word }) => word), head.phrase].join(' ')];
}

/** Natural logs of shares below this say no more. */
const MIN_LOG = -5;

/** The cosines of all boxes, two rows as by {@link encoderTexts}, as matches. */
export function matchesOf(
  actions: readonly Action[],
  [words, noun]: readonly Float32Array[],
  { scale }: MatchScale,
): CropMatches {
  const logs = [words!, noun!].map((cosines) => {
    const top = cosines.reduce((most, cosine) => Math.max(most, cosine), -1);
    const total = cosines.reduce((sum, cosine) => sum + Math.exp(scale * (cosine - top)), 0);
    const mean = Math.log(total / cosines.length);
    return cosines.map((cosine) => Math.max(scale * (cosine - top) - mean, MIN_LOG));
  });
  return new Map(
    actions.map((action, at) => [action, { words: logs[0]![at]!, noun: logs[1]![at]! }]),
  );
}
