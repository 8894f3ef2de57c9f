import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { detectorGraph } from '../support/detector-graph.js';
import { TINY_CARD, TINY_PLAN } from '../support/tiny-detector.js';
import { freshFolder, photoFolder } from '../support/vgr.js';

interface Runnable {
  run(argv: readonly string[], root: string): Promise<unknown>;
}

// Worker threads run what was built.
const command = async (name: string): Promise<Runnable> =>
  (await import(`../../dist/commands/${name}.js`)).default;

/** Worker threads of this process. */
function threads(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
}

let told: string;
let photos: string;
let queries: string;

beforeEach(async () => {
  told = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    told += text;
    return true;
  });
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  photos = await photoFolder(1);
  queries = join(freshFolder(), 'q.jsonl');
  const line = { image: 'photo-00.jpg', query: 'the lion', bbox: [1, 1, 9, 9] };
  writeFileSync(queries, `${JSON.stringify(line)}\n`.repeat(20));
  const models = freshFolder();
  const bytes = detectorGraph(TINY_PLAN);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const card = { ...TINY_CARD, source: { added: 'tiny.onnx' }, sha256, bytes: bytes.length };
  mkdirSync(join(models, 'tiny'));
  writeFileSync(join(models, 'tiny', 'card.json'), JSON.stringify(card));
  writeFileSync(join(models, 'tiny', 'tiny.onnx'), bytes);
  vi.stubEnv('VGR_MODELS_DIR', models);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

/** Runs a command in this process. @returns its exit code */
async function run(name: string, ...flags: string[]): Promise<unknown> {
  const detector = ['--detector', 'tiny', '--device', 'cpu', '--sessions', '2'];
  const Command = await command(name);
  await Command.run([...flags, ...detector, '--no-progress'], resolve('.'));
  return process.exitCode;
}

describe('what a run opens', () => {
  it('is closed where the run comes to its end', async () => {
    const code = await run('refine', photos, '--queries', queries, '--limit', '1');
    expect(code).toBe(0);
    expect(told).toMatch(/^1 query, /);
    expect(threads()).toBe(0);
  });

  it.each<[string, number, ...string[]]>([
    ['the detector', 2, '--input-size', '640'],
    ['the refiner', 2, '--refiner', 'none-such'],
    ['the prompt of a server', 2, '--refiner', 'vlm', '--prompt-template', '/nowhere'],
    ['the small refiner of a cascade', 2, '--refiner', 'cascade', '--cascade-small', 'none-such'],
    ['the memory for photos', 2, '--max-memory', '1m'],
    ['the folder of pictures', 2, '--visualize', 'IMAGES'],
    ['the output folder', 3, '--output', '/dev/null/out'],
    ['the shard', 2, '--shard', '3/2'],
  ])('is closed where %s cannot be opened', async (_what, code, ...flags) => {
    const given = flags.map((flag) => (flag === 'IMAGES' ? photos : flag));
    const server = ['--vlm-url', 'http://127.0.0.1:9/v1', '--vlm-model', 'm'];
    expect(await run('refine', photos, '--queries', queries, ...server, ...given)).toBe(code);
    expect(told).toMatch(/^error: /m);
    expect(threads()).toBe(0);
  });

  it('is closed where the folder of the photos is not there', async () => {
    expect(await run('refine', '/nowhere', '--queries', queries)).toBe(2);
    expect(await run('detect', '/nowhere')).toBe(2);
    expect(threads()).toBe(0);
  });

  it('is closed where training cannot begin', async () => {
    const output = ['--output', join(freshFolder(), 'out')];
    const line = [photos, '--queries', queries, ...output];
    expect(await run('train-lite', ...line, '--encoder', 'none-such')).toBe(2);
    expect(await run('train-lite', '/nowhere', ...line.slice(1))).toBe(2);
    expect(threads()).toBe(0);
  });
});
