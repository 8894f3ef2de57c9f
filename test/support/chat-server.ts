import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the Chat Completions API has it, with what the tests look at. */
export interface SentBody {
  readonly model: string;
  readonly stream?: boolean;
  readonly stop?: readonly string[];
  readonly max_tokens?: number;
  readonly continue_final_message?: boolean;
  readonly add_generation_prompt?: boolean;
  readonly messages: readonly {
    readonly role: string;
    readonly content:
      | string
      | readonly {
          readonly type: string;
          readonly text?: string;
          readonly image_url?: { readonly url: string };
        }[];
  }[];
  readonly [field: string]: unknown;
}

/** What the server does with one request. */
export type Reaction =
  | {
      readonly kind: 'text';
      readonly text: string;
      readonly finish?: 'stop' | 'length';
      readonly logprob?: number;
      readonly uncounted?: boolean;
    }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Nothing ever comes; or nothing more after the first piece. */
  | { readonly kind: 'stall'; readonly afterPiece?: boolean }
  /** The connection is cut; or after the first piece. */
  | { readonly kind: 'cut'; readonly afterPiece?: boolean }
  | { readonly kind: 'raw'; readonly type: string; readonly body: string }
  /** Pieces without end, whatever `max_tokens` says. */
  | { readonly kind: 'endless' };

export interface ChatServerOptions {
  readonly latencyMs?: number;
  /** Honours `continue_final_message`; by default yes. */
  readonly continues?: boolean;
  /** Honours `stop`; by default yes. */
  readonly stops?: boolean;
}

/** A server on loopback that speaks the API over real HTTP and does as a script says. */
export interface TestChatServer {
  /** Root of the API. */
  readonly url: string;
  /** Every request that came, in order. */
  readonly bodies: SentBody[];
  readonly headers: IncomingMessage['headers'][];
  /** Requests under way now, and the most there were. */
  readonly load: { now: number; most: number };
  close(): Promise<void>;
}

const COUNT_PROBE = '1 2 3 4';

/** The last message's text, and the text of all. */
export function textOf(body: SentBody): string {
  return body.messages
    .map(({ content }) =>
      typeof content === 'string' ? content : content.map((part) => part.text ?? '').join(''),
    )
    .join('\n');
}

/** Whether this is the question that finds out what the server can do. */
function isProbe(body: SentBody): boolean {
  return body.messages.at(-1)?.content === COUNT_PROBE;
}

/** Whether the boxes of the tools are told. */
export const isSecond = (body: SentBody): boolean => textOf(body).includes('reftool_1": "[');

export async function startChatServer(
  react: (body: SentBody, index: number) => Reaction,
  { latencyMs = 0, continues = true, stops = true }: ChatServerOptions = {},
): Promise<TestChatServer> {
  const bodies: SentBody[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const load = { now: 0, most: 0 };
  const server = createServer((request, response) => {
    load.now += 1;
    load.most = Math.max(load.most, load.now);
    response.on('close', () => {
      load.now -= 1;
    });
    void readBody(request).then(async (text) => {
      if (request.url === '/v1/models') {
        const alive = react({ model: 'models', messages: [] }, -1);
        if (alive.kind === 'status') fail(response, alive);
        else if (alive.kind === 'cut') response.destroy();
        else json(response, { object: 'list', data: [{ id: 'test-model' }] });
        return;
      }
      const body = JSON.parse(text) as SentBody;
      headers.push(request.headers);
      bodies.push(body);
      const index = bodies.length - 1;
      if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs));
      const reaction = isProbe(body) ? probed(continues) : react(body, index);
      await respond(response, body, cutAtStop(reaction, body, stops));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    bodies,
    headers,
    load,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function probed(continues: boolean): Reaction {
  return { kind: 'text', text: continues ? ' 5 6 7 8 9' : '1 2 3 4 5 6 7 8 9' };
}

function cutAtStop(reaction: Reaction, { stop = [] }: SentBody, stops: boolean): Reaction {
  if (reaction.kind !== 'text' || !stops) return reaction;
  const ends = stop.map((word) => reaction.text.indexOf(word)).filter((at) => at >= 0);
  return ends.length === 0
    ? reaction
    : { ...reaction, text: reaction.text.slice(0, Math.min(...ends)) };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

async function respond(
  response: ServerResponse,
  body: SentBody,
  reaction: Reaction,
): Promise<void> {
  switch (reaction.kind) {
    case 'text':
      return body.stream ? streamed(response, reaction) : whole(response, reaction);
    case 'status':
      return fail(response, reaction);
    case 'raw':
      response.writeHead(200, { 'content-type': reaction.type });
      response.end(reaction.body);
      return;
    case 'stall':
      if (reaction.afterPiece) begin(response, body);
      return;
    case 'cut':
      if (reaction.afterPiece) {
        begin(response, body);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      response.destroy();
      return;
    case 'endless':
      return endless(response, body);
  }
}

type TextReaction = Extract<Reaction, { kind: 'text' }>;

function usageOf(text: string): Record<string, number> {
  const completion = Math.ceil(text.length / 4);
  return { prompt_tokens: 100, completion_tokens: completion, total_tokens: 100 + completion };
}

function whole(
  response: ServerResponse,
  { text, finish = 'stop', logprob, uncounted }: TextReaction,
): void {
  json(response, {
    id: 'chat-1',
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text },
        finish_reason: finish,
        ...(logprob !== undefined && { logprobs: { content: [{ token: text, logprob }] } }),
      },
    ],
    ...(!uncounted && { usage: usageOf(text) }),
  });
}

function streamed(
  response: ServerResponse,
  { text, finish = 'stop', logprob, uncounted }: TextReaction,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  const pieces = text.match(/[\s\S]{1,24}/g) ?? [''];
  for (const piece of pieces) {
    const logprobs =
      logprob === undefined ? {} : { logprobs: { content: [{ token: piece, logprob }] } };
    response.write(
      event({
        choices: [{ index: 0, delta: { content: piece }, finish_reason: null, ...logprobs }],
      }),
    );
  }
  response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: finish }] }));
  if (!uncounted) response.write(event({ choices: [], usage: usageOf(text) }));
  response.end('data: [DONE]\n\n');
}

function begin(response: ServerResponse, { stream }: SentBody): void {
  response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
  const piece = { choices: [{ index: 0, delta: { content: '<think>' }, finish_reason: null }] };
  response.write(stream ? event(piece) : '{"choices": [{"mess');
}

async function endless(response: ServerResponse, { stream }: SentBody): Promise<void> {
  response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
  if (!stream) response.write('{"choices": [{"message": {"content": "');
  const piece = stream
    ? event({ choices: [{ index: 0, delta: { content: 'and again ' }, finish_reason: null }] })
    : 'and again '.repeat(1000);
  while (!response.destroyed) {
    const room = response.write(piece);
    await new Promise((resolve) =>
      room ? setImmediate(resolve) : response.once('drain', resolve).once('close', resolve),
    );
  }
}

function fail(
  response: ServerResponse,
  { status, message = 'injected', headers = {} }: Extract<Reaction, { kind: 'status' }>,
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ error: { message, type: 'test' } }));
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
