import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type OpenAI from 'openai';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Stream } from 'openai/streaming';
import { quoted } from '../core/error.js';
import { credentialsFor, isDistrust, tunnel } from '../core/http.js';
import { ChatError, kindOfStatus, retryAfterOf, safeWords, withoutKey } from './error.js';
import { OVERFLOWN, type ReadReply, readStream, readWhole } from './reply.js';

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

  /** @throws ChatError */
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
      throw this.#errorOf(thrown, watch);
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
    throw new ChatError(
      'again',
      this.#words(`expected application/json, got ${type || 'no content type'}: ${start}`),
    );
  }

  #errorOf(thrown: unknown, watch: ChatWatch): ChatError {
    if (thrown instanceof ChatError) return thrown;
    if (watch.reason) return new ChatError('again', watch.reason);
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
      return new ChatError('again', words);
    const retryAfterMs = retryAfterOf(headers, Date.now());
    const hint = status === 404 ? rootHint(this.#server.url) : undefined;
    return new ChatError(kindOfStatus(status, code), `status ${status}: ${words}`, {
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
function unsafeWay(thrown: unknown): ChatError | undefined {
  const cause = causesOf(thrown).find(
    (error) => isDistrust(error) || PLAIN_HTTP.test(error.message),
  );
  if (!cause) return undefined;
  return isDistrust(cause)
    ? new ChatError('unsafe', `its certificate is not trusted: ${cause.message}`, {
        hint: 'NODE_EXTRA_CA_CERTS names the file of a certificate of your own, or of the authority that signed it',
      })
    : new ChatError('unsafe', 'the server does not speak TLS', {
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

/** What goes out. */
export interface WireRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** In pieces, which go out one after another. */
  readonly body?: readonly Buffer[];
  readonly signal?: AbortSignal;
  /** Bytes of the reply at which it is given up. */
  readonly mostBytes: number;
}

/** Statuses of responses that have no body. @see RFC 9110, 15.3.5, 15.3.6, 15.4.5 */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);
/** Bytes of an event: its reader looks through a line anew with each piece of it. */
const LONGEST_LINE = 1024 ** 2;
const LINE_FEED = 10;
/** Time in which a proxy must open a way, milliseconds. */
const TUNNEL_MS = 30_000;
/** Nobody asks for these, but servers behind some gateways pack all the same. */
const DECODERS: ReadonlyMap<string, () => NodeJS.ReadWriteStream & Readable> = new Map([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
]);

/** A reply that is longer than it may be. */
class WireOverflow extends Error {}

/**
 * HTTP with connections that are kept open, given as a `fetch` gives it. It sends the headers it is told and no others, and
 * follows no redirection: where photos and keys go is for the user to decide. The global `fetch` copies a body of this size
 * several times over, and knows no proxy.
 */
export class Wire {
  readonly #proxy: URL | undefined;
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  };
  readonly #tunnels: https.Agent;

  /** @param proxy for all that is fetched */
  constructor(proxy?: URL) {
    this.#proxy = proxy;
    this.#tunnels = proxy ? tunnelAgent(proxy) : this.#agents['https:'];
  }

  /** @throws Error of the connection; the body's stream fails with {@link WireOverflow} */
  fetch(
    address: string,
    { method, headers, body, signal, mostBytes }: WireRequest,
  ): Promise<Response> {
    const url = new URL(address);
    const length = body?.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return new Promise((resolve, reject) => {
      const { ask, target, way } = this.#wayTo(url);
      const request = ask(target, {
        method,
        ...way,
        headers: {
          ...headers,
          ...way.headers,
          ...(length !== undefined && { 'content-length': length }),
        },
        ...(signal && { signal }),
      });
      request.on('error', reject);
      request.on('response', (message) => {
        try {
          resolve(responseOf(message, mostBytes));
        } catch (error) {
          message.destroy();
          reject(error);
        }
      });
      for (const piece of body ?? []) request.write(piece);
      request.end();
    });
  }

  /** Plain http is handed to the proxy itself; https goes through it unread. */
  #wayTo(url: URL): {
    readonly ask: typeof http.request;
    readonly target: URL;
    readonly way: http.RequestOptions;
  } {
    if (url.protocol === 'https:') {
      return { ask: https.request, target: url, way: { agent: this.#tunnels } };
    }
    const target = this.#proxy ?? url;
    const secure = target.protocol === 'https:';
    return {
      ask: secure ? https.request : http.request,
      target,
      way: {
        agent: this.#agents[secure ? 'https:' : 'http:'],
        ...(this.#proxy && {
          // Else the name and password in the address go out as `authorization`.
          auth: null,
          path: url.href,
          headers: { host: url.host, ...credentialsFor(this.#proxy) },
        }),
      },
    };
  }
}

function tunnelAgent(proxy: URL): https.Agent {
  const agent = new https.Agent({ keepAlive: true });
  const connect = (
    { host, port }: { readonly host: string; readonly port: number | string },
    done: (error: unknown, socket?: unknown) => void,
  ): void => {
    const name = host.includes(':') ? `[${host}]` : host;
    tunnel(proxy, new URL(`https://${name}:${port}`), TUNNEL_MS).then(
      (socket) => done(null, socket),
      (error) => done(error),
    );
  };
  return Object.assign(agent, { createConnection: connect });
}

/** @throws Error of a status, a header or an encoding that cannot be */
function responseOf(message: http.IncomingMessage, mostBytes: number): Response {
  const { statusCode: status = 0 } = message;
  const init = { status, headers: headersOf(message) };
  if (!(status >= 200 && status <= 599)) throw new Error(`expected an HTTP status, got ${status}`);
  if (!WITHOUT_BODY.has(status)) return new Response(bodyOf(message, mostBytes), init);
  message.resume();
  return new Response(null, init);
}

function headersOf(message: http.IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headersDistinct)) {
    for (const one of value ?? []) headers.append(name, one);
  }
  return headers;
}

/** What the message says, unpacked. @throws Error of an encoding that cannot be unpacked */
function unpacked(message: http.IncomingMessage): Readable {
  const coding = (message.headers['content-encoding'] ?? '').trim().toLowerCase();
  if (coding === '' || coding === 'identity') return message;
  const decoder = DECODERS.get(coding);
  if (decoder) return message.pipe(decoder());
  throw new Error(
    `expected a reply in gzip, deflate, br or as it is, got the content-encoding ${quoted(coding)}`,
  );
}

/** The pieces as they come; who reads slowly slows the connection down. */
function bodyOf(message: http.IncomingMessage, mostBytes: number): ReadableStream<Uint8Array> {
  const isStream = message.headers['content-type']?.startsWith('text/event-stream') ?? false;
  const mostInLine = isStream ? Math.min(LONGEST_LINE, mostBytes) : mostBytes;
  const source = unpacked(message);
  let bytes = 0;
  let inLine = 0;
  let open = true;
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      const fail = (error: Error): void => {
        if (!open) return;
        open = false;
        controller.error(error);
        message.destroy();
        source.destroy();
      };
      source.on('data', (chunk: Buffer) => {
        if (!open) return;
        bytes += chunk.byteLength;
        const lineEnd = chunk.lastIndexOf(LINE_FEED);
        inLine = lineEnd < 0 ? inLine + chunk.byteLength : chunk.byteLength - lineEnd - 1;
        if (bytes > mostBytes) fail(new WireOverflow(`a reply of more than ${mostBytes} bytes`));
        else if (inLine > mostInLine) fail(new WireOverflow(`a line of ${inLine} bytes`));
        else controller.enqueue(chunk);
        if (open && (controller.desiredSize ?? 0) <= 0) source.pause();
      });
      source.on('end', () => {
        if (open) controller.close();
        open = false;
      });
      source.on('error', fail);
      message.on('error', fail);
      message.on('close', () => {
        // What came whole may still be under unpacking.
        if (source === message || !message.complete) {
          fail(new Error('the connection was cut in the middle of the reply'));
        }
      });
    },
    pull: () => {
      source.resume();
    },
    cancel: () => {
      open = false;
      message.destroy();
      source.destroy();
    },
  });
}

/** Milliseconds that an attempt may take. */
export interface WatchLimits {
  /** Whole. */
  readonly timeoutMs: number;
  /** Between two pieces of a streamed reply. */
  readonly idleMs: number;
}

/** Ends an attempt that takes too long, or stalls. */
export class ChatWatch {
  readonly controller = new AbortController();
  readonly #idleMs: number;
  readonly #total: NodeJS.Timeout;
  #idle: NodeJS.Timeout | undefined;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuter = (): void => this.#end('the run was stopped');
  /** Why the attempt was ended, if it was. */
  reason: string | undefined;

  constructor({ timeoutMs, idleMs }: WatchLimits, outer?: AbortSignal) {
    this.#idleMs = idleMs;
    this.#total = setTimeout(() => this.#end(`no whole reply in ${timeoutMs / 1000} s`), timeoutMs);
    this.#outer = outer;
    outer?.addEventListener('abort', this.#onOuter, { once: true });
    if (outer?.aborted) this.#onOuter();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** A piece came. */
  alive(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(
      () => this.#end(`the reply stalled for ${this.#idleMs / 1000} s`),
      this.#idleMs,
    );
  }

  stop(): void {
    clearTimeout(this.#total);
    clearTimeout(this.#idle);
    this.#outer?.removeEventListener('abort', this.#onOuter);
  }

  #end(reason: string): void {
    this.reason ??= reason;
    this.controller.abort();
  }
}

/** The event that ends a stream of the Chat Completions API, at the start of a line. */
const END_MARK = /(?:^|[\r\n])data: ?\[DONE\]/;
/** Bytes of the mark with the line end before it, which two pieces may share. */
const MARK_LENGTH = 13;

/** An event stream that remembers whether its end mark went by: the client library reads it and tells nobody. */
function withEndMark(response: Response): {
  readonly marked: Response;
  readonly isDone: () => boolean;
} {
  let tail = '';
  let done = false;
  const body = response.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (piece, controller) => {
        const text = tail + Buffer.from(piece).toString('latin1');
        done ||= END_MARK.test(text);
        tail = text.slice(-MARK_LENGTH);
        controller.enqueue(piece);
      },
    }),
  );
  return { marked: new Response(body ?? null, response), isDone: () => done };
}

/**
 * An error response with its words where the client library looks for them, under `error`: vLLM and SGLang put them at the top,
 * FastAPI under `detail`. All other responses as they are.
 */
async function withErrorWords(response: Response): Promise<Response> {
  if (response.status < 400) return response;
  const text = await response.text();
  const { status, headers } = response;
  return new Response(JSON.stringify(told(text)) ?? text, { status, headers });
}

/** Undefined where the text is to stay as it is. */
function told(text: string): { readonly error: object } | undefined {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || 'error' in value) return undefined;
  const { message, detail, code } = value as Record<string, unknown>;
  const words = typeof message === 'string' ? message : detail;
  if (words === undefined || words === null) return undefined;
  return { error: { message: typeof words === 'string' ? words : JSON.stringify(words), code } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Pictures whose bytes are kept: the stages of a query, and queries of one photo, lie near each other. */
const KEPT = 32;
const PICTURE = /^data:image\//;

/** A request's body with marks in the place of its pictures. */
export interface MarkedBody {
  readonly body: Readonly<Record<string, unknown>>;
  readonly pictures: ReadonlyMap<string, Buffer>;
}

/**
 * Keeps pictures out of the text of a request until it goes over the wire. A picture is most of a request and goes out many
 * times; what is made of its text each time fills the memory faster than it is cleared away.
 */
class PictureBytes {
  /** Nobody who writes a query knows it. */
  readonly #mark = `picture-${randomUUID()}-`;
  readonly #pattern = new RegExp(`(${this.#mark}\\d+-)`);
  readonly #kept = new Map<string, Buffer>();

  /** Puts a mark in the place of each data URL of a picture. */
  marked(body: Readonly<Record<string, unknown>>): MarkedBody {
    const pictures = new Map<string, Buffer>();
    const short = mapped(body, (url) => {
      const mark = `${this.#mark}${pictures.size}-`;
      pictures.set(mark, this.#bytesOf(url));
      return mark;
    });
    return { body: short as MarkedBody['body'], pictures };
  }

  /** The text with the pictures back in their places, UTF-8, in pieces. */
  pieces(text: string, pictures: MarkedBody['pictures']): Buffer[] {
    return text
      .split(this.#pattern)
      .map((piece) => pictures.get(piece) ?? Buffer.from(piece, 'utf8'));
  }

  #bytesOf(url: string): Buffer {
    const known = this.#kept.get(url);
    if (known) {
      // Moves it to the young end: a Map keeps the order of insertion.
      this.#kept.delete(url);
      this.#kept.set(url, known);
      return known;
    }
    // As it stands between the quotation marks of JSON.
    const bytes = Buffer.from(JSON.stringify(url).slice(1, -1), 'utf8');
    this.#kept.set(url, bytes);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return bytes;
  }
}

/** A copy of a JSON value with another text in the place of each picture. */
function mapped(value: unknown, markOf: (url: string) => string): unknown {
  if (typeof value === 'string') return PICTURE.test(value) ? markOf(value) : value;
  if (Array.isArray(value)) return value.map((each) => mapped(each, markOf));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, mapped(each, markOf)]),
  );
}
