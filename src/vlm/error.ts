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

  /**
   * @param hint what to try, if that is known
   * @param retryAfterMs how long the server wants to be left alone
   */
  constructor(
    readonly kind: ChatErrorKind,
    message: string,
    readonly hint?: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** An error in the server's own words, which may hold the key. */
export class ServerError extends Error {
  /** That of the response; in a reply of status 200 the code of the error; undefined where neither is a status. */
  readonly status: number | undefined;
  /** The server's own code of the error. */
  readonly code: unknown;

  /** @param error what the reply gives as its error */
  constructor(
    error: unknown,
    status?: number,
    readonly headers: ReplyHeaders = {},
  ) {
    const { message, code } = Object(error) as Record<string, unknown>;
    const words = typeof error === 'string' ? error : (message ?? error);
    super(typeof words === 'string' ? words : JSON.stringify(words));
    this.code = code;
    const isStatus = typeof code === 'number' && code >= 300 && code <= 599;
    this.status = status ?? (isStatus ? code : undefined);
  }
}

export type ReplyHeaders = Readonly<IncomingHttpHeaders>;

/** The longest wait that a server may ask for, milliseconds. */
const MAX_WAIT = 10 * 60_000;
const MAX_WORDS = 300;
const REFUSED_STATUSES = new Set([401, 402, 403, 404, 405, 407]);
const PASSING_STATUSES = new Set([408, 409, 425, 429]);

/** The kind of an answer that is not 2xx. @param code the server's own code of the error, where it gives one */
export function kindOfStatus(status: number, code: unknown): ChatErrorKind {
  // A spent account comes with status 429; waiting does not help.
  if (code === 'insufficient_quota') return 'refused';
  if (status < 400 || REFUSED_STATUSES.has(status)) return 'refused';
  return status >= 500 || PASSING_STATUSES.has(status) ? 'again' : 'item';
}

/** The wait that `retry-after-ms` or `Retry-After` (seconds or a date) asks for, milliseconds. */
export function retryAfterOf(headers: ReplyHeaders): number | undefined {
  const exact = Number.parseFloat(String(headers['retry-after-ms']));
  if (exact >= 0) return Math.min(exact, MAX_WAIT);
  const text = headers['retry-after'] ?? '';
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0) return Math.min(seconds * 1000, MAX_WAIT);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(date - Date.now(), 0), MAX_WAIT);
}

/** A server's words for a message: without the key, control characters made visible, cut to 300 characters. */
export function safeWords(text: string, key: string | undefined): string {
  return printable(withoutKey(text, key)).slice(0, MAX_WORDS);
}

/** A text without the key, whether plain or escaped for an address or for JSON, in upper or lower case. */
export function withoutKey(text: string, key: string | undefined): string {
  if (!key) return text;
  const forms = [encodeURIComponent(key), encodeURI(key), JSON.stringify(key).slice(1, -1), key];
  const pattern = forms.map((form) => form.replace(/[^\w]/g, '\\$&')).join('|');
  return text.replace(new RegExp(pattern, 'gi'), '[key]');
}
