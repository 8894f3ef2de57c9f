import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { freshFolder, photoFolder, vgr } from '../support/vgr.js';

/** Clears the screen, turns the reading direction, and would be a formula. */
const HOSTILE = '=1+1\u001b[2J\u202egnp.exe\u2066\u0007\u009b31m\r\nnext';
const RAW = /(?!\n)[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;

let photos: string;
let queries: string;
let results: string;

beforeAll(async () => {
  photos = await photoFolder(1);
  queries = join(freshFolder(), 'q.jsonl');
  const line = {
    id: HOSTILE,
    image: 'photo-00.jpg',
    query: `the ball ${HOSTILE}`,
    kind: HOSTILE,
    bbox: [0, 0, 9, 9],
    tools: { [HOSTILE]: [{ bbox_2d: [1, 2, 30, 40], score: 0.5, label: HOSTILE }] },
  };
  const broken = { ...line, id: `${HOSTILE}2`, image: `../${HOSTILE}` };
  writeFileSync(queries, `${JSON.stringify(line)}\n${JSON.stringify(broken)}\n`);
  results = join(freshFolder(), 'results.jsonl');
  const run = await vgr(['refine', photos, '--queries', queries, '--device', 'cpu']);
  writeFileSync(results, run.stdout);
});

describe('texts of strangers', () => {
  it('reach no terminal as they are', async () => {
    const pictures = join(freshFolder(), 'pictures');
    const args = ['refine', photos, '--queries', queries, '--device', 'cpu', '--tool', HOSTILE];
    const run = await vgr([...args, '--format', 'human', '--visualize', pictures]);
    expect(run.code).toBe(1);
    expect(run.stdout).toContain('\\u202e');
    expect(run.stdout + run.stderr).not.toMatch(RAW);
    for (const name of readdirSync(pictures)) expect(name).toMatch(/^[\w.+-]+$/);
    const named = await vgr(['refine', HOSTILE, '--queries', HOSTILE, '--detector', HOSTILE]);
    expect(named.code).toBe(2);
    expect(named.stdout + named.stderr).not.toMatch(RAW);
  });

  it('reach no table or report as they are', async () => {
    const folder = freshFolder();
    const [csv, markdown, report] = ['t.csv', 't.md', 't.html'].map((name) => join(folder, name));
    const run = await vgr([
      ...['eval', photos, '--queries', queries, '--results', results, '--resamples', '20'],
      ...['--csv', csv!, '--markdown', markdown!, '--report', report!],
    ]);
    expect(run.code).toBe(0);
    expect(run.stdout + run.stderr).not.toMatch(RAW);
    const table = readFileSync(csv!, 'utf8');
    expect(table.replaceAll('\r\n', '')).not.toMatch(RAW);
    expect(table).toContain("'=1+1\\u001b[2J");
    expect(readFileSync(markdown!, 'utf8')).not.toMatch(RAW);
    expect(readFileSync(report!, 'utf8').replaceAll('\r\n', '')).not.toMatch(RAW);
  });
});

it.runIf(process.platform !== 'win32')('no folder for output is a link', async () => {
  const target = freshFolder();
  const links = ['out', 'pictures', 'refiner', 'rows'].map((name) => join(freshFolder(), name));
  for (const link of links) symlinkSync(target, link);
  const [out, pictures, refiner, rows] = links as [string, string, string, string];
  const asked = ['--queries', queries, '--device', 'cpu'];
  for (const argv of [
    ['refine', photos, ...asked, '--output', `${out}/`],
    ['refine', photos, ...asked, '--visualize', pictures],
    ['train-lite', photos, ...asked, '--output', refiner],
    ['export', photos, '--queries', queries, '--format', 'verl', '--output', rows],
  ]) {
    const run = await vgr(argv);
    expect(run.stderr, argv[0]).toContain('expected a folder, got a link');
    expect(run.code).toBe(3);
  }
  expect(readdirSync(target)).toEqual([]);
});
