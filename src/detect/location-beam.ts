import { CardMismatch, type Tensor } from './family.js';
import type { PlaceTokens, TextTokens } from './writing.js';

/** A box in the making: its sides so far, in bins, in the order left, upper, right, lower. */
export interface Beam {
  /** Index of the prompt that it answers. */
  readonly prompt: number;
  readonly bins: readonly number[];
  /** Product of the probabilities of its sides, 0..1. */
  readonly score: number;
}

/** Bins that count as the same place: this share of a side to both sides of a bin. */
const NEIGHBOURHOOD = 1 / 50;

/**
 * The best continuations of boxes by one side each. A right or lower side comes after its left or upper one, and each of those
 * leaves room for it. Sides of one box that are tried beside each other are further apart than a neighbourhood.
 * @param logits [boxes, vocabulary]
 * @param count most boxes for each prompt
 * @returns grouped by prompt, the best first; `parent` is the index in `beams`
 */
export function grown(
  beams: readonly Beam[],
  logits: Tensor,
  { first, bins }: PlaceTokens,
  count: number,
): (Beam & { readonly parent: number })[] {
  const words = logits.dims[1]!;
  if (words < first + bins) {
    throw new CardMismatch(
      `expected logits of at least ${first + bins} tokens, as the tokeniser has, got ${words}`,
    );
  }
  const radius = Math.floor(bins * NEIGHBOURHOOD);
  const byPrompt = new Map<number, (Beam & { readonly parent: number })[]>();
  for (const [parent, beam] of beams.entries()) {
    const opposite = beam.bins[beam.bins.length - 2];
    const low = opposite === undefined ? 0 : opposite + 1;
    const high = opposite === undefined ? bins - 1 : bins;
    const start = parent * words + first;
    const places = (logits.data as Float32Array).subarray(start + low, start + high);
    const all = byPrompt.get(beam.prompt) ?? [];
    for (const { at, probability } of likeliest(places, radius, count)) {
      const { prompt, score } = beam;
      all.push({ prompt, bins: [...beam.bins, low + at], score: score * probability, parent });
    }
    byPrompt.set(beam.prompt, all);
  }
  return [...byPrompt.values()].flatMap((all) =>
    all.sort((a, b) => b.score - a.score).slice(0, count),
  );
}

/** The likeliest places, none within `radius` of a likelier one, each with the probability of its neighbourhood. */
function likeliest(logits: Float32Array, radius: number, count: number) {
  const highest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const left = weights.slice();
  const found: { readonly at: number; readonly probability: number }[] = [];
  while (found.length < count) {
    const at = left.reduce((best, weight, place) => (weight > left[best]! ? place : best), 0);
    if (!(left[at]! > 0)) break;
    const [start, end] = [Math.max(0, at - radius), at + radius + 1];
    const near = weights.subarray(start, end).reduce((sum, weight) => sum + weight, 0);
    found.push({ at, probability: Math.min(1, near / total) });
    left.fill(0, start, end);
  }
  return found;
}

/**
 * The location tokens of a tokeniser, which stand one after the other.
 * @param written how the token of a bin is written
 * @throws Error where it has none
 */
export function placesOf(written: (bin: number) => string, tokens: TextTokens): PlaceTokens {
  const first = tokens.added(written(0));
  if (first === undefined) throw new Error(`it has no location tokens such as ${written(0)}`);
  let bins = 1;
  while (tokens.added(written(bins)) === first + bins) bins += 1;
  if (bins >= 2 && tokens.added(written(bins)) === undefined) return { first, bins };
  throw new Error(`its location tokens do not follow each other from ${written(0)} on`);
}
