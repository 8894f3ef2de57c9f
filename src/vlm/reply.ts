import type { ChatReply } from './conversation.js';
import { ChatError, ServerError } from './error.js';
import type { TokenUse } from './usage.js';

export interface ReadReply {
  readonly reply: ChatReply;
  /** Undefined where the server does not count. */
  readonly use?: TokenUse;
}

/** What bounds a reply. */
export interface ReplyLimits {
  readonly maxTokens: number;
  /** The reply ends before the first of these. */
  readonly stops: readonly string[];
}

/** What is read of a chat completion, or of an event of one. Servers leave out fields, and fill them with other kinds of value. */
interface Completion {
  readonly choices?: readonly Choice[] | null;
  readonly usage?: unknown;
  readonly error?: unknown;
}

interface Choice {
  readonly message?: Message | null;
  /** In place of the message in an event. */
  readonly delta?: Message | null;
  readonly finish_reason?: string | null;
  readonly logprobs?: { readonly content?: readonly TokenLogprob[] | null } | null;
}

interface Message {
  /** Some servers give a text in parts. */
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
}

/** A piece of a reply with the natural log of the probability that the model gave it. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
}

const CHARACTERS_PER_TOKEN = 16;
/** Events beyond one a token: roles, counts, signs of life. */
const EVENTS_AROUND = 64;

/** The reply is longer than any honest one: it counts as cut off, with nothing in it. */
export const OVERFLOWN: ReadReply = { reply: { text: '', finish: 'length' } };

/**
 * Reads a reply that comes in pieces. It is cut off where it outgrows its limit or a stop string, whatever the server does.
 * @param events data of each event
 * @param onEvent called for each event that holds a piece
 * @throws ChatError where it ends early; ServerError; SyntaxError
 */
export async function readStream(
  events: AsyncIterable<string>,
  { maxTokens, stops }: ReplyLimits,
  onEvent: () => void,
): Promise<ReadReply> {
  const tokens: TokenLogprob[] = [];
  let thought = '';
  let text = '';
  let finish: string | undefined;
  let use: TokenUse | undefined;
  let count = 0;
  let isDone = false;
  for await (const data of events) {
    isDone ||= data.startsWith('[DONE]');
    if (isDone) continue;
    onEvent();
    const { choices, usage } = completionOf(JSON.parse(data));
    use = useOf(usage) ?? use;
    const choice = choices?.[0];
    if (!choice) continue;
    thought += reasoningOf(choice.delta);
    const piece = textOf(choice.delta?.content) ?? '';
    text += piece;
    tokens.push(...(choice.logprobs?.content ?? []));
    finish = choice.finish_reason ?? finish;
    count += 1;
    // Servers that honour neither limits nor stop strings are cut off here.
    const isEndless = isBeyond(maxTokens, count, text.length + thought.length);
    if (isEndless || (finish === undefined && endsInStop(text, piece, stops))) {
      finish = isEndless ? 'length' : 'stop';
      break;
    }
  }
  // Small servers mark the end of the stream, but give no reason for it.
  if (finish === undefined && (count === 0 || !isDone)) {
    throw new ChatError('again', 'the connection ended before the reply');
  }
  const end = Math.min(...stops.map((stop) => indexOr(text, stop)), text.length);
  return { reply: replyOf(text.slice(0, end), thought, finish, tokens), use };
}

function isBeyond(maxTokens: number, events: number, characters: number): boolean {
  return events > maxTokens + EVENTS_AROUND || characters > maxTokens * CHARACTERS_PER_TOKEN;
}

/** Reads a reply that comes at once. @throws ChatError where it is none; ServerError */
export function readWhole(value: unknown): ReadReply {
  const { choices, usage } = completionOf(value);
  const choice = choices?.[0];
  const text = textOf(choice?.message?.content ?? (choice?.message && null));
  if (!choice || text === undefined) {
    throw new ChatError('again', 'expected a chat completion with one choice, got other JSON');
  }
  const tokens = choice.logprobs?.content ?? [];
  const reply = replyOf(text, reasoningOf(choice.message), choice.finish_reason, tokens);
  return { reply, use: useOf(usage) };
}

/** @throws ServerError: gateways tell an error of the server behind them with status 200, or in the middle of a stream */
function completionOf(value: unknown): Completion {
  const completion: Completion = Object(value);
  if (completion.error) throw new ServerError(completion.error);
  return completion;
}

/** Undefined where the numbers are none: they are estimated then, so that no budget is lost. */
function useOf(usage: unknown): TokenUse | undefined {
  const { prompt_tokens: prompt, completion_tokens: completion } = Object(usage);
  return isCount(prompt) && isCount(completion) ? { prompt, completion } : undefined;
}

const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0;

function replyOf(
  text: string,
  thought: string,
  finish: string | null | undefined,
  tokens: readonly TokenLogprob[],
): ChatReply {
  return {
    text: thought === '' ? text : `<think>${thought}</think>\n${text}`,
    finish: finish === 'length' ? 'length' : 'stop',
    confidence: answerConfidence(tokens),
  };
}

/** Undefined where it is no text at all. A reply that only calls a tool has the content null. */
function textOf(content: unknown): string | undefined {
  if (typeof content === 'string') return content;
  if (content === null) return '';
  if (!Array.isArray(content)) return undefined;
  return content
    .map(({ text }: { text?: unknown }) => (typeof text === 'string' ? text : ''))
    .join('');
}

/** Where a server takes the thought out of the text, it comes in a field of its own, by either of two names. */
function reasoningOf(message: Message | null | undefined): string {
  const { reasoning_content: long, reasoning: short } = message ?? {};
  if (typeof long === 'string') return long;
  return typeof short === 'string' ? short : '';
}

/** Whether a stop string stands in the text's end, which has just grown by a piece. */
function endsInStop(text: string, piece: string, stops: readonly string[]): boolean {
  const longest = Math.max(0, ...stops.map(({ length }) => length));
  const tail = text.slice(-(piece.length + longest));
  return stops.some((stop) => tail.includes(stop));
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

/**
 * Mean probability of the tokens of the last answer part, as exp(mean log-probability), 0..1; of all tokens where there is
 * no such part. Undefined without tokens.
 */
export function answerConfidence(tokens: readonly TokenLogprob[]): number | undefined {
  if (tokens.length === 0) return undefined;
  const whole = tokens.map(({ token }) => token).join('');
  const answerAt = lastMatch(whole, /<\s*answer\s*>/gi)?.index ?? 0;
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
