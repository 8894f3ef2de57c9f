import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { expect, it } from 'vitest';
import { SeededRandom } from '../../src/core/random.js';
import { expectClean, linesFile, outputBytes, shell } from '../support/faults.js';
import { IS_FULL } from '../support/layers.js';
import { fuzzedLine } from '../support/query-fuzzer.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';

const CPU = ['--device', 'cpu', '--no-timing'];
const LINES = IS_FULL ? 2000 : 500;
const PHOTOS = IS_FULL ? 500 : 120;

/** Every number under `bbox_2d` is one: what overflows becomes null in JSON. */
function expectBoxes(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, each] of Object.entries(value)) {
    if (name === 'extra') continue;
    if (name === 'bbox_2d' && each !== null) {
      expect(each).toHaveLength(4);
      for (const number of each as unknown[]) expect(number).toEqual(expect.any(Number));
    } else expectBoxes(each);
  }
}

it(`gives each of ${LINES} fuzzed query lines one line, and none of them its way`, async () => {
  const random = new SeededRandom(31);
  const folder = await photoFolder(3);
  const images = readdirSync(folder);
  const lines = Array.from({ length: LINES }, (_, at) => fuzzedLine(random, images, `q${at}`));
  const pictures = freshFolder();
  const before = shell('ls -A').stdout;
  const args = ['refine', folder, '--queries', linesFile(lines), ...CPU, '--visualize', pictures];
  const run = await vgr(args);
  expect(run.code).toBe(1);
  expectClean(run);
  const results = jsonLines(run.stdout);
  expect(results).toHaveLength(lines.filter((line) => !/^[ \t\r]*$/.test(line)).length);
  const errors = results.filter(({ type }) => type === 'error');
  // Neither all right nor all wrong, or nothing would be tested.
  expect(errors.length).toBeGreaterThan(LINES / 5);
  expect(results.length - errors.length).toBeGreaterThan(LINES / 5);
  expect(errors.filter(({ code }) => code === 'INTERNAL')).toEqual([]);
  const numbers = errors.map(({ line }) => line as number);
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  for (const result of results) expectBoxes(result);
  // Ids name pictures: plain names in letters of any script, all of them in the folder, and nothing beside it.
  for (const name of readdirSync(pictures))
    expect(name).toMatch(/^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.+-]{0,120}\.jpg$/u);
  expect(shell('ls -A').stdout).toBe(before);
});

it('continues through fuzzed lines, double and broken ids among them, to the same bytes', async () => {
  const random = new SeededRandom(33);
  const folder = await photoFolder(2);
  const lines = Array.from({ length: 600 }, (_, at) =>
    fuzzedLine(random, readdirSync(folder), `q${at % 500}`),
  );
  const args = ['refine', folder, '--queries', linesFile(lines), ...CPU, '--quiet', '--output'];
  const whole = freshFolder();
  expect((await vgr([...args, whole])).code).toBe(1);
  const { 'results.jsonl': journal, ...rest } = outputBytes(whole);
  for (const retry of [[], ['--retry-failed']]) {
    const output = freshFolder();
    const cut = journal!.slice(0, random.nextBelow(journal!.length));
    writeFileSync(join(output, 'results.jsonl'), cut);
    copyFileSync(join(whole, 'run.json'), join(output, 'run.json'));
    expect((await vgr([...args, output, ...retry])).code).toBe(1);
    expect(outputBytes(output)).toEqual({ 'results.jsonl': journal, ...rest });
    expect((await vgr([...args, output, '--retry-failed'])).code).toBe(1);
    expect(outputBytes(output)).toEqual({ 'results.jsonl': journal, ...rest });
  }
});

/** A photo with some bytes turned, cut off, doubled or put to nought. */
function mutated(photo: Buffer, random: SeededRandom): Buffer {
  const bytes = Buffer.from(photo);
  const kind = random.nextBelow(5);
  if (kind === 0) return bytes.subarray(0, random.nextBelow(bytes.length));
  if (kind === 1) {
    const at = random.nextBelow(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.nextBelow(at + 1))]);
  }
  // The first bytes decide the most: half of all changes are made to them.
  const reach = random.next() < 0.5 ? Math.min(bytes.length, 512) : bytes.length;
  for (let count = 1 + random.nextBelow(kind === 2 ? 3 : 60); count > 0; count--) {
    bytes[random.nextBelow(reach)] = kind === 4 ? 0xff : random.nextBelow(256);
  }
  return bytes;
}

it(`looks at each of ${PHOTOS} damaged photos, or says why not`, async () => {
  const random = new SeededRandom(32);
  const sources = ['fixtures/formats', 'fixtures/images', 'fixtures/broken'].flatMap((folder) =>
    readdirSync(folder).map((name) => join(folder, name)),
  );
  const folder = freshFolder();
  for (let at = 0; at < PHOTOS; at++) {
    const source = sources[random.nextBelow(sources.length)]!;
    const name = `${String(at).padStart(3, '0')}${extname(source).toLowerCase()}`;
    writeFileSync(join(folder, name), mutated(readFileSync(source), random));
  }
  const run = await vgr(['detect', folder, ...CPU, '--max-pixels', '20000000']);
  expect(run.code).toBe(1);
  expectClean(run);
  // All that is on stderr is vgr's own: nothing of the libraries that decode.
  for (const line of run.stderr.trim().split('\n')) {
    expect(line).toMatch(/^(error: | {2}hint: |\d+ photos, )/);
  }
  const results = jsonLines(run.stdout);
  expect(results.map(({ image }) => image)).toEqual(readdirSync(folder).sort());
  const codes = new Set(results.flatMap(({ code }) => (code === undefined ? [] : [code])));
  expect(['IMAGE_UNREADABLE', 'IMAGE_UNSUPPORTED', 'IMAGE_TOO_LARGE']).toEqual(
    expect.arrayContaining([...codes]),
  );
  const seen = results.filter(({ type }) => type === 'detections').length;
  expect(seen).toBeGreaterThan(PHOTOS / 10);
  expect(results.length - seen).toBeGreaterThan(PHOTOS / 10);
});
