import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ChatError } from '../../src/vlm/error.js';
import { answerOfReply } from '../../src/vlm/reply-parts.js';
import { type ChatServer, ChatTransport } from '../../src/vlm/transport.js';
import { hasOpenssl, localCertificate, startProxy } from '../support/tls.js';

const open: { close(): unknown }[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const part of open.splice(0)) await part.close();
});

const REPLY = JSON.stringify({
  choices: [{ message: { role: 'assistant', content: 'a box' }, finish_reason: 'stop' }],
});
const EVENTS = ['a ', 'box']
  .map((content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`)
  .concat('data: [DONE]\n\n')
  .join('');

const answer: RequestListener = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(REPLY);
};

async function serve(
  listener: RequestListener,
  tls?: { readonly key: string; readonly cert: string },
): Promise<number> {
  const server = tls ? createSecureServer(tls, listener) : createServer(listener);
  server.on('connection', (socket) => socket.unref());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
  return (server.address() as AddressInfo).port;
}

function send(url: string, changes: Partial<ChatServer> = {}, signal?: AbortSignal) {
  const transport = new ChatTransport({
    ...{ url, stream: false, timeoutMs: 5000, idleMs: 5000 },
    ...changes,
  });
  const body = JSON.stringify({ model: 'm', messages: [], max_tokens: 64 });
  return transport.send([Buffer.from(body)], { maxTokens: 64, stops: [] }, signal);
}

const errorOf = (work: Promise<unknown>): Promise<ChatError> =>
  work.then(
    () => Promise.reject(new Error('expected an error')),
    (thrown) => {
      expect(thrown).toBeInstanceOf(ChatError);
      return thrown;
    },
  );

describe('a reply that was packed on its way', () => {
  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['identity', (text: string) => Buffer.from(text)],
  ])('is unpacked: %s', async (coding, pack) => {
    const port = await serve((request, response) => {
      const stream = request.headers.accept !== 'application/json';
      const type = stream ? 'text/event-stream' : 'application/json';
      response.writeHead(200, { 'content-type': type, 'content-encoding': coding });
      response.end(pack(stream ? EVENTS : REPLY));
    });
    const { reply } = await send(`http://127.0.0.1:${port}/v1`);
    expect(reply.text).toBe('a box');
  });

  it('is unpacked in pieces as they come', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      const packed = gzipSync(EVENTS);
      response.write(packed.subarray(0, 30));
      setTimeout(() => response.end(packed.subarray(30)), 30);
    });
    const { reply } = await send(`http://127.0.0.1:${port}/v1`, { stream: true });
    expect(reply.text).toBe('a box');
  });

  it('is cut off by what it unpacks to', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 ** 2, ' '));
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(bomb);
    });
    const { reply } = await send(`http://127.0.0.1:${port}/v1`);
    expect(reply).toEqual({ text: '', finish: 'length' });
  });

  it.each([
    ['cut short', 'gzip', gzipSync(REPLY).subarray(0, 20), /unexpected end of file/],
    ['not packed as it says', 'gzip', Buffer.from(REPLY), /incorrect header check/],
    ['packed in another way', 'zstd', Buffer.from(REPLY), /got the content-encoding `zstd`/],
  ])('is told where it is %s', async (_name, coding, body, message) => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding });
      response.end(body);
    });
    const error = await errorOf(send(`http://127.0.0.1:${port}/v1`));
    expect(error).toMatchObject({ kind: 'again', message: expect.stringMatching(message) });
  });
});

describe('a reply is read by what it is', () => {
  const kinds = [
    ['events called JSON', 'application/json', EVENTS],
    ['events behind a comment', 'text/plain', `: wait\n\n${EVENTS}`],
    ['events without a label', undefined, `\ufeff${EVENTS}`],
    ['JSON called events', 'text/event-stream', REPLY],
    ['JSON called a page, behind signs of life', 'text/html', `\n\n \n${REPLY}`],
  ] as const;

  it.each(kinds)('%s', async (_name, type, body) => {
    const port = await serve((_request, response) => {
      response.writeHead(200, type && { 'content-type': type }).end(body);
    });
    const { reply } = await send(`http://127.0.0.1:${port}/v1`, { stream: true });
    expect(reply.text).toBe('a box');
  });

  it('and any bytes of a stream are a sign of life', async () => {
    const port = await serve((_request, response) => {
      const [first, ...rest] = EVENTS.split('\n\n').map((event) => `${event}\n\n`);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(first);
      let left = 8;
      const timer = setInterval(() => {
        if (left-- > 0) response.write(': wait\n\n');
        else response.end(rest.join(''), () => clearInterval(timer));
      }, 50);
    });
    const { reply } = await send(`http://127.0.0.1:${port}/v1`, { stream: true, idleMs: 200 });
    expect(reply.text).toBe('a box');
  });

  it.each([
    ['without a text', { message: { content: '' }, finish_reason: 'stop' }, 'again', /empty/],
    ['with a refusal', { message: { content: null, refusal: 'I will not' } }, 'item', /I will not/],
    ['that a filter took', { message: { content: '' }, finish_reason: 'SAFETY' }, 'item', /SAFETY/],
    [
      'that ended in an error',
      { message: { content: '[1, 2' }, finish_reason: 'network_error' },
      'again',
      /network_error/,
    ],
  ])('and one %s is no answer', async (_name, choice, kind, message) => {
    const port = await serve((_request, response) => {
      response.end(
        JSON.stringify({ choices: [choice], usage: { prompt_tokens: 9, completion_tokens: 0 } }),
      );
    });
    const error = await errorOf(send(`http://127.0.0.1:${port}/v1`));
    expect(error).toMatchObject({ kind, message: expect.stringMatching(message) });
  });

  it.each(['stop', 'end_turn', 'STOP', 'eos_token', null])(
    'and ends whole with %s',
    async (reason) => {
      const port = await serve((_request, response) => {
        response.end(
          JSON.stringify({ choices: [{ message: { content: 'x' }, finish_reason: reason }] }),
        );
      });
      const { reply } = await send(`http://127.0.0.1:${port}/v1`);
      expect(reply.finish).toBe('stop');
    },
  );

  it.each(['length', 'MAX_TOKENS', 'abort', 'content_filter', 'model_length', 'odd'])(
    'and is cut off with %s',
    async (reason) => {
      const port = await serve((_request, response) => {
        response.end(
          JSON.stringify({ choices: [{ message: { content: 'x' }, finish_reason: reason }] }),
        );
      });
      const { reply } = await send(`http://127.0.0.1:${port}/v1`);
      expect(reply.finish).toBe('length');
    },
  );

  it.each([
    ['reasoning_content', 'I must write <answer>[1]</answer>'],
    ['reasoning', 'so <answer>[1]</answer>'],
    ['thinking', 'so [1]'],
    ['reasoning_details', [{ type: 'reasoning.text', text: 'so <answer>[1]</answer>' }]],
  ])('and its thought may have a field: %s', async (field, thought) => {
    const port = await serve((_request, response) => {
      response.end(
        JSON.stringify({ choices: [{ message: { content: '[2]', [field]: thought } }] }),
      );
    });
    const { reply } = await send(`http://127.0.0.1:${port}/v1`);
    expect(answerOfReply(reply.text).answer).toBe('[2]');
    expect(reply.text).toMatch(/^<think>.*so.*<\/think>|^<think>I must/);
  });
});

describe('an address with a query, and headers', () => {
  it('go with each request, and into no message', async () => {
    const seen: unknown[] = [];
    const port = await serve((request, response) => {
      seen.push(request.url, request.headers['api-key'], request.headers.authorization);
      response.writeHead(400).end('{"error": "no: secret-of-azure, secret-of-query"}');
    });
    const error = await errorOf(
      send(`http://127.0.0.1:${port}/deployments/d`, {
        query: '?api-version=2024-10-21&sig=secret-of-query',
        headers: { 'api-key': 'secret-of-azure' },
      }),
    );
    expect(seen).toEqual([
      '/deployments/d/chat/completions?api-version=2024-10-21&sig=secret-of-query',
      'secret-of-azure',
      undefined,
    ]);
    expect(error.message).toBe('status 400: no: [key], [key]');
  });
});

describe('a proxy', () => {
  it('is handed plain http, with its own credentials', async () => {
    const proxy = await startProxy(answer);
    open.push(proxy);
    const { reply } = await send('http://box.example:8000/v1', {
      key: 'sk-secret-123',
      proxy: new URL(`http://me:pass%20word@127.0.0.1:${proxy.port}`),
    });
    expect(reply.text).toBe('a box');
    expect(proxy.carried).toHaveLength(1);
    expect(proxy.carried[0]).toMatchObject({
      to: 'http://box.example:8000/v1/chat/completions',
      headers: {
        host: 'box.example:8000',
        authorization: 'Bearer sk-secret-123',
        'proxy-authorization': `Basic ${Buffer.from('me:pass word').toString('base64')}`,
      },
    });
  });

  it('refuses plain http without a word of the key', async () => {
    const proxy = await startProxy((_request, response) => {
      response.writeHead(407, { 'content-type': 'text/html' }).end('who are you?');
    });
    open.push(proxy);
    const error = await errorOf(
      send('http://box.example/v1', { proxy: new URL(`http://127.0.0.1:${proxy.port}`) }),
    );
    expect(error).toMatchObject({ kind: 'refused', message: expect.stringContaining('407') });
  });

  it.skipIf(!hasOpenssl)('opens a way for https, and reads nothing of it', async () => {
    const keys: unknown[] = [];
    const port = await serve((request, response) => {
      keys.push(request.headers.authorization, request.headers['proxy-authorization']);
      answer(request, response);
    }, localCertificate());
    const proxy = await startProxy();
    open.push(proxy);
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const through = { key: 'sk-secret-123', proxy: new URL(`http://a:b@127.0.0.1:${proxy.port}`) };
    const { reply } = await send(`https://localhost:${port}/v1`, through);
    expect(reply.text).toBe('a box');
    expect(proxy.carried).toHaveLength(1);
    expect(proxy.carried[0]!.to).toBe(`localhost:${port}`);
    expect(proxy.carried[0]!.headers.authorization).toBeUndefined();
    expect(keys).toEqual(['Bearer sk-secret-123', undefined]);
  });
});

/** A proxy that lets `onConnect` do with a request for a tunnel what it likes. */
async function proxyThat(
  onConnect: (socket: Duplex) => void,
  tls?: { readonly key: string; readonly cert: string },
): Promise<{ readonly url: URL; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = tls ? createSecureServer(tls, answer) : createServer(answer);
  server.on('request', (request) => asked.push(request.url ?? ''));
  server.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    socket.on('error', () => undefined);
    onConnect(socket);
    open.push({ close: () => socket.destroy() });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => server.close() });
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`${tls ? 'https' : 'http'}://localhost:${port}`), asked };
}

describe('a proxy that opens no way', () => {
  it.each<[string, (socket: Duplex) => void]>([
    ['takes the request and says nothing', () => undefined],
    ['agrees and says nothing more', (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n')],
  ])('is given up at the time limit: it %s', async (_name, onConnect) => {
    const proxy = await proxyThat(onConnect);
    const start = performance.now();
    const error = await errorOf(
      send('https://box.example/v1', { proxy: proxy.url, timeoutMs: 300 }),
    );
    expect(error).toMatchObject({ kind: 'again', message: 'no whole reply in 0.3 s' });
    expect(performance.now() - start).toBeLessThan(3000);
    expect(proxy.asked).toEqual(['box.example:443']);
  });

  it('is told with its status', async () => {
    const proxy = await proxyThat((socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
    const error = await errorOf(send('https://box.example/v1', { proxy: proxy.url }));
    expect(error).toMatchObject({
      kind: 'again',
      message: `the proxy \`${proxy.url.host}\` refuses a tunnel to \`box.example:443\` with status 403`,
    });
  });

  it('is left when the run is stopped', async () => {
    const proxy = await proxyThat(() => undefined);
    const stop = new AbortController();
    const start = performance.now();
    setTimeout(() => stop.abort(), 50);
    const error = await errorOf(send('https://box.example/v1', { proxy: proxy.url }, stop.signal));
    expect(error).toMatchObject({ kind: 'again', message: 'the run was stopped' });
    expect(performance.now() - start).toBeLessThan(3000);
  });
});

describe('a proxy that is reached over TLS', () => {
  it.skipIf(!hasOpenssl)('is handed plain http', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const proxy = await proxyThat(() => undefined, localCertificate());
    const { reply } = await send('http://box.example/v1', { proxy: proxy.url });
    expect(reply.text).toBe('a box');
    expect(proxy.asked).toEqual(['http://box.example/v1/chat/completions']);
  });
});

describe('an address', () => {
  it.skipIf(!hasOpenssl)('is told at once where its certificate is not trusted', async () => {
    const asked = vi.fn(answer);
    const port = await serve(asked, localCertificate());
    const error = await errorOf(send(`https://localhost:${port}/v1`, { key: 'sk-secret-123' }));
    expect(error).toMatchObject({
      kind: 'unsafe',
      message: 'its certificate is not trusted: self-signed certificate',
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
    expect(asked).not.toHaveBeenCalled();
  });

  it('is told at once where nobody speaks TLS', async () => {
    const port = await serve(answer);
    const error = await errorOf(send(`https://127.0.0.1:${port}/v1`));
    expect(error).toMatchObject({ kind: 'unsafe', hint: expect.stringContaining('http://') });
  });

  it.each([
    ['', '/v1`'],
    ['/v1/chat/completions', 'without `/chat/completions`'],
  ])('that is not the root of the API is told with what may be meant: %j', async (path, hint) => {
    const port = await serve((_request, response) => {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
    });
    const error = await errorOf(send(`http://127.0.0.1:${port}${path}`));
    expect(error).toMatchObject({ kind: 'refused', hint: expect.stringContaining(hint) });
  });
});

describe('an error', () => {
  it.each([
    ['of OpenAI and newer vLLM', { error: { message: 'too long', code: 400 } }],
    ['of vLLM and SGLang', { object: 'error', message: 'too long', type: 'Bad', code: 400 }],
    ['of FastAPI', { detail: 'too long' }],
    ['of FastAPI about a field', { detail: [{ loc: ['body'], msg: 'too long' }] }],
    ['of Ollama', { error: 'too long' }],
    ['of Gemini, in a list', [{ error: { code: 400, message: 'too long', status: 'BAD' } }]],
    ['of DashScope', { code: 'InvalidParameter', message: 'too long', request_id: 'x' }],
    ['of Apigee', { fault: { faultstring: 'too long', detail: { errorcode: 'x' } } }],
    ['of a page', '<h1>too long</h1>'],
    ['of a page with a title', '<html>\r\n<title>too\r\nlong</title><body>x</body></html>'],
  ])('is told in the words of the server: %s', async (_name, body) => {
    const port = await serve((_request, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    const error = await errorOf(send(`http://127.0.0.1:${port}/v1`));
    expect(error).toMatchObject({
      kind: 'item',
      message: expect.stringMatching(/^status 400: .*too long/),
    });
  });

  it.each([
    ['an error that is a string', 'application/json', { error: 'it has ended' }],
    ['an object that says error', 'application/json', { object: 'error', message: 'it has ended' }],
    ['JSON labelled as events', 'text/event-stream', { error: { message: 'it has ended' } }],
    [
      'a choice that failed',
      'application/json',
      { choices: [{ finish_reason: 'error', error: { code: 502, message: 'it has ended' } }] },
    ],
  ])('is told where it comes with status 200: %s', async (_name, type, body) => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': type }).end(JSON.stringify(body));
    });
    const error = await errorOf(send(`http://127.0.0.1:${port}/v1`));
    expect(error).toMatchObject({
      kind: 'again',
      message: expect.stringContaining('it has ended'),
    });
  });

  it.each([
    [413, '<title>413 Request Entity Too Large</title>', /--vlm-max-pixels/],
    [400, "Unsupported parameter: 'max_tokens'.", /"max_tokens": null, "max_completion_tokens"/],
    [400, 'Unknown name "repetition_penalty": Cannot find field.', /"repetition_penalty": null/],
  ])('comes with what to try: %s %s', async (status, message, hint) => {
    const port = await serve((_request, response) => {
      response
        .writeHead(status)
        .end(status === 413 ? message : JSON.stringify({ error: { message } }));
    });
    const error = await errorOf(send(`http://127.0.0.1:${port}/v1`));
    expect(error.hint).toMatch(hint);
  });

  it.each([
    [429, 'again'],
    [402, 'refused'],
    [undefined, 'again'],
  ])('may come as a reply of status 200: %s', async (code, kind) => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: 'not now, sk-secret-123', code } }));
    });
    const error = await errorOf(send(`http://127.0.0.1:${port}/v1`, { key: 'sk-secret-123' }));
    expect(error).toMatchObject({ kind, message: expect.stringContaining('not now, [key]') });
  });
});

describe('the key', () => {
  const key = 'sk-+secret/"1234';

  it.each([
    ['as it is', key],
    ['as it stands in an address', encodeURIComponent(key)],
  ])('is taken out of replies, %s', async (_name, echoed) => {
    const port = await serve((_request, response) => {
      const content = `I was sent ${echoed} and see a box`;
      const half = content.length / 2;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const piece of [content.slice(0, half), content.slice(half)]) {
        response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: piece } }] })}\n\n`);
      }
      response.end('data: [DONE]\n\n');
    });
    const { reply } = await send(`http://127.0.0.1:${port}/v1`, { key, stream: true });
    expect(reply.text).toBe('I was sent [key] and see a box');
  });

  it('is taken out of pages and content types', async () => {
    const port = await serve((_request, response) => {
      const page = `<p>authorization: Bearer ${key}</p>`;
      response.writeHead(200, { 'content-type': `text/${encodeURIComponent(key)}` }).end(page);
    });
    const { message } = await errorOf(send(`http://127.0.0.1:${port}/v1`, { key }));
    expect(message).toBe('expected JSON or events, got text/[key]: authorization: Bearer [key]');
  });

  it('leaves replies alone where it is but a word', async () => {
    const port = await serve((_request, response) => {
      const reply = { choices: [{ message: { content: 'there are none' } }] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
    });
    const { reply } = await send(`http://127.0.0.1:${port}/v1`, { key: 'none' });
    expect(reply.text).toBe('there are none');
  });
});
