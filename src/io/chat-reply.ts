import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { ChatReply } from '../refinement/vlm/chat.js';
import { answerConfidence, type TokenChance } from '../refinement/vlm/reply.js';
import { ChatFault } from './chat-fault.js';
import type { TokenUse } from './chat-usage.js';
import type { ChatWatch } from './chat-watch.js';

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
 * @throws ChatFault where it ends early or stalls
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
  if (watch.reason) throw new ChatFault('again', watch.reason);
  return result(
    { text, thought, finish: finish ?? unexplainedEnd(count, isDone), tokens, stops },
    use,
  );
}

/** Small servers mark the end of the stream, but give no reason for it. @throws ChatFault where there is no mark */
function unexplainedEnd(count: number, isDone: () => boolean): string {
  if (count > 0 && isDone()) return 'stop';
  throw new ChatFault('again', 'the connection ended before the reply');
}

/** Reads a reply that comes at once. @throws ChatFault where it is none; Error with the `code` of an error that came as one */
export function readWhole(value: ChatCompletion & ErrorInReply): ReadReply {
  // Gateways tell an error of the server behind them with status 200.
  if (typeof value?.error?.message === 'string') {
    const { message, code } = value.error;
    throw Object.assign(new Error(message), { code });
  }
  const choice = value?.choices?.[0];
  const text = textOf(choice?.message?.content ?? (choice?.message && null));
  if (!choice || text === undefined) {
    throw new ChatFault('again', 'expected a chat completion with one choice, got other JSON');
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
