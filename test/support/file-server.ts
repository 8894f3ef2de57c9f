import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on this machine that remembers what it was asked. */
export class FileServer {
  readonly asked: { readonly path: string; readonly headers: IncomingMessage['headers'] }[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param answers by path; the n-th question for a path gets the n-th answer, later ones the last */
  static async open(
    answers: Readonly<Record<string, readonly Answer[]>>,
    tls?: { readonly key: string; readonly cert: string },
  ): Promise<FileServer> {
    const counts = new Map<string, number>();
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      const path = request.url ?? '/';
      opened.asked.push({ path, headers: request.headers });
      const bare = path.replace(/\?.*$/, '');
      const list = answers[bare] ?? [status(404)];
      const count = counts.get(bare) ?? 0;
      counts.set(bare, count + 1);
      list[Math.min(count, list.length - 1)]!(request, response);
    };
    const server = tls ? createSecureServer(tls, listener) : createServer(listener);
    const opened = new FileServer(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return opened;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ranges that were asked for, `-` where none was. */
  get ranges(): string[] {
    return this.asked.map(({ headers }) => headers.range ?? '-');
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** Nothing but a status. */
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  (_, response) => {
    response.writeHead(code, headers).end();
  };

/** The file, or the part of it that was asked for. */
export const whole =
  (bytes: Uint8Array): Answer =>
  (request, response) => {
    part(bytes, request, response);
    response.end(bytes.subarray(startOf(request)));
  };

/** The next `count` bytes, then the connection breaks. */
export const cut =
  (bytes: Uint8Array, count: number): Answer =>
  (request, response) => {
    part(bytes, request, response);
    const start = startOf(request);
    response.write(bytes.subarray(start, start + count), () => response.socket?.destroy());
  };

/** The next `count` bytes, then silence. */
export const stall =
  (bytes: Uint8Array, count: number): Answer =>
  (request, response) => {
    part(bytes, request, response);
    const start = startOf(request);
    response.write(bytes.subarray(start, start + count));
  };

/** The file from its first byte, whatever was asked for. */
export const fromTheStart =
  (bytes: Uint8Array): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  };

function startOf({ headers }: IncomingMessage): number {
  return Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
}

function part(bytes: Uint8Array, request: IncomingMessage, response: ServerResponse): void {
  const start = startOf(request);
  const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  response.writeHead(start > 0 ? 206 : 200, {
    'content-length': bytes.length - start,
    ...(start > 0 && { 'content-range': range }),
  });
}
