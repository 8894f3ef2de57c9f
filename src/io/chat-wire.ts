import http from 'node:http';
import https from 'node:https';

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

/** A reply that is longer than it may be. */
export class WireOverflow extends Error {}

/**
 * HTTP with connections that are kept open, given as a `fetch` gives it. It sends the headers it is told and no others, and
 * follows no redirection: where photos and keys go is for the user to decide. The global `fetch` copies a body of this size
 * several times over.
 */
export class Wire {
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  };

  /** @throws Error of the connection; the body's stream fails with {@link WireOverflow} */
  fetch(
    address: string,
    { method, headers, body, signal, mostBytes }: WireRequest,
  ): Promise<Response> {
    const url = new URL(address);
    const secure = url.protocol === 'https:';
    const length = body?.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return new Promise((resolve, reject) => {
      const request = (secure ? https : http).request(url, {
        method,
        headers: {
          ...headers,
          ...(length !== undefined && { 'content-length': length }),
        },
        agent: this.#agents[secure ? 'https:' : 'http:'],
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
}

/** @throws Error of a status or a header that no response may have */
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

/** The pieces as they come; who reads slowly slows the connection down. */
function bodyOf(message: http.IncomingMessage, mostBytes: number): ReadableStream<Uint8Array> {
  const isStream = message.headers['content-type']?.startsWith('text/event-stream') ?? false;
  const mostInLine = isStream ? Math.min(LONGEST_LINE, mostBytes) : mostBytes;
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
      };
      message.on('data', (chunk: Buffer) => {
        if (!open) return;
        bytes += chunk.byteLength;
        const lineEnd = chunk.lastIndexOf(LINE_FEED);
        inLine = lineEnd < 0 ? inLine + chunk.byteLength : chunk.byteLength - lineEnd - 1;
        if (bytes > mostBytes) fail(new WireOverflow(`a reply of more than ${mostBytes} bytes`));
        else if (inLine > mostInLine) fail(new WireOverflow(`a line of ${inLine} bytes`));
        else controller.enqueue(chunk);
        if (open && (controller.desiredSize ?? 0) <= 0) message.pause();
      });
      message.on('end', () => {
        if (open) controller.close();
        open = false;
      });
      message.on('error', fail);
      message.on('close', () =>
        fail(new Error('the connection was cut in the middle of the reply')),
      );
    },
    pull: () => {
      message.resume();
    },
    cancel: () => {
      open = false;
      message.destroy();
    },
  });
}
