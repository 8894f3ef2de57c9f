import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectClean, outputBytes, preloading, shell, summaryOf } from '../support/faults.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';

const CPU = ['--device', 'cpu', '--no-timing'];

/** The environment of a run whose worker threads end under the photo of that number, each anew. */
const crashingAt = (photo: number): Record<string, string> => ({
  ...preloading('crashing-thread.mjs'),
  VGR_TEST_CRASH_AT: String(photo),
});

it('a worker that ends is replaced, and no photo is lost', async () => {
  const folder = await photoFolder(12);
  const args = ['detect', folder, ...CPU, '--sessions', '1'];
  const calm = await vgr(args);
  const marks = freshFolder();
  const env = { ...crashingAt(3), VGR_TEST_CRASH_MARKS: marks };
  const crashing = await vgr(args, { env });
  expect(readdirSync(marks).length).toBeGreaterThan(1);
  expect(crashing).toMatchObject({ code: 0, stdout: calm.stdout });
  expect(jsonLines(crashing.stdout)).toHaveLength(12);
});

it('workers that all end stop the run with a hint, and what was done is kept', async () => {
  const folder = await photoFolder(12);
  const output = freshFolder();
  const args = ['detect', folder, ...CPU, '--sessions', '2', '--output', output];
  const run = await vgr(args, { env: crashingAt(1) });
  expect(run.code).toBe(3);
  expect(run.stderr).toContain('worker threads ended in a row');
  expect(run.stderr).toContain('vgr models verify');
  expectClean(run);
  expect(summaryOf(output)).toMatchObject({ complete: false });
  const calm = freshFolder();
  await vgr([...args.slice(0, -1), calm]);
  expect((await vgr([...args, '--retry-failed'])).code).toBe(0);
  expect(outputBytes(output)).toEqual(outputBytes(calm));
});

it('queries under which threads end are errors of their own, and take no other along', async () => {
  const file = join(freshFolder(), 'q.jsonl');
  const box = { bbox_2d: [1, 2, 30, 40], score: 0.5, label: 'dog' };
  const queries = Array.from({ length: 300 }, (_, at) => ({
    query: at >= 7 && at < 17 ? 'the poisoned dog' : `dog ${at}`,
    tools: { centernet: [box] },
  }));
  writeFileSync(file, queries.map((query) => `${JSON.stringify(query)}\n`).join(''));
  const args = ['refine', '--queries', file, ...CPU, '--sessions', '1'];
  const calm = jsonLines((await vgr(args)).stdout);
  const env = { ...preloading('crashing-thread.mjs'), VGR_TEST_CRASH_QUERY: 'poisoned' };
  const crashing = await vgr(args, { env });
  const lines = jsonLines(crashing.stdout);
  expect(crashing.code).toBe(1);
  for (const at of [7, 16]) {
    const line = at + 1;
    expect(lines[at]).toMatchObject({ type: 'error', line, code: 'REFINEMENT_FAILED' });
    expect(lines[at]!.message).toContain(`line ${line}: the refiner ended twice`);
  }
  expect(lines.toSpliced(7, 10)).toEqual(calm.toSpliced(7, 10));
});

it('a wall clock that jumps changes nothing', async () => {
  const folder = await photoFolder(6);
  const [calm, jumping] = [freshFolder(), freshFolder()];
  const args = ['detect', folder, ...CPU, '--output'];
  await vgr([...args, calm]);
  const env = preloading('jumping-clock.mjs');
  const run = await vgr([...args, jumping], { env });
  expect(run.code).toBe(0);
  expect(run.stderr).toMatch(/^6 photos, \d{1,2}\.\d+ s\n$/);
  expect(outputBytes(jumping)).toEqual(outputBytes(calm));
  const { timings } = summaryOf(jumping) as { timings: Record<string, number> };
  for (const value of Object.values(timings)) {
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThan(600);
  }
  expect((await vgr([...args, jumping], { env })).stderr).toContain('nothing left to do');
});

it('only locks and what servers ask for look at the wall clock', () => {
  const found = shell('grep -rlE "Date\\.now|new Date\\(\\)" src').stdout.trim().split('\n');
  const allowed = [join('src', 'core', 'file-lock.ts'), join('src', 'core', 'http.ts')];
  expect(allowed).toEqual(expect.arrayContaining(found));
  expect(readFileSync('src/run/output.ts', 'utf8')).toContain('performance.now()');
});
