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
        resolve(
          new Response(bodyOf(message, mostBytes), {
            status: message.statusCode ?? 502,
            headers: headersOf(message),
          }),
        );
      });
      for (const piece of body ?? []) request.write(piece);
      request.end();
    });
  }
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
  let bytes = 0;
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
        if (bytes > mostBytes) fail(new WireOverflow(`a reply of more than ${mostBytes} bytes`));
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
