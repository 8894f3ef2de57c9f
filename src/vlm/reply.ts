import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { ChatReply } from './conversation.js';
import { ChatError } from './error.js';
import type { ChatWatch } from './transport.js';
import type { TokenUse } from './usage.js';

export interface ReadReply {
  readonly reply: ChatReply;
  /** Undefined where the server does not count. */
  readonly use?: TokenUse;
}

/** What bounds a reply. */
export interface ReplyLimits {
  readonly maxTokens: number;
  readonly stops: readonly string[];
}

/** What is known of a stream beside its events. */
export interface StreamState {
  readonly watch: ChatWatch;
  /** Whether the server has said that this was all. */
  readonly isDone: () => boolean;
}

interface ErrorInReply {
  readonly error?: { readonly message?: unknown; readonly code?: unknown } | null;
}

const CHARACTERS_PER_TOKEN = 16;
/** Events beyond one a token: roles, counts, signs of life. */
const EVENTS_AROUND = 64;

/** The reply is longer than any honest one: it counts as cut off, with nothing in it. */
export const OVERFLOWN: ReadReply = { reply: { text: '', finish: 'length' } };

/**
 * Reads a reply that comes in pieces. It is cut off where it outgrows its limit or a stop string, whatever the server does.
 * @throws ChatError where it ends early or stalls
 */
export async function readStream(
  events: AsyncIterable<ChatCompletionChunk>,
  { maxTokens: most, stops }: ReplyLimits,
  { watch, isDone }: StreamState,
): Promise<ReadReply> {
  const tokens: TokenChance[] = [];
  let thought = '';
  let text = '';
  let finish: string | undefined;
  let use: TokenUse | undefined;
  let count = 0;
  for await (const { choices, usage } of events) {
    watch.alive();
    use = useOf(usage) ?? use;
    const choice = choices?.[0];
    if (!choice) continue;
    thought += reasoningOf(choice.delta);
    const piece = textOf(choice.delta?.content) ?? '';
    text += piece;
    tokens.push(...chancesOf(choice.logprobs?.content));
    finish = choice.finish_reason ?? finish;
    count += 1;
    const endless =
      count > most + EVENTS_AROUND || text.length + thought.length > most * CHARACTERS_PER_TOKEN;
    // Servers that honour neither limits nor stop strings are cut off here.
    if (endless) finish = 'length';
    if (finish === undefined && stopAt(text, piece, stops) >= 0) finish = 'stop';
    if (endless || (finish === 'stop' && choice.finish_reason == null)) break;
  }
  if (watch.reason) throw new ChatError('again', watch.reason);
  return result(
    { text, thought, finish: finish ?? unexplainedEnd(count, isDone), tokens, stops },
    use,
  );
}

/** Small servers mark the end of the stream, but give no reason for it. @throws ChatError where there is no mark */
function unexplainedEnd(count: number, isDone: () => boolean): string {
  if (count > 0 && isDone()) return 'stop';
  throw new ChatError('again', 'the connection ended before the reply');
}

/** Reads a reply that comes at once. @throws ChatError where it is none; Error with the `code` of an error that came as one */
export function readWhole(value: ChatCompletion & ErrorInReply): ReadReply {
  // Gateways tell an error of the server behind them with status 200.
  if (typeof value?.error?.message === 'string') {
    const { message, code } = value.error;
    throw Object.assign(new Error(message), { code });
  }
  const choice = value?.choices?.[0];
  const text = textOf(choice?.message?.content ?? (choice?.message && null));
  if (!choice || text === undefined) {
    throw new ChatError('again', 'expected a chat completion with one choice, got other JSON');
  }
  const { usage } = value;
  return result(
    {
      text,
      thought: reasoningOf(choice.message),
      finish: choice.finish_reason ?? 'stop',
      tokens: chancesOf(choice.logprobs?.content),
      stops: [],
    },
    useOf(usage),
  );
}

/** Undefined where the numbers are none: they are estimated then, so that no budget is lost. */
function useOf(usage: unknown): TokenUse | undefined {
  const { prompt_tokens: prompt, completion_tokens: completion } = (usage ?? {}) as {
    readonly [name: string]: unknown;
  };
  return isCount(prompt) && isCount(completion) ? { prompt, completion } : undefined;
}

const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0;

function result(
  parts: {
    readonly text: string;
    readonly thought: string;
    readonly finish: string;
    readonly tokens: readonly TokenChance[];
    readonly stops: readonly string[];
  },
  use: TokenUse | undefined,
): ReadReply {
  const { thought, tokens, stops } = parts;
  const end = Math.min(...stops.map((stop) => indexOr(parts.text, stop)), parts.text.length);
  const text = parts.text.slice(0, end);
  const confidence = answerConfidence(tokens);
  return {
    reply: {
      text: thought === '' ? text : `<think>${thought}</think>\n${text}`,
      finish: parts.finish === 'length' ? 'length' : 'stop',
      ...(confidence !== undefined && { confidence }),
    },
    ...(use && { use }),
  };
}

/** Some servers give a text in parts; a reply that only calls a tool has none. Undefined where it is no text at all. */
function textOf(content: unknown): string | undefined {
  if (typeof content === 'string') return content;
  if (content === null) return '';
  if (!Array.isArray(content)) return undefined;
  return content
    .map(({ text }: { text?: unknown }) => (typeof text === 'string' ? text : ''))
    .join('');
}

/** Where a server takes the thought out of the text, it comes in a field of its own, by either of two names. */
function reasoningOf(part: unknown): string {
  const { reasoning_content: long, reasoning: short } = (part ?? {}) as Record<string, unknown>;
  if (typeof long === 'string') return long;
  return typeof short === 'string' ? short : '';
}

function chancesOf(
  content: readonly { readonly token: string; readonly logprob: number }[] | null | undefined,
): TokenChance[] {
  return (content ?? []).map(({ token, logprob }) => ({ text: token, logProbability: logprob }));
}

/** Where one of the stop strings stands in the text's end, which has just grown by a piece; -1 where none does. */
function stopAt(text: string, piece: string, stops: readonly string[]): number {
  if (stops.length === 0) return -1;
  const longest = Math.max(...stops.map(({ length }) => length));
  const tail = text.slice(-(piece.length + longest));
  return stops.some((stop) => tail.includes(stop)) ? text.length - tail.length : -1;
}

function indexOr(text: string, part: string): number {
  const at = text.indexOf(part);
  return at < 0 ? text.length : at;
}

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
