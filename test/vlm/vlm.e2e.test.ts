import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type ChatServerOptions,
  isSecond,
  type Reaction,
  type SentBody,
  startChatServer,
  type TestChatServer,
  textOf,
} from '../support/chat-server.js';
import { freshFolder, jsonLines, vgr } from '../support/vgr.js';
import {
  answered,
  lines,
  queriesFile,
  type RefineOptions,
  refineWith,
  summary,
  THINK,
} from '../support/vlm-run.js';

const servers: TestChatServer[] = [];
let images: string;

beforeAll(async () => {
  images = freshFolder();
  const plain = { channels: 3, background: '#9ab' } as const;
  // Sides that lie on the grid of 28: the model sees the pixels of the photo.
  await sharp({ create: { ...plain, width: 672, height: 672 } })
    .png()
    .toFile(join(images, 'even.png'));
  await sharp({ create: { ...plain, width: 650, height: 650 } })
    .png()
    .toFile(join(images, 'odd.png'));
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve(
  react: (body: SentBody, index: number) => Reaction,
  options?: ChatServerOptions,
): Promise<TestChatServer> {
  const server = await startChatServer(react, options);
  servers.push(server);
  return server;
}

function refine(server: { readonly url: string }, queries: string, options?: RefineOptions) {
  return refineWith(images, server, queries, options);
}

/** Queries of one photo; the number in the expression tells them apart. */
function numbered(count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `q${index}`,
    image: 'even.png',
    query: `thing ${index}`,
    tools: { dino: [{ bbox_2d: [index, index, index + 100, index + 100] }] },
  }));
}

/** A model that answers with a box of 50 pixels at the number of the thing. */
function byNumber(body: SentBody): Reaction {
  if (!isSecond(body)) return THINK;
  const index = Number(/thing (\d+)/.exec(textOf(body))![1]);
  return answered([index, index, index + 50, index + 50]);
}

describe('refine --refiner vlm', () => {
  it.each([
    { mode: 'continue', stream: true },
    { mode: 'continue', stream: false },
    { mode: 'multi-turn', stream: true },
  ])('answers all lines in order: $mode, stream: $stream', async ({ mode, stream }) => {
    const server = await serve(byNumber, { continues: mode === 'continue' });
    const output = freshFolder();
    const outcome = await refine(server, queriesFile(numbered(40)), {
      flags: ['--output', output, ...(stream ? [] : ['--no-vlm-stream'])],
    });
    expect(outcome).toMatchObject({ code: 0 });
    const given = lines(outcome);
    expect(given.map(({ id }) => id)).toEqual(numbered(40).map((_, index) => `q${index}`));
    expect(given[7]).toMatchObject({
      think: { text: 'hm' },
      answer: { bbox_2d: [7, 7, 57, 57], decision: 'correct', format: 1, text: 'so' },
    });
    expect(summary(output)).toMatchObject({
      complete: true,
      refiner: {
        requests: 81,
        cached: 0,
        retries: 0,
        mode,
        answers: { answered: 40, fallbacks: 0, repairs: 0 },
      },
    });
    const second = server.bodies.find((body) => isSecond(body))!;
    expect(second.continue_final_message).toBe(mode === 'continue' ? true : undefined);
    expect(second.messages.at(-1)!.role).toBe(mode === 'continue' ? 'assistant' : 'user');
  });

  it('sends the photo on the grid of the model', async () => {
    const server = await serve(() => ({ kind: 'text', text: '[{"bbox_2d": [0, 0, 364, 644]}]' }));
    const queries = queriesFile([{ image: 'odd.png', query: 'all of it' }]);
    const outcome = await refine(server, queries, {
      flags: ['--protocol', 'piter', '--vlm-image', 'png'],
    });
    const [first] = server.bodies;
    const url = JSON.stringify(first).match(/data:image\/png;base64,([^"]+)/)![1]!;
    const { width, height } = await sharp(Buffer.from(url, 'base64')).metadata();
    expect({ width, height }).toEqual({ width: 644, height: 644 });
    expect(lines(outcome)[0]).toMatchObject({
      width: 650,
      tool: { name: 'none', bbox_2d: null },
      answer: { bbox_2d: [0, 0, 367.39, 650], decision: 'correct' },
    });
  });

  it('writes all boxes of an answer in one turn, of which the evaluation counts the best', async () => {
    const server = await serve(() => ({
      kind: 'text',
      text: '[{"bbox_2d": [0, 0, 20, 100]}, {"bbox_2d": [0, 0, 80, 100]}]',
    }));
    const queries = queriesFile([
      {
        ...{ id: 'a', image: 'even.png', query: 'a thing', bbox: [0, 0, 100, 100] },
        tools: { dino: [{ bbox_2d: [0, 0, 40, 100] }] },
      },
    ]);
    const output = freshFolder();
    await refine(server, queries, { flags: ['--protocol', 'piter', '--output', output] });
    const results = join(output, 'results.jsonl');
    expect(JSON.parse(readFileSync(results, 'utf8')).answer).toMatchObject({
      bbox_2d: [0, 0, 20, 100],
      boxes: [{ bbox_2d: [0, 0, 20, 100] }, { bbox_2d: [0, 0, 80, 100] }],
    });
    const outcome = await vgr(['eval', '--queries', queries, '--results', results, '--json']);
    expect(outcome.stderr).toContain('1 answers list several boxes');
    const { metrics } = JSON.parse(outcome.stdout);
    expect(metrics).toMatchObject({ accuracy: 1, tool_accuracy: 0, ccr: 1 });
    expect(metrics.mean_iou).toBeCloseTo(0.8, 6);
    // Of the 0.6 above the tool's IoU, 0.4 were gained.
    expect(metrics.nsri).toBeCloseTo(0.4 / 0.6, 6);
  });

  it('takes the words of a template', async () => {
    const template = join(freshFolder(), 'p.jinja');
    writeFileSync(template, 'Where is {{ content | trim }}?');
    const server = await serve(byNumber);
    await refine(server, queriesFile(numbered(1)), { flags: ['--prompt-template', template] });
    expect(textOf(server.bodies.find((body) => body.messages.length === 1)!)).toBe(
      'Where is thing 0?',
    );
  });

  it('pays nothing twice: a repeated run asks nothing', async () => {
    const server = await serve(byNumber);
    const queries = queriesFile(numbered(5));
    const env = { XDG_CACHE_HOME: freshFolder() };
    const first = await refine(server, queries, { env });
    const asked = server.bodies.length;
    const second = await refine(server, queries, { env });
    expect(second.stdout).toBe(first.stdout);
    expect(server.bodies).toHaveLength(asked);
  });

  it('stops with 3 when the server is gone, and a rerun goes on from there', async () => {
    let gone = false;
    const server = await serve((body, index) => {
      if (index > 40) gone = true;
      return gone ? { kind: 'cut' } : byNumber(body);
    });
    const queries = queriesFile(numbered(60));
    const output = freshFolder();
    const run = () =>
      refine(server, queries, {
        flags: ['--output', output, '--vlm-concurrency', '4', '--vlm-attempts', '2'],
      });
    const first = await run();
    expect(first.code).toBe(3);
    expect(first.stderr).toContain('no answer in 2 attempts');
    const journal = readFileSync(join(output, 'results.jsonl'), 'utf8');
    const done = journal.split('\n').length - 1;
    // Of 40 turns that were answered no more than 6 are of conversations that are half done.
    expect(done).toBeGreaterThanOrEqual(17);
    expect(journal).not.toContain('"error"');
    expect(summary(output)).toMatchObject({
      complete: false,
      refiner: { retries: expect.any(Number) },
    });
    const before = server.bodies.length;
    const healed = await serve(byNumber);
    const second = await refine(healed, queries, {
      flags: ['--output', output, '--vlm-concurrency', '4', '--vlm-attempts', '2'],
    });
    expect(second.code).toBe(0);
    const whole = jsonLines(readFileSync(join(output, 'results.jsonl'), 'utf8'));
    expect(whole.map(({ id }) => id)).toEqual(numbered(60).map((_, index) => `q${index}`));
    expect(server.bodies).toHaveLength(before);
    expect(healed.bodies.length).toBeLessThanOrEqual(2 * (60 - done) + 1);
  });

  it.each<[string, Reaction]>([
    ['status 500', { kind: 'status', status: 500 }],
    ['status 429', { kind: 'status', status: 429, headers: { 'retry-after': '1' } }],
    ['a cut connection', { kind: 'cut', afterPiece: true }],
    ['a stall', { kind: 'stall' }],
    ['malformed JSON', { kind: 'raw', type: 'application/json', body: '{"choices": [' }],
    ['another content type', { kind: 'raw', type: 'text/html', body: '<h1>Sign in</h1>' }],
  ])('ends with 3 and loses nothing where all there is is %s', async (_name, error) => {
    const server = await serve(() => error);
    const output = freshFolder();
    const outcome = await refine(server, queriesFile(numbered(12)), {
      flags: [
        ...['--output', output, '--vlm-mode', 'continue'],
        ...['--vlm-attempts', '2', '--vlm-timeout', '2'],
      ],
    });
    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toContain('no answer in 2 attempts');
    expect(readFileSync(join(output, 'results.jsonl'), 'utf8')).toBe('');
  });

  it('makes an error record of a query that the server refuses, and goes on', async () => {
    const server = await serve((body) =>
      textOf(body).includes('thing 2')
        ? { kind: 'status', status: 400, message: 'too long' }
        : byNumber(body),
    );
    const outcome = await refine(server, queriesFile(numbered(5)));
    expect(outcome.code).toBe(1);
    expect(lines(outcome).map(({ type }) => type)).toEqual([
      'result',
      'result',
      'error',
      'result',
      'result',
    ]);
    expect(lines(outcome)[2]).toMatchObject({ id: 'q2', code: 'REFINEMENT_FAILED' });
  });

  it('bears with endless replies, and leaves the box of the tool', async () => {
    const server = await serve(() => ({ kind: 'endless' }));
    const outcome = await refine(server, queriesFile(numbered(2)), {
      flags: ['--vlm-mode', 'continue', '--vlm-reply-tokens', '64'],
    });
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toContain('warning: 2 answers could not be read');
    expect(lines(outcome)[0]!.answer).toMatchObject({
      bbox_2d: [0, 0, 100, 100],
      decision: 'fallback',
    });
  });

  it('keeps to its budget', async () => {
    const server = await serve(byNumber);
    const output = freshFolder();
    const outcome = await refine(server, queriesFile(numbered(30)), {
      flags: [
        '--output',
        output,
        '--max-requests',
        '21',
        '--vlm-concurrency',
        '2',
        '--vlm-price',
        '1/2',
      ],
    });
    expect(outcome.code).toBe(3);
    expect(outcome.stderr).toContain('--max-requests');
    expect(server.bodies).toHaveLength(21);
    // One question, and of 20 turns no more than 3 are of conversations that are half done.
    expect(summary(output).counts.items).toBeGreaterThanOrEqual(8);
    expect(summary(output).refiner.cost).toBeGreaterThan(0);
  });

  it('shows the key to the server alone', async () => {
    const key = 'sk-very-secret-42';
    const server = await serve((body) =>
      textOf(body).includes('thing 1')
        ? { kind: 'status', status: 400, message: `not with ${key}` }
        : byNumber(body),
    );
    const output = freshFolder();
    const cache = freshFolder();
    const header = 'gateway-secret-43';
    const env = {
      VGR_VLM_API_KEY: key,
      GATEWAY: header,
      VGR_DEBUG: '1',
      OPENAI_LOG: 'debug',
      XDG_CACHE_HOME: cache,
    };
    const url = `${server.url}?code=query-secret-44`;
    const outcome = await refine({ url }, queriesFile(numbered(3)), {
      flags: ['--output', output, '--vlm-header', 'X-Gateway=GATEWAY'],
      env,
    });
    expect(server.headers.every((sent) => sent['x-gateway'] === header)).toBe(true);
    expect(server.headers.every(({ authorization }) => authorization === `Bearer ${key}`)).toBe(
      true,
    );
    const secrets = /sk-very-secret|gateway-secret|query-secret/;
    expect(outcome.stdout + outcome.stderr).not.toMatch(secrets);
    for (const folder of [output, cache]) {
      for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (file.isFile())
          expect(readFileSync(join(file.parentPath, file.name), 'utf8')).not.toMatch(secrets);
      }
    }
  });

  it.each([
    [['--vlm-url', 'localhost:8000'], 'expected an http or https address'],
    [['--vlm-url', 'http://me:pass@localhost/v1'], 'without name and password'],
    [['--vlm-url', 'me:pass@localhost/v1'], 'expected an http or https address'],
    [['--vlm-price', 'cheap'], '--vlm-price'],
    [['--vlm-body', '[1]'], '--vlm-body'],
    [['--vlm-header', 'api-key: pass@'], 'expected NAME=VARIABLE'],
    [['--prompt-template', '/nowhere.jinja'], 'no file'],
  ])('refuses %j', async (flags, message) => {
    const outcome = await refine({ url: 'http://127.0.0.1:1/v1' }, queriesFile(numbered(1)), {
      flags,
    });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain(message);
    expect(outcome.stderr).not.toContain('pass@');
  });
});

describe('refine --refiner cascade', () => {
  it('answers alike whether it runs whole or is cut and goes on', async () => {
    const server = await serve(byNumber);
    const queries = queriesFile(numbered(60));
    const flags = ['--vlm-share', '0.3'];
    const whole = await refine(server, queries, { refiner: 'cascade', flags });
    expect(whole.code).toBe(0);
    const asked = lines(whole).filter(({ answer }) => answer.cascade!.asked).length;
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThanOrEqual(0.3 * 60 + 8);
    const output = freshFolder();
    const cut = [...flags, '--output', output];
    await refine(server, queries, { refiner: 'cascade', flags: cut });
    const journal = readFileSync(join(output, 'results.jsonl'), 'utf8');
    writeFileSync(
      join(output, 'results.jsonl'),
      journal.slice(0, Math.floor(journal.length * 0.4)),
    );
    await refine(server, queries, { refiner: 'cascade', flags: cut });
    expect(readFileSync(join(output, 'results.jsonl'), 'utf8')).toBe(whole.stdout);
  });

  it('tells where the budget left the answers of the small refiner', async () => {
    const server = await serve(byNumber);
    const outcome = await refine(server, queriesFile(numbered(6)), {
      refiner: 'cascade',
      flags: ['--vlm-share', '1', '--max-requests', '5', '--vlm-concurrency', '1'],
    });
    expect(outcome.code).toBe(0);
    expect(lines(outcome)).toHaveLength(6);
    expect(outcome.stderr).toMatch(
      /warning: the large refiner gave no answer to (\d) of 6 queries, to \1 of them because the budget/,
    );
  });
});
