import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { RandomStream } from '../../src/training/random.js';
import { linesFile, outputBytes, summaryOf } from '../support/faults.js';
import { freshFolder, photoFolder, startVgr, vgr } from '../support/vgr.js';

const KILLS = 30;
const FLAGS = ['--device', 'cpu', '--no-timing', '--quiet'];

/** Queries over photos of which one is broken and one is missing, with lines that are none. */
async function work(): Promise<string[]> {
  const folder = await photoFolder(24);
  writeFileSync(join(folder, 'photo-07.jpg'), 'no photo');
  const queries = Array.from({ length: 100 }, (_, index) => ({
    id: `q${index}`,
    image: `photo-${String(Math.floor(index / 4)).padStart(2, '0')}.jpg`,
    query: 'the left ball',
  }));
  const lines: (object | string)[] = [...queries];
  lines.splice(50, 0, '{"id":"half', '', queries[3]!, { ...queries[4]!, query: '' }, '\u0000');
  return ['refine', folder, '--queries', linesFile(lines), ...FLAGS];
}

/** Runs the command, kills it after a while. @returns whether the kill came before the end */
async function killedAfter(args: readonly string[], ms: number): Promise<boolean> {
  const { child, outcome } = startVgr(args);
  child.stdin.end();
  const timer = sleep(ms).then(() => child.kill('SIGKILL'));
  const { signal, code, stderr } = await outcome;
  await timer;
  if (signal === null) expect({ code, stderr: stderr.includes('hint') }).toMatchObject({ code: 1 });
  return signal === 'SIGKILL';
}

it(`is killed at ${KILLS} random moments and continued, to the bytes of a run left alone`, async () => {
  const args = await work();
  const whole = freshFolder();
  const start = performance.now();
  expect((await vgr([...args, '--output', whole])).code).toBe(1);
  const wallMs = performance.now() - start;
  const expected = outputBytes(whole);
  expect(Object.keys(expected)).toHaveLength(4);

  const random = RandomStream.fromSeed(20);
  let kills = 0;
  let midway = 0;
  while (kills < KILLS) {
    const output = freshFolder();
    for (;;) {
      // A retry of errors that stay errors changes nothing either.
      const retry = random.uniform() < 0.3 ? ['--retry-failed'] : [];
      const all = [...args, '--output', output, ...retry];
      if (!(await killedAfter(all, random.uniform() * 1.2 * wallMs))) break;
      kills += 1;
      const journal = journalText(output);
      if (journal.length > 0 && journal.length < expected['results.jsonl']!.length) midway += 1;
    }
    expect(outputBytes(output)).toEqual(expected);
    expect(summaryOf(output)).toMatchObject({ complete: true, counts: { items: 104, errors: 12 } });
  }
  // Most kills shall meet a run at its work, not one that starts.
  expect(midway).toBeGreaterThanOrEqual(KILLS / 5);
}, 240_000);

function journalText(output: string): string {
  try {
    return readFileSync(join(output, 'results.jsonl'), 'utf8');
  } catch {
    return '';
  }
}

it('continues over photos of the same name in two folders', async () => {
  const folder = freshFolder();
  const photos = await photoFolder(6);
  for (const name of ['one', 'two']) {
    mkdirSync(join(folder, name));
    for (let index = 0; index < 6; index++) {
      copyFileSync(join(photos, `photo-0${index}.jpg`), join(folder, name, `photo-0${index}.jpg`));
    }
  }
  const args = ['detect', join(folder, 'one'), join(folder, 'two'), ...FLAGS, '--output'];
  const whole = freshFolder();
  expect((await vgr([...args, whole])).code).toBe(0);
  const lines = outputBytes(whole)['results.jsonl']!.trimEnd().split('\n');
  expect(new Set(lines.map((line) => JSON.parse(line).image)).size).toBe(12);
  for (const kept of [1, 6, 7, 11]) {
    const output = freshFolder();
    writeFileSync(
      join(output, 'results.jsonl'),
      `${lines.slice(0, kept).join('\n')}\n{"type":"det`,
    );
    expect((await vgr([...args, output])).code).toBe(0);
    expect(outputBytes(output)).toEqual(outputBytes(whole));
  }
});

it('leaves every file of a finished run as it is, and says so', async () => {
  const folder = await photoFolder(3);
  const output = freshFolder();
  const args = ['detect', folder, '--device', 'cpu', '--output', output];
  expect((await vgr(args)).code).toBe(0);
  const summary = readFileSync(join(output, 'run.json'), 'utf8');
  const again = await vgr(args);
  expect(again).toMatchObject({ code: 0, stdout: '' });
  expect(again.stderr).toBe(
    '3 photos are done already\nnothing left to do: the files stay as they are\n',
  );
  expect(readFileSync(join(output, 'run.json'), 'utf8')).toBe(summary);
});
