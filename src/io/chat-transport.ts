import type OpenAI from 'openai';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Stream } from 'openai/streaming';
import { withEndMark } from './chat-end-mark.js';
import { withErrorWords } from './chat-error-body.js';
import { ChatFault, kindOfStatus, retryAfterOf, safeWords, withoutKey } from './chat-fault.js';
import { type MarkedBody, PictureBytes } from './chat-picture-bytes.js';
import { OVERFLOWN, type ReadReply, readStream, readWhole } from './chat-reply.js';
import { ChatWatch, type WatchLimits } from './chat-watch.js';
import { Wire, WireOverflow } from './chat-wire.js';
import { isDistrust } from './distrust.js';

/** Where requests go and how long they may take. */
export interface ChatServer extends WatchLimits {
  /** The API's root, such as `http://localhost:8000/v1`. */
  readonly url: string;
  /** Sent as a bearer token; never written anywhere. */
  readonly key?: string;
  /** What requests go through. */
  readonly proxy?: URL;
  /** Whether replies are asked for in pieces. */
  readonly stream: boolean;
  /** Fields that the user adds to each body; null takes one away. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** The body of a request, as it goes over the wire. */
export type ChatBody = Readonly<Record<string, unknown>> & {
  readonly max_tokens?: unknown;
  readonly max_completion_tokens?: unknown;
  readonly stop?: unknown;
};

/** Bytes of a reply that fit any honest one: each token may come in an event of its own, with its probabilities. */
const BYTES_PER_TOKEN = 4096;
const BYTES_AROUND = 256 * 1024;
const DEFAULT_TOKENS = 4096;
/** Characters of a key that is one: `none` and `EMPTY` stand where a server wants none, and are words of replies, too. */
const SHORTEST_SECRET = 8;

/** What the library hands through to the fetch below. */
interface FetchInit extends RequestInit {
  readonly pictures?: MarkedBody['pictures'];
  /** Bytes of the reply at which it is given up. */
  readonly mostBytes?: number;
}

/** The official client library, open. */
interface Library {
  readonly client: OpenAI;
  readonly Events: typeof Stream;
}

/** Sends one request and reads its reply, whatever it turns out to be, in bounded time and memory. */
export class ChatTransport {
  readonly #server: ChatServer;
  readonly #wire: Wire;
  readonly #pictures = new PictureBytes();
  #library: Promise<Library> | undefined;

  constructor(server: ChatServer) {
    this.#server = server;
    this.#wire = new Wire(server.proxy);
  }

  /** @throws ChatFault */
  async send(body: ChatBody, signal?: AbortSignal): Promise<ReadReply> {
    const watch = new ChatWatch(this.#server, signal);
    try {
      const library = await this.#open();
      const { stream, extra = {} } = this.#server;
      const { stream_options = { include_usage: true } } = extra;
      const { body: short, pictures } = this.#pictures.marked({
        ...body,
        ...(stream && { stream: true, ...(stream_options !== null && { stream_options }) }),
      });
      const fetchOptions: FetchInit = { pictures, mostBytes: byteLimit(body) };
      const response = await library.client.chat.completions
        .create(short as never, { signal: watch.signal, fetchOptions: fetchOptions as never })
        .asResponse();
      return this.#withoutKey(await this.#read(response, body, { ...library, watch }));
    } catch (thrown) {
      if (thrown instanceof WireOverflow) return OVERFLOWN;
      throw this.#faultOf(thrown, watch);
    } finally {
      watch.stop();
    }
  }

  /** Whether the server answers at all. */
  async isAlive(): Promise<boolean> {
    const watch = new ChatWatch({
      ...this.#server,
      timeoutMs: Math.min(5000, this.#server.timeoutMs),
    });
    try {
      const { client } = await this.#open();
      await client.models.list({ signal: watch.signal }).asResponse();
      return true;
    } catch (thrown) {
      const status = (thrown as { status?: unknown }).status;
      return typeof status === 'number' && status < 500 && status !== 429;
    } finally {
      watch.stop();
    }
  }

  /** It is large, and loaded when it is needed. */
  #open(): Promise<Library> {
    this.#library ??= this.#load();
    return this.#library;
  }

  async #load(): Promise<Library> {
    const [{ default: Client }, { Stream: Events }] = await Promise.all([
      import('openai'),
      import('openai/streaming'),
    ]);
    const client = new Client({
      baseURL: this.#server.url,
      // Nothing of the library's own environment variables may reach another server.
      apiKey: this.#server.key ?? 'none',
      adminAPIKey: null,
      organization: null,
      project: null,
      webhookSecret: null,
      maxRetries: 0,
      timeout: this.#server.timeoutMs,
      logLevel: 'off',
      fetch: (url, init) => this.#fetch(url, init),
    });
    return { client, Events };
  }

  /** Of what the library would send only this goes out: its own headers tell of the machine. */
  async #fetch(url: string | URL | Request, init: FetchInit = {}): Promise<Response> {
    const given = new Headers(init.headers);
    const type = given.get('content-type');
    const { key } = this.#server;
    const response = await this.#wire.fetch(String(url), {
      method: init.method ?? 'GET',
      headers: {
        accept: given.get('accept') ?? '*/*',
        'user-agent': 'vgr',
        ...(type !== null && { 'content-type': type }),
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
      },
      ...(typeof init.body === 'string' && {
        body: this.#pictures.pieces(init.body, init.pictures ?? new Map()),
      }),
      ...(init.signal && { signal: init.signal }),
      mostBytes: init.mostBytes ?? BYTES_AROUND,
    });
    return withErrorWords(response);
  }

  async #read(
    response: Response,
    body: ChatBody,
    { client, Events, watch }: Library & { readonly watch: ChatWatch },
  ): Promise<ReadReply> {
    const type = (response.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
    if (type === 'text/event-stream') {
      const { marked, isDone } = withEndMark(response);
      const events = Events.fromSSEResponse<ChatCompletionChunk>(marked, watch.controller, client);
      const limits = { maxTokens: tokensOf(body), stops: stopsOf(body) };
      return readStream(events, limits, { watch, isDone });
    }
    if (type.endsWith('json')) return readWhole((await response.json()) as ChatCompletion);
    const start = await response.text().catch(() => '');
    throw new ChatFault(
      'again',
      this.#words(`expected application/json, got ${type || 'no content type'}: ${start}`),
    );
  }

  #faultOf(thrown: unknown, watch: ChatWatch): ChatFault {
    if (thrown instanceof ChatFault) return thrown;
    if (watch.reason) return new ChatFault('again', watch.reason);
    const unsafe = unsafeWay(thrown);
    if (unsafe) return unsafe;
    const {
      status: told,
      code,
      headers,
      error,
    } = thrown as {
      readonly status?: unknown;
      readonly code?: unknown;
      readonly headers?: Headers;
      readonly error?: { readonly message?: unknown };
    };
    const said = error?.message;
    const words = this.#words(
      elsewhere(headers) ?? (typeof said === 'string' ? said : messagesOf(thrown)),
    );
    // An error in the middle of a stream has its status in the code, if anywhere.
    const status = told ?? code;
    // Codes that are no statuses are a server's own affair.
    if (typeof status !== 'number' || status < 300 || status > 599)
      return new ChatFault('again', words);
    const retryAfterMs = retryAfterOf(headers, Date.now());
    const hint = status === 404 ? rootHint(this.#server.url) : undefined;
    return new ChatFault(kindOfStatus(status, code), `status ${status}: ${words}`, {
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(hint !== undefined && { hint }),
    });
  }

  /** Some servers tell what they were sent; results and cache take over what a reply says. */
  #withoutKey(read: ReadReply): ReadReply {
    const { key = '' } = this.#server;
    if (key.length < SHORTEST_SECRET) return read;
    return { ...read, reply: { ...read.reply, text: withoutKey(read.reply.text, key) } };
  }

  #words(text: string): string {
    return safeWords(text, this.#server.key);
  }
}

/** Where a redirection leads; undefined where it is none. A query of the address may hold secrets. */
function elsewhere(headers: Headers | undefined): string | undefined {
  const location = headers?.get('location');
  if (!location) return undefined;
  return `it sends requests on to ${location.replace(/[?#].*$/s, '')}; they are not followed`;
}

/** An error with what caused it: `fetch failed` alone tells nothing. */
function messagesOf(thrown: unknown): string {
  const messages: string[] = [];
  for (const error of causesOf(thrown)) {
    const code = (error as NodeJS.ErrnoException).code;
    const text = error.message === '' && code ? code : error.message;
    if (text !== '' && !messages.includes(text)) messages.push(text);
  }
  return messages.join(': ') || String(thrown);
}

function causesOf(thrown: unknown): Error[] {
  const causes: Error[] = [];
  for (let error = thrown; error instanceof Error && causes.length < 4; error = error.cause) {
    causes.push(error);
  }
  return causes;
}

/** Why no encrypted way to the server could be opened; undefined where that is not the reason. */
function unsafeWay(thrown: unknown): ChatFault | undefined {
  const cause = causesOf(thrown).find(
    (error) => isDistrust(error) || PLAIN_HTTP.test(error.message),
  );
  if (!cause) return undefined;
  return isDistrust(cause)
    ? new ChatFault('unsafe', `its certificate is not trusted: ${cause.message}`, {
        hint: 'NODE_EXTRA_CA_CERTS names the file of a certificate of your own, or of the authority that signed it',
      })
    : new ChatFault('unsafe', 'the server does not speak TLS', {
        hint: 'an address with `http://` in place of `https://` may be meant',
      });
}

/** What OpenSSL says of a peer that answers in plain text. */
const PLAIN_HTTP = /wrong version number|packet length too long/;

/** What may be wrong with the address of an API that knows no such page. */
function rootHint(url: string): string | undefined {
  const { pathname } = new URL(url);
  if (/\/chat\/completions$/.test(pathname)) {
    return 'the address is that of the API, without `/chat/completions`';
  }
  if (pathname === '/') {
    return `the address of the API mostly ends with \`/v1\`: \`--vlm-url ${url.replace(/\/$/, '')}/v1\``;
  }
  return undefined;
}

function byteLimit(body: ChatBody): number {
  return tokensOf(body) * BYTES_PER_TOKEN + BYTES_AROUND;
}

function tokensOf({ max_tokens: most, max_completion_tokens: renamed }: ChatBody): number {
  if (typeof most === 'number') return most;
  return typeof renamed === 'number' ? renamed : DEFAULT_TOKENS;
}

function stopsOf({ stop }: ChatBody): readonly string[] {
  return Array.isArray(stop) ? stop.map(String) : [];
}
