/**
 * The client of the large refiner against a server that takes 50 ms for each reply, in a process of its own: 1,000 requests,
 * 32 at a time, each with a picture; the same with ten times as many, for the memory; then the whole command. Ideal is
 * `requests / concurrency x latency`.
 */
import { fork, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ChatClient } from '../src/vlm/client.js';
import { pictureMaker } from '../src/vlm/photo.js';
import { GRIDS, gridSize } from '../src/vlm/prompt.js';
import { benchPhotos } from './photos.js';
import { median, print, rounded } from './vgr.js';

const LATENCY_MS = 50;
const CONCURRENCY = 32;
const REQUESTS = 1000;
/** As a server gives it that honours stop strings. */
const FIRST = '<think>hm</think><function>get_extra_ref_result()';
const SECOND = '<rethink>so</rethink><answer>{"bbox_2d": [1, 2, 300, 200]}</answer>';
/** The boxes of the tools stand at the end of a request, behind the picture. */
const TAIL = 4096;
const SELF = fileURLToPath(import.meta.url);

interface Timed {
  readonly wallS: number;
  readonly peakMib: number;
  /** What is still held when all is done. */
  readonly heapMib: number;
}

const [role, ...rest] = process.argv.slice(2);
if (role === 'server') await serve();
else if (role === 'client') await talk(rest[0]!, Number(rest[1]));
else await measure();

/** Reads and answers, and does nothing else: what it costs must not be taken for the client's. */
async function serve(): Promise<void> {
  const server = createServer((request, response) => {
    let tail: Buffer = Buffer.alloc(0);
    request.on('data', (chunk: Buffer) => {
      tail =
        chunk.length > TAIL ? chunk.subarray(-TAIL) : Buffer.concat([tail, chunk]).subarray(-TAIL);
    });
    request.on('end', () => {
      const text = tail.includes('reftool_1') ? SECOND : FIRST;
      setTimeout(() => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const content of text.match(/.{1,24}/g)!) {
          response.write(event({ choices: [{ index: 0, delta: { content } }] }));
        }
        response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
        response.end('data: [DONE]\n\n');
      }, LATENCY_MS);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.send!(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
}

function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** All requests at once, as the pipeline makes them: the client holds them back. */
async function talk(url: string, count: number): Promise<void> {
  const [path] = benchPhotos().paths;
  const pictureOf = pictureMaker({ format: 'jpeg', maxPixels: 1e8 });
  const size = gridSize({ width: 640, height: 480 }, GRIDS['qwen2.5-vl']);
  const picture = {
    type: 'image_url',
    image_url: { url: await pictureOf({ path: path! }, size) },
  } as const;
  const client = new ChatClient({
    ...{ url, stream: true, timeoutMs: 60_000, idleMs: 30_000 },
    ...{ model: 'bench', logProbabilities: false, extra: {} },
    concurrency: CONCURRENCY,
    requestsPerMinute: Number.POSITIVE_INFINITY,
    tokensPerMinute: Number.POSITIVE_INFINITY,
    attempts: 3,
    backoffMs: 500,
    maxRequests: Number.POSITIVE_INFINITY,
    maxTokens: Number.POSITIVE_INFINITY,
  });
  const ask = (text: string) =>
    client.chat({
      messages: [{ role: 'user', content: [picture, { type: 'text', text }] }],
      maxTokens: 256,
      continues: false,
    });
  await ask('warm');
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: 2 * CONCURRENCY }, async () => {
      while (next < count) await ask(String(next++));
    }),
  );
  const wallS = (performance.now() - start) / 1000;
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  process.send!({
    wallS,
    heapMib: process.memoryUsage().heapUsed / 2 ** 20,
    peakMib: process.resourceUsage().maxRSS / 1024,
  } satisfies Timed);
}

async function measure(): Promise<void> {
  const server = fork(SELF, ['server']);
  try {
    const url = await reply<string>(server);
    const runs: Timed[] = [];
    for (let round = 0; round < 3; round++) {
      runs.push(await reply<Timed>(fork(SELF, ['client', url, String(REQUESTS)])));
    }
    const [once] = runs as [Timed];
    const wallS = median(runs.map((run) => run.wallS));
    const often = await reply<Timed>(fork(SELF, ['client', url, String(10 * REQUESTS)]));
    const whole = wholeCommand(url);
    const ideal = ((REQUESTS / CONCURRENCY) * LATENCY_MS) / 1000;
    print({
      bench: 'large refiner, client (median of 3) and whole command',
      requests: REQUESTS,
      concurrency: CONCURRENCY,
      latency_ms: LATENCY_MS,
      ideal_s: rounded(ideal),
      client_s: rounded(wallS),
      client_to_ideal: rounded(wallS / ideal),
      peak_mib: rounded(once.peakMib, 1),
      peak_ten_times_mib: rounded(often.peakMib, 1),
      heap_mib: rounded(once.heapMib, 1),
      heap_ten_times_mib: rounded(often.heapMib, 1),
      command_s: rounded(whole),
      command_to_ideal: rounded(whole / ideal),
    });
  } finally {
    server.kill();
  }
}

/** 500 queries of two requests each, over photos that come a few queries at a time. Seconds without the start of the program. */
function wholeCommand(url: string): number {
  const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-'));
  const { paths } = benchPhotos();
  const lines = Array.from({ length: REQUESTS / 2 }, (_, index) => ({
    image: basename(paths[Math.floor(index / 5) % paths.length]!),
    query: `thing ${index}`,
    tools: { dino: [{ bbox_2d: [1, 2, 30, 40] }] },
  }));
  writeFileSync(join(folder, 'q.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const output = join(folder, 'out');
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      ...['bin/run.js', 'refine', dirname(paths[0]!), '--queries', join(folder, 'q.jsonl')],
      ...['--detector', 'none', '--refiner', 'vlm', '--vlm-url', url, '--vlm-model', 'bench'],
      ...['--vlm-concurrency', String(CONCURRENCY), '--vlm-cache', join(folder, 'cache')],
      ...['--vlm-mode', 'continue', '--output', output, '--quiet'],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`vgr ended with ${status}: ${stderr}`);
  const { timings } = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  rmSync(folder, { recursive: true });
  return timings.wall_s;
}

function reply<Message>(child: ReturnType<typeof fork>): Promise<Message> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Message));
    child.once('exit', (code) => reject(new Error(`a part of the benchmark ended with ${code}`)));
  });
}
