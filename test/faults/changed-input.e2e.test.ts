import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { journalOf, outputBytes } from '../support/faults.js';
import { drawPhoto, freshFolder, vgr } from '../support/vgr.js';

const QUIET = ['--sessions', '1', '--device', 'cpu', '--no-timing'];

function line(words: string, box: readonly number[], id?: string): string {
  const tools = { t: [{ bbox_2d: box, score: 0.9, label: 'cat' }] };
  return `${JSON.stringify({ id, query: words, tools })}\n`;
}

it('a rerun answers what stands under the same number now, and holds what a fresh run writes', async () => {
  const output = join(freshFolder(), 'out');
  const refine = (stdin: string, folder = output) =>
    vgr(['refine', '--queries', '-', '--output', folder, ...QUIET], { stdin });
  const [left, right] = [
    [0, 0, 100, 100],
    [300, 0, 400, 100],
  ];
  const monday = line('the left cat', left!) + line('the right cat', right!);
  const tuesday = line('the dog', left!) + line('the right cat', left!) + line('the cat', left!);
  expect((await refine(monday)).code).toBe(0);
  const again = await refine(tuesday);
  expect([again.code, again.stderr]).toEqual([
    0,
    expect.stringMatching(/^2 queries are done already\n3 queries, 2 changed since an earlier run/),
  ]);
  const fresh = join(freshFolder(), 'out');
  await refine(tuesday, fresh);
  expect(outputBytes(output)).toEqual(outputBytes(fresh));

  const shorter = await refine(line('the dog', left!));
  expect(shorter.stderr).toContain('2 queries of an earlier run are not in the input any more');
  expect(journalOf(output).map(({ query }) => query)).toEqual([
    'the dog',
    'the right cat',
    'the cat',
  ]);

  rmSync(join(output, 'run.json'));
  const other = ['refine', '--queries', '-', '--output', output, ...QUIET, '--refiner', 'none'];
  const mixed = await vgr(other, { stdin: tuesday });
  expect([mixed.code, mixed.stderr]).toEqual([2, expect.stringContaining('run.json')]);
  const found = await refine(tuesday);
  expect([found.code, found.stderr]).toEqual([0, expect.stringContaining('run.json is missing')]);
  expect(outputBytes(output)).toEqual(outputBytes(fresh));
});

it('a photo is detected again where its bytes have changed, not where it was copied or touched', async () => {
  const folder = freshFolder();
  const photos = join(folder, 'photos');
  mkdirSync(photos);
  for (const [at, name] of ['a.jpg', 'b.jpg', 'c.jpg'].entries()) {
    await drawPhoto(join(photos, name), at);
  }
  const detect = (output: string) =>
    vgr(['detect', photos, '--output', join(folder, output), ...QUIET]);
  expect((await detect('out')).code).toBe(0);
  // Another photo of the same name, one that only has another name on the disk, and one that is written again.
  await drawPhoto(join(photos, 'a.jpg'), 9);
  copyFileSync(join(photos, 'b.jpg'), join(photos, 'b.new'));
  renameSync(join(photos, 'b.new'), join(photos, 'b.jpg'));
  writeFileSync(join(photos, 'c.jpg'), readFileSync(join(photos, 'c.jpg')));
  const again = await detect('out');
  expect(again.code).toBe(0);
  expect(again.stderr).toMatch(/1 photo, 1 changed since an earlier run/);
  await detect('fresh');
  expect(outputBytes(join(folder, 'out'))).toEqual(outputBytes(join(folder, 'fresh')));
});
