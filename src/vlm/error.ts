import { printable } from '../core/error.js';

/**
 * again: the same request may go well later. item: the server refuses this request. refused: it would refuse any. unsafe: there
 * is no safe way to it, so that nothing is sent.
 */
export type ChatErrorKind = 'again' | 'item' | 'refused' | 'unsafe';

/** One attempt that came to nothing. The message holds no key. */
export class ChatError extends Error {
  override readonly name = 'ChatError';
  readonly kind: ChatErrorKind;
  /** How long the server wants to be left alone. */
  readonly retryAfterMs?: number;
  /** What to try, where that is known. */
  readonly hint?: string;

  constructor(kind: ChatErrorKind, message: string, detail: ChatErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.kind = kind;
    if (detail.retryAfterMs !== undefined) this.retryAfterMs = detail.retryAfterMs;
    if (detail.hint !== undefined) this.hint = detail.hint;
  }
}

export interface ChatErrorDetail {
  readonly retryAfterMs?: number;
  readonly hint?: string;
  readonly cause?: unknown;
}

/** Nobody waits longer than this for a server, milliseconds. */
const LONGEST_WAIT = 10 * 60_000;
const LONGEST_WORDS = 300;
/** Kinds by status; other statuses from 500 are `again`, all else is `item`. */
const KIND_BY_STATUS: ReadonlyMap<number, ChatErrorKind> = new Map([
  [401, 'refused'],
  [402, 'refused'],
  [403, 'refused'],
  [404, 'refused'],
  [405, 'refused'],
  [407, 'refused'],
  [408, 'again'],
  [409, 'again'],
  [425, 'again'],
  [429, 'again'],
]);

/** The kind of an answer that is not 2xx. @param code the server's own code of the error, where it tells one */
export function kindOfStatus(status: number, code: unknown): ChatErrorKind {
  // A spent account is told with the status for haste; waiting does not help.
  if (code === 'insufficient_quota') return 'refused';
  if (status < 400) return 'refused';
  return KIND_BY_STATUS.get(status) ?? (status >= 500 ? 'again' : 'item');
}

/** What `Retry-After` asks for: seconds, or a date; `retry-after-ms` where a server gives that. Undefined where neither. */
export function retryAfterOf(
  headers: { get(name: string): string | null } | undefined,
  now: number,
): number | undefined {
  const exact = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (exact >= 0) return Math.min(exact, LONGEST_WAIT);
  const text = headers?.get('retry-after') ?? '';
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0) return Math.min(seconds * 1000, LONGEST_WAIT);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(date - now, 0), LONGEST_WAIT);
}

/** Foreign words for a message: the key is taken out, control characters are made visible, long ones are cut. */
export function safeWords(text: string, key: string | undefined): string {
  return printable(withoutKey(text, key)).slice(0, LONGEST_WORDS);
}

/** A text without the key, as it is or as it stands in an address or in JSON, in letters large or small. */
export function withoutKey(text: string, key: string | undefined): string {
  if (!key) return text;
  const forms = [encodeURIComponent(key), encodeURI(key), JSON.stringify(key).slice(1, -1), key];
  const pattern = forms.map((form) => form.replace(/[^\w]/g, '\\$&')).join('|');
  return text.replace(new RegExp(pattern, 'gi'), '[key]');
}
