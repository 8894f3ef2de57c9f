import { splitThoughts } from './thoughts.js';

const ANSWERS =
  /<\s*(?:final_?)?answer\s*>((?:(?!<\s*(?:final_?)?answer\s*>)[\s\S])*?)(?:<\s*\/\s*(?:final_?)?answer\s*>|$)/gi;

/** The parts of the replies of a two-stage conversation. */
export type ReplyPart = 'think' | 'rethink' | 'answer';

/**
 * The last part of this name, trimmed; undefined where there is none. Models put spaces into tags. A part without an end tag
 * reaches to the end of the text; one without a start tag, from servers that start the thought themselves, begins with the
 * text.
 */
export function lastPart(text: string, part: ReplyPart): string | undefined {
  const open = [...text.matchAll(opening(part))].at(-1);
  const rest = open ? text.slice(open.index + open[0].length) : text;
  const close = rest.search(closing(part));
  if (close < 0) return open && rest.trim();
  return rest.slice(0, close).trim();
}

/**
 * What a reply says, without its thoughts: its last answer part that is not empty; without one, all of it.
 * @param isCut whether the reply did not end by itself
 * @returns also whether the answer part is the first thing that it says
 */
export function answerOfReply(
  text: string,
  isCut = false,
): { readonly answer: string; readonly isFirst: boolean } {
  const { said } = splitThoughts(text, isCut);
  const parts = [...said.matchAll(ANSWERS)].filter(([, part]) => part!.trim() !== '');
  const last = parts.at(-1);
  const answer = last ? last[1]!.trim() : (lastPart(said, 'answer') ?? said);
  return { answer, isFirst: last?.index === 0 };
}

/**
 * The format term of the reward: 1 when think, rethink and answer all begin and end in the reply, else 0.
 * @see VG-Refiner, arXiv 2512.06373, format reward
 */
export function formatTerm(text: string): 0 | 1 {
  const parts: readonly ReplyPart[] = ['think', 'rethink', 'answer'];
  const isWhole = parts.every((part) => opening(part).test(text) && closing(part).test(text));
  return isWhole ? 1 : 0;
}

function opening(part: ReplyPart): RegExp {
  return new RegExp(`<\\s*${part}\\s*>`, 'gi');
}

function closing(part: ReplyPart): RegExp {
  return new RegExp(`<\\s*/\\s*${part}\\s*>`, 'i');
}

/** A piece of a reply with the natural log of its probability. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
}

/**
 * Mean probability of the tokens of the last answer part, as exp(mean log-probability), 0..1; of all tokens where there is
 * no such part. Undefined without tokens.
 */
export function answerConfidence(tokens: readonly TokenLogprob[]): number | undefined {
  if (tokens.length === 0) return undefined;
  const whole = tokens.map(({ token }) => token).join('');
  const answerAt = [...whole.matchAll(opening('answer'))].at(-1)?.index ?? 0;
  let at = 0;
  let sum = 0;
  let count = 0;
  for (const { token, logprob } of tokens) {
    at += token.length;
    if (at <= answerAt) continue;
    sum += logprob;
    count += 1;
  }
  return Math.min(1, Math.exp(sum / Math.max(count, 1)));
}
