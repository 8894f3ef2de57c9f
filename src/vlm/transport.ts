import { pipeline, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { createParser } from 'eventsource-parser';
import { quoted } from '../core/error.js';
import { HttpClient, type HttpResponse, isDistrust, retryAfterOf } from '../core/http.js';
import {
  ChatError,
  kindOfStatus,
  type ReplyHeaders,
  ServerError,
  safeWords,
  withoutKey,
} from './error.js';
import { OVERFLOWN, type ReadReply, type ReplyLimits, readStream, readWhole } from './reply.js';

/** A server and the limits of requests to it. */
export interface ChatServer {
  /** The API's root, such as `http://localhost:8000/v1`. */
  readonly url: string;
  /** Sent with each request, from the `?` on; never written anywhere. */
  readonly query?: string;
  /** Sent as a bearer token; never written anywhere. */
  readonly key?: string;
  /** More headers of each request; their values are never written anywhere. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly proxy?: URL;
  /** Whether replies come as streams of events. */
  readonly stream: boolean;
  /** Limit of a whole reply, milliseconds. */
  readonly timeoutMs: number;
  /** Limit between two events of a stream, milliseconds. */
  readonly idleMs: number;
}

/** Limits of a reply: each token may come in an event of its own, with its probabilities. */
const MAX_BYTES_PER_TOKEN = 4096;
const MAX_OTHER_BYTES = 256 * 1024;
/** Characters. */
const MAX_EVENT = 1024 ** 2;
/** Bytes that are read of a response that is no reply. */
const MAX_ERROR = 64 * 1024;
/** Shorter keys are placeholders, such as `none` and `EMPTY`, and may be words of replies. */
const MIN_SECRET = 8;
/** Timeout of the request for a sign of life, milliseconds. */
const MAX_PROBE = 5000;
/** No request asks for these, but some gateways compress anyway. */
const DECODERS = new Map<string, () => Transform>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
]);

/** A reply beyond its limits in bytes or characters. */
class ReplyOverflow extends Error {}

/** Sends requests and reads the replies, whatever they are, in bounded time and memory. */
export class ChatTransport {
  readonly #server: ChatServer;
  readonly #http: HttpClient;

  constructor(server: ChatServer) {
    this.#server = server;
    this.#http = new HttpClient(server.proxy, server.timeoutMs);
  }

  /** @param body JSON in pieces @throws ChatError */
  async send(
    body: readonly Buffer[],
    limits: ReplyLimits,
    signal?: AbortSignal,
  ): Promise<ReadReply> {
    const { timeoutMs } = this.#server;
    const deadline = startDeadline(timeoutMs, signal);
    let response: HttpResponse | undefined;
    try {
      response = await this.#request('/chat/completions', deadline.signal, body);
      const { reply, use } = await this.#read(response, limits, deadline);
      return { reply: { ...reply, text: this.#withoutSecrets(reply.text, MIN_SECRET) }, use };
    } catch (thrown) {
      if (thrown instanceof ReplyOverflow) return OVERFLOWN;
      throw this.#errorOf(deadline.signal.aborted ? deadline.signal.reason : thrown);
    } finally {
      response?.body.destroy();
      deadline.clear();
    }
  }

  /** Whether the server answers at all. */
  async isAlive(): Promise<boolean> {
    const signal = AbortSignal.timeout(Math.min(MAX_PROBE, this.#server.timeoutMs));
    try {
      const { status, body } = await this.#request('/models', signal);
      body.destroy();
      return status < 500 && status !== 429;
    } catch {
      return false;
    }
  }

  /** Cuts all connections. */
  close(): void {
    this.#http.close();
  }

  async #request(
    path: string,
    signal: AbortSignal,
    body?: readonly Buffer[],
  ): Promise<HttpResponse> {
    const { url, query, headers, key } = this.#server;
    const address = new URL(url.replace(/\/$/, '') + path);
    address.search = query ?? '';
    const response = await this.#http.request(address, {
      method: body ? 'POST' : 'GET',
      headers: {
        accept: 'application/json',
        'user-agent': 'vgr',
        ...(body && { 'content-type': 'application/json' }),
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...headers,
      },
      body,
      signal,
    });
    if (response.status <= 599) return response;
    response.body.destroy();
    throw new Error(`expected an HTTP status, got ${response.status}`);
  }

  /** @throws ReplyOverflow, ServerError, ChatError, Error of the network */
  async #read(response: HttpResponse, limits: ReplyLimits, deadline: Deadline): Promise<ReadReply> {
    const { status, headers } = response;
    const chunks = unpacked(response, limits.maxTokens * MAX_BYTES_PER_TOKEN + MAX_OTHER_BYTES);
    if (status >= 300) {
      throw new ServerError(jsonOr(await textOf(chunks, MAX_ERROR)), status, headers);
    }
    // What a body is shows in its first character; servers and gateways label it in many ways.
    const { first, body } = await begun(chunks);
    if ('{['.includes(first)) return readWhole(JSON.parse(await textOf(body)), limits);
    if (':deir'.includes(first)) {
      const onEvent = () => deadline.startIdle(this.#server.idleMs);
      return readStream(eventsOf(deadline.watched(body)), limits, onEvent);
    }
    if (first === '') throw new ChatError('again', 'the reply is empty');
    const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
    const { message } = new ServerError(await textOf(body, MAX_ERROR));
    throw new Error(`expected JSON or events, got ${type || 'no content type'}: ${message}`);
  }

  /** A text without the key, the values of the headers and of the query. @param least shorter ones may be words */
  #withoutSecrets(text: string, least = 1): string {
    const { key = '', headers = {}, query = '' } = this.#server;
    const secrets = [key, ...Object.values(headers), ...new URLSearchParams(query).values()];
    return secrets
      .filter((secret, index) => secret.length >= (index === 0 ? least : MIN_SECRET))
      .reduce(withoutKey, text);
  }

  #errorOf(thrown: unknown): ChatError {
    if (thrown instanceof ChatError) {
      return new ChatError(
        thrown.kind,
        safeWords(this.#withoutSecrets(thrown.message)),
        thrown.hint,
      );
    }
    const { url } = this.#server;
    const safe = (text: string) => safeWords(this.#withoutSecrets(text));
    if (!(thrown instanceof ServerError)) {
      return unsafeError(thrown) ?? new ChatError('again', safe(messagesOf(thrown)));
    }
    const { status, code, headers } = thrown;
    const words = safe(redirectWords(headers) ?? thrown.message);
    if (status === undefined) return new ChatError('again', words);
    const message = words === '' ? `status ${status}` : `status ${status}: ${words}`;
    const hint = hintOn(status, words, url);
    const retryAfterMs = retryAfterOf(headers);
    return new ChatError(kindOfStatus(status, code), message, hint, retryAfterMs);
  }
}

type Deadline = ReturnType<typeof startDeadline>;

/** Ends an attempt that takes too long or stalls; the signal's reason is the error. */
function startDeadline(timeoutMs: number, outer?: AbortSignal) {
  const controller = new AbortController();
  const end = (reason: string) => controller.abort(new ChatError('again', reason));
  const onOuter = () => end('the run was stopped');
  const total = setTimeout(end, timeoutMs, `no whole reply in ${timeoutMs / 1000} s`);
  let idle: NodeJS.Timeout | undefined;
  outer?.addEventListener('abort', onOuter, { once: true });
  if (outer?.aborted) onOuter();
  return {
    signal: controller.signal,
    /** From the first event on the stream may not be silent for this long. */
    startIdle(idleMs: number): void {
      idle ??= setTimeout(end, idleMs, `the reply stalled for ${idleMs / 1000} s`);
    },
    /** The chunks of a stream. Any bytes are a sign of life, comments too. */
    async *watched(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        idle?.refresh();
        yield chunk;
      }
    },
    clear(): void {
      clearTimeout(total);
      clearTimeout(idle);
      outer?.removeEventListener('abort', onOuter);
    },
  };
}

/** The decompressed body. @throws ReplyOverflow; Error of the encoding, or of the network */
async function* unpacked(
  { headers, body }: HttpResponse,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  const encoding = (headers['content-encoding'] ?? '').trim().toLowerCase();
  const decoder = DECODERS.get(encoding)?.();
  if (!decoder && encoding !== '' && encoding !== 'identity') {
    throw new Error(
      `expected a reply in gzip, deflate, br or identity, got the content-encoding ${quoted(encoding)}`,
    );
  }
  // Errors come out of the iteration.
  const source = decoder ? pipeline(body, decoder, () => undefined) : body;
  let bytes = 0;
  try {
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new ReplyOverflow();
      yield chunk;
    }
  } catch (thrown) {
    const { code = '' } = thrown as NodeJS.ErrnoException;
    if (!/^(?:ECONNRESET|ERR_STREAM_PREMATURE_CLOSE)$/.test(code)) throw thrown;
    throw new Error('the connection was cut in the middle of the reply');
  }
}

/** A body with its first character that is no space, or mark of order; empty where there is none. */
async function begun(
  chunks: AsyncGenerator<Buffer>,
): Promise<{ readonly first: string; readonly body: AsyncIterable<Buffer> }> {
  const start: Buffer[] = [];
  let first = '';
  while (first === '') {
    const { value, done } = await chunks.next();
    if (done) break;
    start.push(value);
    first = value.toString('latin1').replace(/^[\s\xef\xbb\xbf]+/, '')[0] ?? '';
  }
  async function* body() {
    yield* start;
    yield* chunks;
  }
  return { first, body: body() };
}

/** The text, or its start of a little more than `enough` bytes. */
async function textOf(
  chunks: AsyncIterable<Buffer>,
  enough = Number.POSITIVE_INFINITY,
): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes > enough) break;
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

/** The data of each event of a stream. @throws ReplyOverflow for an event beyond the limit */
async function* eventsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const events: string[] = [];
  const parser = createParser({
    onEvent: ({ data }) => events.push(data),
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded') throw new ReplyOverflow();
    },
    maxBufferSize: MAX_EVENT,
  });
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* events.splice(0);
  }
  // Some servers end without the empty line behind the last event.
  parser.feed('\n\n');
  yield* events;
}

/** The value of JSON; other text as it is. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Words for a redirect; undefined for other replies. The query of the address may hold secrets. */
function redirectWords({ location }: ReplyHeaders): string | undefined {
  if (!location) return undefined;
  return `it redirects to ${location.replace(/[?#].*$/s, '')}; redirects are not followed`;
}

/** The messages of an error and of its causes. */
function messagesOf(thrown: unknown): string {
  const texts = causesOf(thrown).map(({ message, code }) => message || code);
  return [...new Set(texts)].filter(Boolean).join(': ') || String(thrown);
}

/** The error and its causes, four at most. */
function causesOf(thrown: unknown): NodeJS.ErrnoException[] {
  const causes: NodeJS.ErrnoException[] = [];
  for (let error = thrown; error instanceof Error && causes.length < 4; error = error.cause) {
    causes.push(error);
  }
  return causes;
}

/** OpenSSL's words for a peer that answers in plain text. */
const PLAIN_HTTP = /wrong version number|packet length too long/;

/** The error of TLS; undefined for other errors. */
function unsafeError(thrown: unknown): ChatError | undefined {
  const causes = causesOf(thrown);
  const distrust = causes.find(isDistrust);
  if (distrust) {
    const hint =
      'set NODE_EXTRA_CA_CERTS to the file of its certificate, or of the authority that signed it';
    return new ChatError('unsafe', `its certificate is not trusted: ${distrust.message}`, hint);
  }
  if (!causes.some(({ message }) => PLAIN_HTTP.test(message))) return undefined;
  const hint = 'the address may need `http://` in place of `https://`';
  return new ChatError('unsafe', 'the server does not speak TLS', hint);
}

/** Fields of a request that not all servers know. */
const OPTIONAL_FIELDS =
  /\b(max_tokens|temperature|stop|stream_options|logprobs|repetition_penalty|continue_final_message|add_generation_prompt)\b/;
const UNKNOWN_FIELD =
  /unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|not permitted|cannot find|not allowed|extra/i;

/** What to try after a refusal. @param words the server's */
function hintOn(status: number, words: string, url: string): string | undefined {
  if (status === 404) return rootHint(url);
  if (status === 413) {
    return 'the request is too large for the server or its gateway (`client_max_body_size` of nginx): send smaller pictures with `--vlm-max-pixels`';
  }
  const field = UNKNOWN_FIELD.test(words) ? OPTIONAL_FIELDS.exec(words)?.[1] : undefined;
  if (field === undefined) return undefined;
  const limit = field === 'max_tokens' ? ', "max_completion_tokens": 2048' : '';
  return `leave the field out: \`--vlm-body '{"${field}": null${limit}}'\``;
}

/** A hint where the API's root seems wrong. */
function rootHint(url: string): string | undefined {
  const { pathname } = new URL(url);
  if (/\/chat\/completions$/.test(pathname)) {
    return 'give the root of the API, without `/chat/completions`';
  }
  if (pathname === '/') {
    return `the root of an API usually ends with \`/v1\`: \`--vlm-url ${url.replace(/\/$/, '')}/v1\``;
  }
  return undefined;
}
