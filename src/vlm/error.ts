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

  /** @param body the response, or the part of it that tells the error: JSON or text */
  constructor(
    body: unknown,
    status?: number,
    readonly headers: ReplyHeaders = {},
  ) {
    super(wordsIn(body) ?? JSON.stringify(body));
    this.code = codeIn(body);
    const isStatus = typeof this.code === 'number' && this.code >= 300 && this.code <= 599;
    this.status = status ?? (isStatus ? (this.code as number) : undefined);
  }
}

/** Where servers put an error, the outermost first. */
const ERROR_KEYS = ['error', 'errors', 'detail', 'fault', 'exception'];
const WORD_KEYS = [
  'message',
  'msg',
  'error_description',
  'error_msg',
  'faultstring',
  'title',
  'reason',
];

/** Whether JSON without an answer tells an error. */
export function isErrorBody(value: unknown): boolean {
  const first = Object(Array.isArray(value) ? value[0] : value) as Record<string, unknown>;
  return first.object === 'error' || [...ERROR_KEYS, 'message', 'msg'].some((key) => first[key]);
}

/** The words of an error: of JSON in any of the shapes that servers use, or of a page. @param depth of the JSON so far */
function wordsIn(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') return /^\s*</.test(value) ? wordsOfPage(value) : value;
  if (typeof value !== 'object' || value === null || depth > 4) return undefined;
  if (Array.isArray(value)) {
    const words = value.map((item) => wordsIn(item, depth + 1)).filter(Boolean);
    return words.length > 0 ? words.join('; ') : undefined;
  }
  const object = value as Record<string, unknown>;
  for (const key of [...ERROR_KEYS, ...WORD_KEYS]) {
    const words = wordsIn(object[key], depth + 1);
    if (words) return words;
  }
  return undefined;
}

/** A page's title, or its text. */
function wordsOfPage(page: string): string {
  const title = /<title[^>]*>([^<]+)/i.exec(page)?.[1];
  const text = page.replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  return title ?? text;
}

function codeIn(value: unknown): unknown {
  const object = Object(Array.isArray(value) ? value[0] : value) as Record<string, unknown>;
  const inner = ERROR_KEYS.map((key) => object[key]).find(
    (each) => typeof each === 'object' && each,
  );
  return object.code ?? (inner ? codeIn(inner) : undefined);
}

export type ReplyHeaders = Readonly<IncomingHttpHeaders>;

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

/** A server's words for a message: on one line, control characters made visible, cut to 300 characters. */
export function safeWords(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim()).slice(0, MAX_WORDS);
}

/** A text without the key, whether plain or escaped for an address or for JSON, in upper or lower case. */
export function withoutKey(text: string, key: string): string {
  const forms = [encodeURIComponent(key), encodeURI(key), JSON.stringify(key).slice(1, -1), key];
  const pattern = forms.map((form) => form.replace(/[^\w]/g, '\\$&')).join('|');
  return text.replace(new RegExp(pattern, 'gi'), '[key]');
}
