/** The parts that the reply of a two-stage conversation is made of. */
export type ReplyPart = 'think' | 'rethink' | 'answer';

/**
 * What stands in the last part of this name, trimmed; undefined where there is none. Models put spaces into tags. A part
 * without its end reaches to the end of the text; one that was ended but never begun, as servers give it that begin the
 * thought themselves, reaches from the start.
 */
export function lastPart(text: string, part: ReplyPart): string | undefined {
  const open = lastMatch(text, new RegExp(`<\\s*${part}\\s*>`, 'gi'));
  if (open) {
    const rest = text.slice(open.index + open[0].length);
    const close = rest.search(closing(part));
    return (close < 0 ? rest : rest.slice(0, close)).trim();
  }
  const close = text.search(closing(part));
  return close < 0 ? undefined : text.slice(0, close).trim();
}

/**
 * The text that holds the answer: the last answer part; where there is none, what is left without the thoughts; of that the
 * last code fence, if it has one.
 */
export function answerText(text: string): string {
  const tagged = lastPart(text, 'answer');
  const outside = tagged ?? withoutThoughts(text);
  const fences = [...outside.matchAll(/```[a-z]*\s*([\s\S]*?)(?:```|$)/gi)];
  return fences.at(-1)?.[1] ?? outside;
}

function withoutThoughts(text: string): string {
  return text
    .replace(/<\s*(think|rethink|tool|function)\s*>[\s\S]*?(?:<\s*\/\s*\1\s*>|$)/gi, '')
    .replace(/^[\s\S]*<\s*\/\s*(?:think|rethink)\s*>/i, '')
    .trim();
}

/**
 * The format term of the reward: 1 when think, rethink and answer all begin and end in the reply, else 0.
 * @see VG-Refiner, arXiv 2512.06373, format reward
 */
export function formatTerm(text: string): 0 | 1 {
  const parts: readonly ReplyPart[] = ['think', 'rethink', 'answer'];
  const whole = parts.every(
    (part) => new RegExp(`<\\s*${part}\\s*>`, 'i').test(text) && closing(part).test(text),
  );
  return whole ? 1 : 0;
}

function closing(part: ReplyPart): RegExp {
  return new RegExp(`<\\s*/\\s*${part}\\s*>`, 'i');
}

function lastMatch(text: string, pattern: RegExp): RegExpExecArray | undefined {
  let last: RegExpExecArray | undefined;
  for (const match of text.matchAll(pattern)) last = match;
  return last;
}

/** A piece of a reply with the natural log of the probability that the model gave it. */
export interface TokenChance {
  readonly text: string;
  readonly logProbability: number;
}

/**
 * Mean probability of the tokens of the last answer part, as exp(mean log-probability), 0..1; of all tokens where there is
 * no such part. Undefined without tokens.
 */
export function answerConfidence(tokens: readonly TokenChance[]): number | undefined {
  if (tokens.length === 0) return undefined;
  const whole = tokens.map(({ text }) => text).join('');
  const answerAt = lastMatch(whole, /<\s*answer\s*>/gi)?.index ?? 0;
  let at = 0;
  let sum = 0;
  let count = 0;
  for (const { text, logProbability } of tokens) {
    at += text.length;
    if (at <= answerAt) continue;
    sum += logProbability;
    count += 1;
  }
  return Math.min(1, Math.exp(sum / Math.max(count, 1)));
}
