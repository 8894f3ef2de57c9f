import type { ChatReply } from './conversation.js';
import { ChatError, ServerError } from './error.js';
import type { TokenUse } from './usage.js';

export interface ReadReply {
  readonly reply: ChatReply;
  /** Undefined where the server does not count. */
  readonly use?: TokenUse;
}

/** Limits of a reply. */
export interface ReplyLimits {
  readonly maxTokens: number;
  /** The reply ends before the first of these. */
  readonly stops: readonly string[];
}

/** The fields of a chat completion, or of an event of one, that are read. Servers leave out fields or put other types in them. */
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

/** A piece of a reply with the natural log of its probability. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
}

const MAX_CHARACTERS_PER_TOKEN = 16;
/** Events beyond one for each token: roles, counts, signs of life. */
const MAX_OTHER_EVENTS = 64;

/** A reply beyond all limits counts as cut off and empty. */
export const OVERFLOWN: ReadReply = { reply: { text: '', finish: 'length' } };

/**
 * Reads a reply that comes in pieces, and cuts it off at its limit or at a stop string, whatever the server does.
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
    // Some servers honour neither limits nor stop strings.
    const isEndless =
      count > maxTokens + MAX_OTHER_EVENTS ||
      text.length + thought.length > maxTokens * MAX_CHARACTERS_PER_TOKEN;
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

/** Reads a reply that comes at once. @throws ChatError where the value is no reply; ServerError */
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

/** @throws ServerError: gateways report an error of the server behind them with status 200, or in the middle of a stream */
function completionOf(value: unknown): Completion {
  const completion: Completion = Object(value);
  if (completion.error) throw new ServerError(completion.error);
  return completion;
}

/** Undefined where the server gives no counts; the client estimates them then. */
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

/** Undefined where the content is no text. A reply that only calls a tool has the content null. */
function textOf(content: unknown): string | undefined {
  if (typeof content === 'string') return content;
  if (content === null) return '';
  if (!Array.isArray(content)) return undefined;
  return content
    .map(({ text }: { text?: unknown }) => (typeof text === 'string' ? text : ''))
    .join('');
}

/** Servers that split off the thought put it in a field with one of two names. */
function reasoningOf(message: Message | null | undefined): string {
  const { reasoning_content: long, reasoning: short } = message ?? {};
  if (typeof long === 'string') return long;
  return typeof short === 'string' ? short : '';
}

/** Whether a stop string is in the end of the text, which has just grown by a piece. */
function endsInStop(text: string, piece: string, stops: readonly string[]): boolean {
  const longest = Math.max(0, ...stops.map(({ length }) => length));
  const tail = text.slice(-(piece.length + longest));
  return stops.some((stop) => tail.includes(stop));
}

function indexOr(text: string, part: string): number {
  const at = text.indexOf(part);
  return at < 0 ? text.length : at;
}

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
 * The text of the answer: the last answer part; without one, the text without the thoughts; of either the last code fence if
 * it has one.
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
  const isWhole = parts.every((part) => opening(part).test(text) && closing(part).test(text));
  return isWhole ? 1 : 0;
}

function opening(part: ReplyPart): RegExp {
  return new RegExp(`<\\s*${part}\\s*>`, 'gi');
}

function closing(part: ReplyPart): RegExp {
  return new RegExp(`<\\s*/\\s*${part}\\s*>`, 'i');
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
