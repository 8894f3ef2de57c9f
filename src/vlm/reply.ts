import { quoted } from '../core/error.js';
import type { ChatReply } from './conversation.js';
import { ChatError, isErrorBody, ServerError } from './error.js';
import { answerConfidence, type TokenLogprob } from './reply-parts.js';
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
  readonly logprobs?: { readonly content?: unknown } | null;
  /** Gateways tell here what failed behind them. */
  readonly error?: unknown;
}

/** A message, or a piece of one. The fields of thoughts are those of DeepSeek, OpenRouter, Ollama and LiteLLM. */
interface Message {
  /** Some servers give a text in parts. */
  readonly content?: unknown;
  readonly refusal?: unknown;
  readonly tool_calls?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
  readonly thinking?: unknown;
  readonly reasoning_details?: unknown;
  readonly thinking_blocks?: unknown;
}

const MAX_CHARACTERS_PER_TOKEN = 16;
/** Events beyond one for each token: roles, counts, signs of life. */
const MAX_OTHER_EVENTS = 64;

/** A reply beyond all limits counts as cut off and empty. */
export const OVERFLOWN: ReadReply = { reply: { text: '', finish: 'length' } };

/** Reasons of a reply that ended by itself, or where it was told to. Any other reason means that it was cut off. */
const ENDED =
  /^(?:stop|stop_sequence|end_turn|end|eos|eos_token|complete|completed|done|finish(?:ed)?|tool_calls?|tool_use|function_call)$/i;
const FAILED = /error|exception|insufficient_system|overload|malformed|unavailable/i;
const REFUSED =
  /filter|safety|refus|guardrail|blocklist|prohibited|recitation|sensitive|spii|moderation/i;

/** What has come of a reply. */
interface Draft {
  text: string;
  thought: string;
  refusal: string;
  finish?: string;
  use?: TokenUse;
  hasCalls: boolean;
  readonly tokens: TokenLogprob[];
}

const emptyDraft = (): Draft => ({
  text: '',
  thought: '',
  refusal: '',
  hasCalls: false,
  tokens: [],
});

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
  const draft = emptyDraft();
  let count = 0;
  let isDone = false;
  for await (const data of events) {
    isDone ||= data.startsWith('[DONE]');
    if (isDone) continue;
    onEvent();
    const before = draft.text.length;
    if (!addTo(draft, JSON.parse(data))) continue;
    count += 1;
    // Some servers honour neither limits nor stop strings.
    const isEndless = count > maxTokens + MAX_OTHER_EVENTS || isCut(draft, maxTokens);
    const isStopped = draft.finish === undefined && endsInStop(draft.text, before, stops);
    if (isEndless || isStopped) {
      draft.finish = isEndless ? 'length' : 'stop';
      break;
    }
  }
  // Small servers mark the end of the stream, but give no reason for it.
  if (draft.finish === undefined && (count === 0 || !isDone)) {
    throw new ChatError('again', 'the connection ended before the reply');
  }
  const end = Math.min(...stops.map((stop) => indexOr(draft.text, stop)), draft.text.length);
  return replyOf({ ...draft, text: draft.text.slice(0, end) }, end < draft.text.length);
}

/** Cuts a reply off that is longer than its tokens can be, so that reading it takes bounded time. @returns whether it did */
function isCut(draft: Draft, maxTokens: number): boolean {
  const most = maxTokens * MAX_CHARACTERS_PER_TOKEN;
  if (draft.text.length + draft.thought.length <= most) return false;
  draft.text = draft.text.slice(0, most);
  draft.thought = draft.thought.slice(0, most);
  return true;
}

/** Reads a reply that comes at once. @throws ChatError where the value is no reply; ServerError */
export function readWhole(value: unknown, { maxTokens }: ReplyLimits): ReadReply {
  const draft = emptyDraft();
  if (!addTo(draft, value)) {
    throw new ChatError('again', 'expected a chat completion with one choice, got other JSON');
  }
  if (isCut(draft, maxTokens)) draft.finish = 'length';
  return replyOf(draft, false);
}

/**
 * Adds a completion, or an event of one, to what has come.
 * @returns whether it holds a choice
 * @throws ServerError: gateways report an error of the server behind them with status 200, or in the middle of a stream
 */
function addTo(draft: Draft, value: unknown): boolean {
  const { choices, usage, error }: Completion = Object(value);
  if (error) throw new ServerError(value);
  const choice = Array.isArray(choices) ? (choices[0] as Choice | undefined) : undefined;
  draft.use = useOf(usage) ?? draft.use;
  if (!choice) {
    if (isErrorBody(value)) throw new ServerError(value);
    return false;
  }
  if (choice.error) throw new ServerError(choice.error);
  const message = choice.delta ?? choice.message;
  const parts = partsOf(message?.content);
  draft.text += parts.text;
  draft.thought += reasoningOf(message) || parts.thought;
  if (typeof message?.refusal === 'string') draft.refusal += message.refusal;
  draft.hasCalls ||= Boolean(message?.tool_calls);
  const logprobs: unknown = choice.logprobs?.content;
  if (Array.isArray(logprobs)) draft.tokens.push(...logprobs.filter(isTokenLogprob));
  draft.finish = choice.finish_reason ?? draft.finish;
  return true;
}

function isTokenLogprob(value: unknown): value is TokenLogprob {
  const { token, logprob } = Object(value);
  return typeof token === 'string' && typeof logprob === 'number';
}

/** Undefined where the server gives no counts; the client estimates them then. */
function useOf(usage: unknown): TokenUse | undefined {
  const { prompt_tokens: prompt, completion_tokens: completion } = Object(usage);
  return isCount(prompt) && isCount(completion) ? { prompt, completion } : undefined;
}

const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0;

/**
 * @param isStopped whether the text was cut at a stop string
 * @throws ChatError for a reply that failed, that is empty, or that is a refusal
 */
function replyOf(draft: Draft, isStopped: boolean): ReadReply {
  const { text, thought, refusal, finish = 'stop', use, hasCalls, tokens } = draft;
  if (FAILED.test(finish)) {
    throw new ChatError(
      'again',
      `the server ended the reply with the finish reason ${quoted(finish)}`,
    );
  }
  const isEmpty = text.trim() === '' && thought.trim() === '';
  if (refusal !== '' && isEmpty) throw new ChatError('item', `the model refuses it: ${refusal}`);
  if (isEmpty && REFUSED.test(finish)) {
    throw new ChatError('item', `the reply was refused, with the finish reason ${quoted(finish)}`);
  }
  const isCut = !isStopped && !ENDED.test(finish);
  const hasTokens = use !== undefined && use.completion > 0;
  if (isEmpty && !isStopped && !isCut && !hasCalls && !hasTokens) {
    throw new ChatError('again', 'the reply is empty');
  }
  const reply = {
    text: withThought(text, thought, isCut),
    finish: isCut ? ('length' as const) : ('stop' as const),
    confidence: answerConfidence(tokens),
  };
  return { reply, use };
}

/** Tags that a conversation is read by. */
const TAGS = /<\s*\/?\s*(?:think|rethink|answer|tool|function)\s*>/gi;

/**
 * A text behind its thought. Tags in a thought are quotations, unless the server took all of the reply for a thought, and it
 * came to its end.
 */
function withThought(text: string, thought: string, isCut: boolean): string {
  if (thought === '') return text;
  if (text.trim() === '' && !isCut && thought.search(TAGS) >= 0) return thought;
  return `<think>${thought.replace(TAGS, '')}</think>\n${text}`;
}

/** A content is a text, or parts of which some are thoughts. A reply that only calls a tool has none. */
function partsOf(content: unknown): { readonly text: string; readonly thought: string } {
  if (typeof content === 'string') return { text: content, thought: '' };
  let text = '';
  let thought = '';
  for (const part of Array.isArray(content) ? content : []) {
    const { type, text: words, thought: isThought } = Object(part) as Record<string, unknown>;
    if (isThought === true || /think|reason/.test(String(type))) thought += wordsOf(part);
    else if (typeof words === 'string') text += words;
  }
  return { text, thought };
}

/** The thought of servers that split it off. */
function reasoningOf(message: Message | null | undefined): string {
  const { reasoning_content, reasoning, thinking, reasoning_details, thinking_blocks } =
    message ?? {};
  const fields = [reasoning_content, reasoning, thinking, reasoning_details, thinking_blocks];
  return fields.map(wordsOf).find((words) => words !== '') ?? '';
}

/** The text of a thought: a string, or parts that hold it under one of these names. */
function wordsOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(wordsOf).join('');
  const { text, thinking, summary } = Object(value) as Record<string, unknown>;
  const words = text ?? thinking ?? summary;
  return words === undefined ? '' : wordsOf(words);
}

/** Whether a stop string is in the end of the text, which has grown since it was `before` characters long. */
function endsInStop(text: string, before: number, stops: readonly string[]): boolean {
  const longest = Math.max(0, ...stops.map(({ length }) => length));
  const tail = text.slice(Math.max(0, before - longest));
  return stops.some((stop) => tail.includes(stop));
}

function indexOr(text: string, part: string): number {
  const at = text.indexOf(part);
  return at < 0 ? text.length : at;
}
