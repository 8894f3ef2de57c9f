import type OpenAI from 'openai';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import { ChatFault, kindOfStatus, retryAfterOf, safeWords } from './chat-fault.js';
import { OVERFLOWN, type ReadReply, readStream, readWhole } from './chat-reply.js';
import { ChatWatch, type WatchLimits } from './chat-watch.js';

/** Where requests go and how long they may take. */
export interface ChatServer extends WatchLimits {
  /** The API's root, such as `http://localhost:8000/v1`. */
  readonly url: string;
  /** Sent as a bearer token; never written anywhere. */
  readonly key?: string;
  /** Whether replies are asked for in pieces. */
  readonly stream: boolean;
}

/** The body of a request, as it goes over the wire. */
export type ChatBody = Readonly<Record<string, unknown>> & {
  readonly max_tokens?: unknown;
  readonly stop?: unknown;
};

/** Bytes of a reply that fit any honest one: each token may come in an event of its own, with its probabilities. */
const BYTES_PER_TOKEN = 4096;
const BYTES_AROUND = 256 * 1024;
const DEFAULT_TOKENS = 4096;
/** Tells the fetch below how long a reply may be; it does not go out. */
const LIMIT_HEADER = 'x-vgr-most-bytes';

/** Sends one request and reads its reply, whatever it turns out to be, in bounded time and memory. */
export class ChatTransport {
  readonly #server: ChatServer;
  #client: Promise<OpenAI> | undefined;

  constructor(server: ChatServer) {
    this.#server = server;
  }

  /** @throws ChatFault */
  async send(body: ChatBody, signal?: AbortSignal): Promise<ReadReply> {
    const watch = new ChatWatch(this.#server, signal);
    try {
      const client = await this.#open();
      const { stream } = this.#server;
      const response = await client.chat.completions
        .create(
          {
            ...body,
            ...(stream && { stream: true, stream_options: { include_usage: true } }),
          } as never,
          { signal: watch.signal, headers: { [LIMIT_HEADER]: String(byteLimit(body)) } },
        )
        .asResponse();
      return await this.#read(response, body, { client, watch });
    } catch (thrown) {
      if (thrown instanceof Overflow) return OVERFLOWN;
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
      const client = await this.#open();
      await client.models.list({ signal: watch.signal }).asResponse();
      return true;
    } catch (thrown) {
      const status = (thrown as { status?: unknown }).status;
      return typeof status === 'number' && status < 500 && status !== 429;
    } finally {
      watch.stop();
    }
  }

  /** The library is large: it is loaded when it is needed. */
  #open(): Promise<OpenAI> {
    this.#client ??= import('openai').then(
      ({ default: Client }) =>
        new Client({
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
        }),
    );
    return this.#client;
  }

  async #fetch(url: string | URL | Request, init: RequestInit | undefined): Promise<Response> {
    const given = new Headers(init?.headers);
    const headers = new Headers({ accept: given.get('accept') ?? '*/*', 'user-agent': 'vgr' });
    const type = given.get('content-type');
    if (type !== null) headers.set('content-type', type);
    if (this.#server.key !== undefined) headers.set('authorization', `Bearer ${this.#server.key}`);
    // A server that points elsewhere would be handed the photos, and maybe the key: that is for the user to decide.
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    return limited(response, Number(given.get(LIMIT_HEADER) ?? BYTES_AROUND));
  }

  async #read(
    response: Response,
    body: ChatBody,
    { client, watch }: { readonly client: OpenAI; readonly watch: ChatWatch },
  ): Promise<ReadReply> {
    const type = (response.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
    if (type === 'text/event-stream') {
      const { Stream } = await import('openai/streaming');
      const events = Stream.fromSSEResponse<ChatCompletionChunk>(
        response,
        watch.controller,
        client,
      );
      return readStream(events, { maxTokens: tokensOf(body), stops: stopsOf(body) }, watch);
    }
    if (type.endsWith('json')) return readWhole((await response.json()) as ChatCompletion);
    const start = await response.text().catch(() => '');
    throw new ChatFault(
      'again',
      `expected application/json, got ${type || 'no content type'}: ${this.#words(start)}`,
    );
  }

  #faultOf(thrown: unknown, watch: ChatWatch): ChatFault {
    if (thrown instanceof ChatFault) return thrown;
    if (watch.reason) return new ChatFault('again', watch.reason);
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
    const words = this.#words(typeof said === 'string' ? said : messagesOf(thrown));
    // An error in the middle of a stream has its status in the code, if anywhere.
    const status = told ?? code;
    if (typeof status !== 'number') return new ChatFault('again', words);
    const retryAfterMs = retryAfterOf(headers, Date.now());
    return new ChatFault(kindOfStatus(status, code), `status ${status}: ${words}`, {
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }

  #words(text: string): string {
    return safeWords(text, this.#server.key);
  }
}

/** An error with what caused it: `fetch failed` alone tells nothing. */
function messagesOf(thrown: unknown): string {
  const messages: string[] = [];
  for (let error = thrown; error instanceof Error && messages.length < 4; error = error.cause) {
    const code = (error as NodeJS.ErrnoException).code;
    const text = error.message === '' && code ? code : error.message;
    if (text !== '' && !messages.includes(text)) messages.push(text);
  }
  return messages.join(': ') || String(thrown);
}

function byteLimit(body: ChatBody): number {
  return tokensOf(body) * BYTES_PER_TOKEN + BYTES_AROUND;
}

function tokensOf({ max_tokens }: ChatBody): number {
  return typeof max_tokens === 'number' ? max_tokens : DEFAULT_TOKENS;
}

function stopsOf({ stop }: ChatBody): readonly string[] {
  return Array.isArray(stop) ? stop.map(String) : [];
}

class Overflow extends Error {}

/** The response with a body that fails once it is longer than any honest one. */
function limited(response: Response, most: number): Response {
  if (!response.body) return response;
  let bytes = 0;
  const body = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength;
        if (bytes > most) controller.error(new Overflow(`a reply of more than ${most} bytes`));
        else controller.enqueue(chunk);
      },
    }),
  );
  return new Response(body, response);
}
