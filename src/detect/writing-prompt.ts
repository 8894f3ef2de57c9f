import { MAX_TEXT_LENGTH, SAYS_SOMETHING } from './prompt-tokenizer.js';
import type { TextTokens, WritingPrompt } from './writing.js';

export type { WritingPrompt } from './writing.js';

/** A sentence's end is no part of the phrase that it is about. */
const SENTENCE_END = /[\s.!?,;:]+$/u;

/**
 * An expression as a model with encoder and decoder takes it: the request between the special tokens, and as the beginning of
 * the answer the decoder's two special tokens, which are those of a text the other way round, and the expression.
 * @param request what is asked for an expression
 * @param length most tokens of a request; what is beyond is cut off the expression
 * @returns undefined for an expression that says nothing
 */
export function writingPrompt(
  text: string,
  tokens: TextTokens,
  request: (text: string) => string,
  length: number,
): WritingPrompt | undefined {
  const label = text.trim();
  if (!SAYS_SOMETHING.test(label)) return undefined;
  const { before, after } = tokens;
  const room = length - before.length - after.length;
  let read = label.slice(0, MAX_TEXT_LENGTH);
  let ids = tokens.encode(request(read));
  while (ids.length > room && read.length > 1) {
    read = read.slice(0, Math.min(read.length - 1, Math.floor((read.length * room) / ids.length)));
    ids = tokens.encode(request(read.trim()));
  }
  const phrase = tokens.encode(read.trim().replace(SENTENCE_END, '') || read.trim());
  return {
    label,
    ids: [...before, ...ids, ...after],
    answer: [...after.slice(-1), ...before.slice(0, 1), ...phrase],
    cut: read.length < label.length,
  };
}
