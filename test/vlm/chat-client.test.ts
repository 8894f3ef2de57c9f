import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ReplyCache } from '../../src/vlm/cache.js';
import { ChatClient, type ChatSettings } from '../../src/vlm/client.js';
import type { ChatRequest } from '../../src/vlm/conversation.js';
import {
  type ChatServerOptions,
  type Reaction,
  type SentBody,
  startChatServer,
  type TestChatServer,
} from '../support/chat-server.js';

/** An address at which no server listens: a port that was just given back. */
async function deserted(): Promise<string> {
  const server = await startChatServer(() => TEXT);
  await server.close();
  return server.url;
}

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

async function serve(
  react: (body: SentBody, index: number) => Reaction,
  options?: ChatServerOptions,
): Promise<TestChatServer> {
  const server = await startChatServer(react, options);
  open.push(server);
  return server;
}

const UNLIMITED = Number.POSITIVE_INFINITY;

function client(url: string, changes: Partial<ChatSettings> = {}): ChatClient {
  const made = new ChatClient({
    url,
    stream: true,
    timeoutMs: 200_000,
    idleMs: 200_000,
    model: 'test-model',
    logProbabilities: false,
    extra: {},
    concurrency: 8,
    requestsPerMinute: UNLIMITED,
    tokensPerMinute: UNLIMITED,
    attempts: 3,
    backoffMs: 10,
    maxRequests: UNLIMITED,
    maxTokens: UNLIMITED,
    ...changes,
  });
  open.push(made);
  return made;
}

function request(text = 'hello', changes: Partial<ChatRequest> = {}): ChatRequest {
  return {
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          { type: 'text', text },
        ],
      },
    ],
    maxTokens: 64,
    continues: false,
    ...changes,
  };
}

const TEXT: Reaction = { kind: 'text', text: 'four boxes of nothing' };
const DOWN: Reaction = { kind: 'status', status: 500 };
/** Fails on the first request, then answers. */
const once =
  (error: Reaction) =>
  (_body: SentBody, index: number): Reaction =>
    index === 0 ? error : TEXT;

describe.each([{ stream: true }, { stream: false }])('a reply, stream: $stream', ({ stream }) => {
  it('comes whole, with its tokens counted', async () => {
    const server = await serve(() => TEXT);
    const asked = client(server.url, { stream });
    await expect(asked.chat(request())).resolves.toEqual({
      text: 'four boxes of nothing',
      finish: 'stop',
    });
    expect(asked.report()).toEqual({
      requests: 1,
      cached: 0,
      retries: 0,
      prompt_tokens: 100,
      completion_tokens: 6,
      estimated: 0,
    });
    expect(server.bodies[0]).toMatchObject({ model: 'test-model', max_tokens: 64, temperature: 0 });
    expect(server.bodies[0]).not.toHaveProperty('continue_final_message');
    expect(server.bodies[0]?.stream).toBe(stream || undefined);
  });

  it.each([
    [
      'in pieces with an end, but no reason for it',
      'data: {"choices":[{"delta":{"content":"a box"}}]}',
    ],
    [
      'in pieces of parts',
      'data: {"choices":[{"delta":{"content":[{"type":"text","text":"a box"}]}}]}',
    ],
  ])('may come %s', async (_name, event) => {
    const body = `: a sign of life\r\n\r\n${event}\r\n\r\ndata: [DONE]\r\n\r\n`;
    const server = await serve(() => ({ kind: 'raw', type: 'text/event-stream', body }));
    const asked = client(server.url);
    expect(await asked.chat(request())).toMatchObject({ text: 'a box', finish: 'stop' });
    expect(asked.report()).toMatchObject({ requests: 1, retries: 0 });
  });

  it.each([
    ['of parts', '{"content":[{"type":"text","text":"a "},{"type":"text","text":"box"}]}', 'a box'],
    ['that only calls a tool', '{"tool_calls":[{"type":"function","function":{"name":"f"}}]}', ''],
  ])('may come whole, as one %s', async (_name, message, text) => {
    const body = `{"choices":[{"message":${message}}]}`;
    const server = await serve(() => ({ kind: 'raw', type: 'application/json', body }));
    const asked = client(server.url, { stream: false });
    expect(await asked.chat(request())).toMatchObject({ text });
    expect(asked.report()).toMatchObject({ requests: 1, retries: 0 });
  });

  it('carries the mean probability of its tokens where it is asked for', async () => {
    const server = await serve(() => ({ ...TEXT, logprob: Math.log(0.25) }) as Reaction);
    const { confidence } = await client(server.url, { stream, logProbabilities: true }).chat(
      request(),
    );
    expect(confidence).toBeCloseTo(0.25);
    expect(server.bodies[0]).toMatchObject({ logprobs: true });
  });

  it('has its tokens estimated where the server does not count', async () => {
    const server = await serve(() => ({ ...TEXT, uncounted: true }) as Reaction);
    const asked = client(server.url, { stream });
    await asked.chat(request());
    expect(asked.report()).toMatchObject({ estimated: 1, completion_tokens: 6 });
    expect(asked.report().prompt_tokens).toBeGreaterThan(1000);
  });

  it.each<[string, Reaction]>([
    ['408', { kind: 'status', status: 408 }],
    ['500', DOWN],
    ['503', { kind: 'status', status: 503 }],
    ['204, which has no body', { kind: 'status', status: 204 }],
    ['999, which is no status', { kind: 'status', status: 999 }],
    ['a cut connection', { kind: 'cut' }],
    ['a connection cut in the reply', { kind: 'cut', afterPiece: true }],
    ['a stall in the reply', { kind: 'stall', afterPiece: true }],
    ['a stall before it', { kind: 'stall' }],
    ['malformed JSON', { kind: 'raw', type: 'application/json', body: '{"choices": [' }],
    ['malformed events', { kind: 'raw', type: 'text/event-stream', body: 'data: {"cho\n\n' }],
    ['another JSON', { kind: 'raw', type: 'application/json', body: '{"ok": true}' }],
    ['the wrong content type', { kind: 'raw', type: 'text/html', body: '<h1>Bad gateway</h1>' }],
    ['no events', { kind: 'raw', type: 'text/event-stream', body: 'data: [DONE]\n\n' }],
    [
      'an error event',
      {
        kind: 'raw',
        type: 'text/event-stream',
        body: 'data: {"error": {"message": "out of memory"}}\n\n',
      },
    ],
    [
      'an error event with a code that is no status',
      {
        kind: 'raw',
        type: 'text/event-stream',
        body: 'data: {"error": {"message": "out of memory", "code": 2}}\n\n',
      },
    ],
  ])('comes at the second attempt after %s', async (_name, error) => {
    const server = await serve(once(error));
    // What answers, however late, is not to be taken for a stall.
    const patience = error.kind === 'stall' ? { timeoutMs: 1000, idleMs: 400, attempts: 20 } : {};
    const asked = client(server.url, { stream, ...patience });
    const { text } = await asked.chat(request());
    expect(text).toBe('four boxes of nothing');
    const { requests, retries } = asked.report();
    expect(requests).toBe(retries + 1);
    if (error.kind === 'stall') expect(retries).toBeGreaterThanOrEqual(1);
    else expect(retries).toBe(1);
  });

  it('in one line without end is cut off and counts as such', async () => {
    const body = `data: ${'x'.repeat(2 ** 21)}`;
    const server = await serve(() => ({ kind: 'raw', type: 'text/event-stream', body }));
    const asked = client(server.url, { stream });
    const reply = await asked.chat(request('x', { maxTokens: 4096 }));
    expect(reply).toEqual({ text: '', finish: 'length' });
  });

  it('without end is cut off and counts as such, at the first attempt', async () => {
    const server = await serve(() => ({ kind: 'endless' }));
    const asked = client(server.url, { stream });
    const { finish, text } = await asked.chat(request());
    expect(finish).toBe('length');
    expect(text.length).toBeLessThan(64 * 1024);
    expect(asked.report()).toMatchObject({ requests: 1, retries: 0 });
  });
});

describe('waiting', () => {
  it('honours Retry-After, and lets no other request go meanwhile', async () => {
    const at: number[] = [];
    const start = performance.now();
    const server = await serve((_body, index) => {
      at.push(performance.now() - start);
      return index === 0 ? { kind: 'status', status: 429, headers: { 'retry-after': '1' } } : TEXT;
    });
    const asked = client(server.url);
    const first = asked.chat(request('a'));
    await vi.waitFor(() => expect(at).toHaveLength(1), 60_000);
    // Far longer than the answer is under way.
    await new Promise((resolve) => setTimeout(resolve, 400));
    await Promise.all([first, asked.chat(request('b'))]);
    expect(at).toHaveLength(3);
    expect(at[1]).toBeGreaterThanOrEqual(990);
    expect(at[2]).toBeGreaterThanOrEqual(990);
  });

  it('says once what it waits for where that takes long', async () => {
    const server = await serve(() => ({
      kind: 'status',
      status: 429,
      message: 'come \u001b[2Jback',
      headers: { 'retry-after': '600' },
    }));
    const told: string[] = [];
    const asked = client(server.url, { notice: (text) => told.push(text) });
    const replies = ['a', 'b'].map((text) => asked.chat(request(text)).catch(() => undefined));
    await vi.waitFor(() => expect(server.bodies).toHaveLength(2), 60_000);
    await vi.waitFor(() => expect(told).toHaveLength(1));
    expect(told[0]).toBe(
      `waiting 600 s, as ${server.url} asks for: status 429: come \\u001b[2Jback`,
    );
    await asked.close();
    await Promise.all(replies);
  });

  it('keeps requests a minute apart evenly', async () => {
    const at: number[] = [];
    const start = performance.now();
    const server = await serve(() => {
      at.push(performance.now() - start);
      return TEXT;
    });
    const asked = client(server.url, { requestsPerMinute: 600 });
    await Promise.all(['a', 'b', 'c', 'd'].map((text) => asked.chat(request(text))));
    for (const [index, ms] of at.entries()) expect(ms).toBeGreaterThanOrEqual(index * 100 - 5);
  });

  it('never has more under way than it may', async () => {
    const server = await serve(() => TEXT, { latencyMs: 20 });
    const asked = client(server.url, { concurrency: 3 });
    const texts = Array.from({ length: 20 }, (_, index) => String(index));
    await Promise.all(texts.map((text) => asked.chat(request(text))));
    expect(server.load.most).toBe(3);
  });

  it('ends with the run', async () => {
    const server = await serve(() => DOWN);
    const stop = new AbortController();
    const asked = client(server.url, { backoffMs: 60_000, signal: stop.signal });
    const reply = asked.chat(request());
    setTimeout(() => stop.abort(), 100);
    await expect(reply).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE', exit: 3 });
  });

  it('does not end what needs no waiting: the items in flight come to their end', async () => {
    const server = await serve(() => TEXT);
    const asked = client(server.url, { signal: AbortSignal.abort() });
    await expect(asked.chat(request())).resolves.toMatchObject({ finish: 'stop' });
  });
});

describe('giving up', () => {
  it('is for good when the server is gone', async () => {
    const asked = client(await deserted());
    await expect(asked.chat(request())).rejects.toMatchObject({
      code: 'SERVER_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    await expect(asked.chat(request('b'))).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' });
    expect(asked.report().requests).toBe(3);
  });

  it('is for one query where others go well', async () => {
    const server = await serve((body) => (JSON.stringify(body).includes('poison') ? DOWN : TEXT));
    const asked = client(server.url);
    const poisoned = asked.chat(request('poison'));
    const expectation = expect(poisoned).rejects.toMatchObject({
      code: 'REFINEMENT_FAILED',
      exit: 1,
    });
    for (const text of ['a', 'b', 'c']) await asked.chat(request(text));
    await expectation;
    await expect(asked.chat(request('d'))).resolves.toMatchObject({ finish: 'stop' });
  });

  it('is for good when the server goes in the middle, even where others have just been answered', async () => {
    const server = await serve((body, index) => {
      if (index < 0) return { kind: 'cut' };
      return JSON.stringify(body).includes('quick') ? TEXT : { kind: 'cut' };
    });
    const asked = client(server.url, { attempts: 2, backoffMs: 100 });
    const slow = asked.chat(request('slow'));
    const expectation = expect(slow).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' });
    await asked.chat(request('quick'));
    await expectation;
  });

  it('is for one query where the server still stands, twice in a row and no more', async () => {
    const server = await serve((_body, index) => (index < 1 ? TEXT : DOWN));
    const asked = client(server.url, { attempts: 1, concurrency: 1 });
    const codes: string[] = [];
    await asked.chat(request('well'));
    for (const text of ['a', 'b', 'c', 'd']) {
      await asked.chat(request(text)).catch((error: { code: string }) => codes.push(error.code));
    }
    expect(codes).toEqual([
      'REFINEMENT_FAILED',
      'REFINEMENT_FAILED',
      'SERVER_UNAVAILABLE',
      'SERVER_UNAVAILABLE',
    ]);
    expect(server.bodies).toHaveLength(4);
  });

  it.each([401, 403, 404])('is for good and at once after status %i', async (status) => {
    const server = await serve(() => ({ kind: 'status', status }));
    const asked = client(server.url);
    await expect(asked.chat(request())).rejects.toMatchObject({ code: 'SERVER_REFUSED', exit: 3 });
    expect(server.bodies).toHaveLength(1);
  });

  it('does not follow a server elsewhere', async () => {
    const other = await serve(() => TEXT);
    const server = await serve(() => ({
      kind: 'status',
      status: 307,
      headers: { location: `${other.url}/chat/completions?token=secret` },
    }));
    const error = await client(server.url)
      .chat(request())
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'SERVER_REFUSED' });
    expect(error.message).toContain(
      `status 307: it redirects to ${other.url}/chat/completions; redirects are not followed`,
    );
    expect(other.bodies).toHaveLength(0);
  });

  it('is for the query after status 400, and for good where all are refused from the start', async () => {
    const server = await serve(() => ({ kind: 'status', status: 400, message: 'no images here' }));
    const asked = client(server.url);
    const codes: string[] = [];
    for (let index = 0; index < 8; index++) {
      await asked
        .chat(request(String(index)))
        .catch((error: { code: string }) => codes.push(error.code));
    }
    expect(codes.slice(0, 7)).toEqual(new Array(7).fill('REFINEMENT_FAILED'));
    expect(codes[7]).toBe('SERVER_REFUSED');
  });
});

describe('the budget', () => {
  it('ends requests, repeats among them', async () => {
    const server = await serve(once(DOWN));
    const asked = client(server.url, { maxRequests: 3 });
    await asked.chat(request('a'));
    await asked.chat(request('b'));
    await expect(asked.chat(request('c'))).rejects.toMatchObject({ code: 'BUDGET_SPENT', exit: 3 });
    expect(server.bodies).toHaveLength(3);
  });

  it('is kept with requests side by side', async () => {
    const server = await serve(() => TEXT, { latencyMs: 10 });
    const asked = client(server.url, { maxTokens: 3000 });
    await asked.chat(request('first'));
    const texts = Array.from({ length: 40 }, (_, index) => String(index));
    const replies = await Promise.allSettled(texts.map((text) => asked.chat(request(text))));
    const { prompt_tokens, completion_tokens } = asked.report();
    expect(prompt_tokens + completion_tokens).toBeLessThanOrEqual(3000);
    expect(replies.filter(({ status }) => status === 'fulfilled')).toHaveLength(27);
  });

  it.each([
    {},
    { prompt_tokens: null },
    { prompt_tokens: -5, completion_tokens: 5 },
    { prompt_tokens: '9' },
  ])('is kept where the server counts in no numbers: %j', async (usage) => {
    const choices = [{ message: { content: 'x' }, finish_reason: 'stop' }];
    const body = JSON.stringify({ choices, usage });
    const server = await serve(() => ({ kind: 'raw', type: 'application/json', body }));
    const asked = client(server.url, { maxTokens: 2000, stream: false });
    await asked.chat(request('a'));
    await expect(asked.chat(request('b'))).rejects.toMatchObject({ code: 'BUDGET_SPENT' });
    expect(asked.report()).toMatchObject({ requests: 1, estimated: 1, completion_tokens: 1 });
  });

  it('is kept after a question that is much smaller than the others', async () => {
    const server = await serve(
      (body) => {
        const isSmall = JSON.stringify(body).includes('small');
        const usage = { prompt_tokens: isSmall ? 20 : 1300, completion_tokens: 10 };
        const choices = [{ message: { content: 'x' }, finish_reason: 'stop' }];
        const reply = JSON.stringify({ choices, usage });
        return { kind: 'raw', type: 'application/json', body: reply };
      },
      { latencyMs: 10 },
    );
    const asked = client(server.url, { maxTokens: 3000, stream: false });
    await asked.chat(request('', { messages: [{ role: 'user', content: 'a small question' }] }));
    const texts = Array.from({ length: 8 }, (_, index) => String(index));
    await Promise.allSettled(texts.map((text) => asked.chat(request(text))));
    const { prompt_tokens, completion_tokens } = asked.report();
    expect(prompt_tokens + completion_tokens).toBeLessThanOrEqual(3000);
    expect(server.bodies.length).toBeGreaterThan(1);
  });

  it('counts no request that was stopped before it went out', async () => {
    const server = await serve(() => TEXT);
    const stop = new AbortController();
    const asked = client(server.url, { requestsPerMinute: 1, signal: stop.signal });
    await asked.chat(request('first'));
    const others = Promise.allSettled(['a', 'b'].map((text) => asked.chat(request(text))));
    await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort();
    await others;
    expect(server.bodies).toHaveLength(1);
    expect(asked.report().requests).toBe(1);
  });

  it('tells the cost by the prices', async () => {
    const server = await serve(() => TEXT);
    const asked = client(server.url, { pricePrompt: 1000, priceCompletion: 10_000 });
    await asked.chat(request());
    expect(asked.report().cost).toBeCloseTo((100 * 1000 + 6 * 10_000) / 1e6);
  });
});

describe('the cache', () => {
  const folder = (): string => mkdtempSync(join(tmpdir(), 'vgr-chat-'));

  it('answers the same request without the server, in another run', async () => {
    const cache = new ReplyCache(folder(), 'http://a/v1');
    const server = await serve(() => TEXT);
    await client(server.url, { cache }).chat(request());
    const again = client(await deserted(), { cache });
    await expect(again.chat(request())).resolves.toMatchObject({ text: 'four boxes of nothing' });
    expect(again.report()).toMatchObject({ requests: 0, cached: 1 });
    await expect(again.chat(request('other'))).rejects.toMatchObject({
      code: 'SERVER_UNAVAILABLE',
    });
  });

  it('gives no reply of one server as that of another', async () => {
    const path = folder();
    await new ReplyCache(path, 'http://a/v1').put('key', { text: 'x', finish: 'stop' });
    const other = new ReplyCache(path, 'http://b/v1');
    await expect(other.get('key')).resolves.toBeUndefined();
  });

  it('sends a request that is made twice at a time once', async () => {
    const server = await serve(() => TEXT, { latencyMs: 30 });
    const asked = client(server.url);
    await Promise.all([asked.chat(request()), asked.chat(request())]);
    expect(server.bodies).toHaveLength(1);
  });

  it('skips entries that are damaged', async () => {
    const path = folder();
    const cache = new ReplyCache(path, 'http://a/v1');
    await cache.put('abcdef', { text: 'x', finish: 'stop' });
    await expect(cache.get('abcdef')).resolves.toEqual({ text: 'x', finish: 'stop' });
    const { writeFile } = await import('node:fs/promises');
    const [file] = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((each) =>
      each.endsWith('.json'),
    );
    await writeFile(join(path, file!), '{"schema": 2, "te');
    await expect(cache.get('abcdef')).resolves.toBeUndefined();
  });

  it('holds neither key nor picture', async () => {
    const path = folder();
    const server = await serve(() => TEXT);
    await client(server.url, {
      cache: new ReplyCache(path, 'http://a/v1'),
      key: 'sk-secret-123',
    }).chat(request());
    const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    );
    expect(files).toHaveLength(1);
    const text = readFileSync(join(files[0]!.parentPath, files[0]!.name), 'utf8');
    expect(text).not.toMatch(/sk-secret|base64/);
  });
});

describe('the key', () => {
  it('goes to the server as a bearer token, and nothing else of the machine does', async () => {
    const server = await serve(() => TEXT);
    process.env.OPENAI_CUSTOM_HEADERS = 'X-Private: yes';
    try {
      await client(server.url, { key: 'sk-secret-123' }).chat(request());
    } finally {
      delete process.env.OPENAI_CUSTOM_HEADERS;
    }
    const [headers] = server.headers;
    expect(headers).toMatchObject({ authorization: 'Bearer sk-secret-123', 'user-agent': 'vgr' });
    expect(Object.keys(headers!).filter((name) => name.startsWith('x-'))).toEqual([]);
  });

  it('is not sent where there is none', async () => {
    const server = await serve(() => TEXT);
    await client(server.url).chat(request());
    expect(server.headers[0]).not.toHaveProperty('authorization');
  });

  it('is taken out of what a server says', async () => {
    const message = 'bad key sk-secret-123 \u001b[31m';
    const server = await serve(() => ({ kind: 'status', status: 401, message }));
    const error = await client(server.url, { key: 'sk-secret-123' })
      .chat(request())
      .catch((thrown: Error) => thrown.message);
    expect(error).toContain('bad key [key]');
    expect(error).not.toContain('\u001b');
  });
});

it('sends what is asked for, and no field that is taken away', async () => {
  const server = await serve(() => TEXT);
  const extra = { top_k: 1, temperature: null };
  await client(server.url, { extra }).chat(
    request('x', { continues: true, stop: ['</function>'], repetitionPenalty: 1.05 }),
  );
  expect(server.bodies[0]).toMatchObject({
    continue_final_message: true,
    add_generation_prompt: false,
    stop: ['</function>'],
    repetition_penalty: 1.05,
    top_k: 1,
    stream_options: { include_usage: true },
  });
  expect(server.bodies[0]).not.toHaveProperty('temperature');
  await client(server.url, { extra: { stream_options: null } }).chat(request());
  expect(server.bodies[1]).toMatchObject({ stream: true });
  expect(server.bodies[1]).not.toHaveProperty('stream_options');
});

it('sends every picture whole, whatever the words look like', async () => {
  const server = await serve(() => TEXT);
  const { chat } = client(server.url);
  const sent = Array.from({ length: 40 }, (_, index): ChatRequest['messages'] => {
    const url = `data:image/png;base64,${'A'.repeat(1000 + index)}`;
    const second = 'data:image/jpeg;base64,/+9=';
    const words = index % 2 ? `data:image/", "x": "Ä${index}` : `picture-${index}-0- \\u0041`;
    return [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url } },
          { type: 'text', text: words },
          { type: 'image_url', image_url: { url: second } },
        ],
      },
      { role: 'assistant', content: url },
    ];
  });
  await Promise.all(sent.map((messages) => chat(request('', { messages }))));
  const came = server.bodies.map(({ messages }) => JSON.stringify(messages));
  expect(came.sort()).toEqual(sent.map((messages) => JSON.stringify(messages)).sort());
});

it('reads as much as a renamed limit allows', async () => {
  const text = 'word '.repeat(20_000);
  const server = await serve(() => ({ kind: 'text', text }));
  const extra = { max_tokens: null, max_completion_tokens: 16_384 };
  const reply = await client(server.url, { extra, timeoutMs: 10_000 }).chat(request());
  expect(reply).toEqual({ text, finish: 'stop' });
});

it('stops by itself where the server ignores stop strings', async () => {
  const text = '<think>a</think><function>get()</function><tool>made up</tool>'.padEnd(3000, '.');
  const server = await serve(() => ({ kind: 'text', text }), { stops: false });
  const reply = await client(server.url).chat(
    request('x', { stop: ['</function>', '<tool>'], maxTokens: 1024 }),
  );
  expect(reply).toEqual({ text: '<think>a</think><function>get()', finish: 'stop' });
});
