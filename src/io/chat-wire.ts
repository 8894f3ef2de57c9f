import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { quoted } from '../formats/fault.js';
import { credentialsFor, tunnel } from './proxy.js';

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
export class WireOverflow extends Error {}

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
