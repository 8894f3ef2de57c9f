import type { IncomingHttpHeaders } from 'node:http';
import { printable } from '../core/error.js';

/**
 * again: the same request may succeed later. item: the server refuses this request. refused: it would refuse any. unsafe: there
 * is no safe connection to it, so nothing is sent.
 */
export type ChatErrorKind = 'again' | 'item' | 'refused' | 'unsafe';

/** A failed attempt. The message holds no key. */
export class ChatError extends Error {
  override readonly name = 'ChatError';
  readonly kind: ChatErrorKind;
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** What to try, where that is known. */
  readonly hint: string | undefined;

  constructor(
    kind: ChatErrorKind,
    message: string,
    { retryAfterMs, hint }: { readonly retryAfterMs?: number; readonly hint?: string } = {},
  ) {
    super(message);
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
    this.hint = hint;
  }
}

/** An error in the server's own words, which may hold the key. */
export class ServerError extends Error {
  /** As the response has it; in a reply of status 200, as the code of the error tells it; undefined where neither does. */
  readonly status: number | undefined;
  /** The server's own code of the error. */
  readonly code: unknown;
  readonly headers: ReplyHeaders;

  /** @param error what the reply gives as its error */
  constructor(error: unknown, status?: number, headers: ReplyHeaders = {}) {
    const { message, code } = Object(error) as Record<string, unknown>;
    const words = typeof error === 'string' ? error : (message ?? error);
    super(typeof words === 'string' ? words : JSON.stringify(words));
    this.code = code;
    const isStatus = typeof code === 'number' && code >= 300 && code <= 599;
    this.status = status ?? (isStatus ? code : undefined);
    this.headers = headers;
  }
}

export type ReplyHeaders = Readonly<IncomingHttpHeaders>;

/** The longest wait that a server may ask for, milliseconds. */
const MAX_WAIT = 10 * 60_000;
const MAX_WORDS = 300;
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
  // A spent account comes with the status of too many requests; waiting does not help.
  if (code === 'insufficient_quota') return 'refused';
  if (status < 400) return 'refused';
  return KIND_BY_STATUS.get(status) ?? (status >= 500 ? 'again' : 'item');
}

/** What `Retry-After` asks for, seconds or a date, in milliseconds; `retry-after-ms` where a server gives that. */
export function retryAfterOf(headers: ReplyHeaders, now: number): number | undefined {
  const exact = Number.parseFloat(String(headers['retry-after-ms']));
  if (exact >= 0) return Math.min(exact, MAX_WAIT);
  const text = headers['retry-after'] ?? '';
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0) return Math.min(seconds * 1000, MAX_WAIT);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(date - now, 0), MAX_WAIT);
}

/** A server's words for a message: without the key, with control characters made visible, cut where they are long. */
export function safeWords(text: string, key: string | undefined): string {
  return printable(withoutKey(text, key)).slice(0, MAX_WORDS);
}

/** A text without the key, as it is or as it stands in an address or in JSON, in letters large or small. */
export function withoutKey(text: string, key: string | undefined): string {
  if (!key) return text;
  const forms = [encodeURIComponent(key), encodeURI(key), JSON.stringify(key).slice(1, -1), key];
  const pattern = forms.map((form) => form.replace(/[^\w]/g, '\\$&')).join('|');
  return text.replace(new RegExp(pattern, 'gi'), '[key]');
}
