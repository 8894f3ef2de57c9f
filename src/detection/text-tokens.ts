import type { EncoderCard } from '../formats/encoder-card.js';

/** How a text tower takes its tokens. */
export type TokenRules = Pick<EncoderCard['text'], 'length' | 'padded' | 'pad'>;

/** Tokens as they go in, and which of them are words: 1, or 0 for padding. */
export interface TextTokens {
  readonly ids: readonly number[];
  readonly mask: readonly number[];
}

/**
 * Cuts and fills tokens up. What is too long loses tokens before the last one, which ends the text and is where CLIP reads
 * the meaning.
 * @param ids with the special tokens, at least one
 */
export function fitTokens(ids: readonly number[], { length, padded, pad }: TokenRules): TextTokens {
  const kept = ids.length <= length ? ids : [...ids.slice(0, length - 1), ids.at(-1)!];
  const filler = padded ? length - kept.length : 0;
  return {
    ids: [...kept, ...new Array<number>(filler).fill(pad)],
    mask: [...new Array<number>(kept.length).fill(1), ...new Array<number>(filler).fill(0)],
  };
}
