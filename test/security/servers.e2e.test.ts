import { readdirSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startChatServer, type TestChatServer } from '../support/chat-server.js';
import { freshFolder, photoFolder, vgr } from '../support/vgr.js';
import { answered, lines, queriesFile, refineWith, summary, THINK } from '../support/vlm-run.js';

const KEY = { VGR_VLM_API_KEY: 'sk-very-secret' };
const ASK = (): string => queriesFile([{ id: 'a', image: 'photo-00.jpg', query: 'the ball' }]);

let server: TestChatServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

const serve = (box: readonly number[]) =>
  startChatServer(({ messages }) => (messages.length > 1 ? answered(box) : THINK));

describe('the server of a run', () => {
  it('is named in the first line of stderr and in run.json', async () => {
    server = await serve([1, 2, 30, 40]);
    const output = join(freshFolder(), 'out');
    const flags = ['--output', output];
    const run = await refineWith(await photoFolder(1), server, ASK(), { flags, env: KEY });
    expect(run.code).toBe(0);
    expect(run.stderr.split('\n')[0]).toBe(`photos go to ${server.url}`);
    expect(summary(output).refiner.server).toBe(server.url);
    expect(`${run.stderr}${run.stdout}`).not.toContain('sk-very-secret');
  });

  it('gets no key over plain http, unless it is this machine or a flag says so', async () => {
    const photos = await photoFolder(1);
    for (const url of ['http://vlm.example:8000/v1', `http://${hostname()}:8000/v1`]) {
      const run = await refineWith(photos, { url }, ASK(), { env: KEY });
      expect(run.code).toBe(2);
      expect(run.stderr).toContain('expected an https address, since there is a key');
      expect(run.stderr).toContain('--vlm-plain-http');
      expect(run.stderr).not.toContain('sk-very-secret');
    }
    const flags = ['--vlm-plain-http', '--vlm-attempts', '1'];
    const run = await refineWith(photos, { url: 'http://vlm.invalid/v1' }, ASK(), {
      env: KEY,
      flags,
    });
    expect(run.code).toBe(3);
    expect(run.stderr).toContain('vlm.invalid');
  });

  it('is not answered for by another one, and its replies are for the user alone', async () => {
    const photos = await photoFolder(1);
    const cache = join(freshFolder(), 'cache');
    const flags = ['--vlm-cache', cache];
    server = await serve([1, 2, 30, 40]);
    const first = await refineWith(photos, server, ASK(), { flags });
    const other = await serve([50, 10, 90, 60]);
    try {
      const second = await refineWith(photos, other, ASK(), { flags });
      expect(other.bodies.length).toBeGreaterThan(0);
      expect(lines(second)[0]!.answer.bbox_2d).not.toEqual(lines(first)[0]!.answer.bbox_2d);
    } finally {
      await other.close();
    }
    const again = await refineWith(photos, server, ASK(), { flags });
    expect(again.stdout).toBe(first.stdout);
    if (process.platform === 'win32') return;
    expect(statSync(cache).mode & 0o077).toBe(0);
    for (const name of readdirSync(cache, { recursive: true, encoding: 'utf8' })) {
      expect(statSync(join(cache, name)).mode & 0o077, name).toBe(0);
    }
  });
});

it('a reply of brackets is read in time linear in its length', async () => {
  const photos = await photoFolder(1);
  for (const text of ['['.repeat(100_000), '{"a":'.repeat(20_000), `${'[{'.repeat(50_000)}1`]) {
    server = await startChatServer(() => ({ kind: 'text', text: `<answer>${text}</answer>` }));
    const start = performance.now();
    const run = await refineWith(photos, server, ASK(), {});
    expect(run.code).toBe(0);
    expect(lines(run)[0]!.answer.decision).toBe('fallback');
    expect(performance.now() - start).toBeLessThan(20_000);
    await server.close();
  }
});

it('a proxy that accepts and then says nothing does not hold up the end of a run', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = silent.address() as AddressInfo;
    const run = await refineWith(await photoFolder(1), { url: 'https://vlm.invalid/v1' }, ASK(), {
      env: { HTTPS_PROXY: `http://127.0.0.1:${port}` },
      flags: ['--vlm-timeout', '1', '--vlm-attempts', '2', '--output', join(freshFolder(), 'out')],
    });
    expect(run.code).toBe(3);
    expect(run.stderr).toContain('vlm.invalid');
  } finally {
    silent.close();
  }
});

it('--help names no key', async () => {
  expect((await vgr(['refine', '--help'], { env: KEY })).stdout).not.toContain('sk-very-secret');
});
