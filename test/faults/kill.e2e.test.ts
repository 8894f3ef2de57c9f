import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SeededRandom } from '../../src/core/random.js';
import { linesFile, outputBytes, summaryOf } from '../support/faults.js';
import { IS_FULL } from '../support/layers.js';
import { freshFolder, photoFolder, startVgr, vgr } from '../support/vgr.js';

const KILLS = IS_FULL ? 30 : 6;
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

/** Runs the command, kills it when the time has come. @returns whether the kill came before the end */
async function killedAt(args: readonly string[], hasCome: () => boolean): Promise<boolean> {
  const { child, outcome } = startVgr(args);
  child.stdin.end();
  const watch = setInterval(() => {
    if (hasCome()) child.kill('SIGKILL');
  }, 2);
  const { signal, code, stderr } = await outcome;
  clearInterval(watch);
  if (signal === null) expect({ code, stderr: stderr.includes('hint') }).toMatchObject({ code: 1 });
  return signal === 'SIGKILL';
}

/** After a while, which may be before the work begins and after its end. */
function afterMs(ms: number): () => boolean {
  const end = performance.now() + ms;
  return () => performance.now() >= end;
}

/** When the journal has grown by that share of what is still to come: at work, however slow the machine is. */
function afterGrowth(output: string, wholeBytes: number, share: number): () => boolean {
  const before = journalBytes(output);
  const wanted = before + Math.ceil(share * (wholeBytes - before));
  return () => journalBytes(output) >= wanted;
}

it(`is killed at ${KILLS} random moments and continued, to the bytes of a run left alone`, async () => {
  const args = await work();
  const whole = freshFolder();
  const start = performance.now();
  expect((await vgr([...args, '--output', whole])).code).toBe(1);
  const wallMs = performance.now() - start;
  const expected = outputBytes(whole);
  expect(Object.keys(expected)).toHaveLength(4);
  const wholeBytes = journalBytes(whole);

  const random = new SeededRandom(20);
  let kills = 0;
  let midway = 0;
  while (kills < KILLS) {
    const output = freshFolder();
    for (;;) {
      // A retry of errors that stay errors changes nothing either.
      const retry = random.next() < 0.3 ? ['--retry-failed'] : [];
      const all = [...args, '--output', output, ...retry];
      const [byTime, share] = [random.next() < 0.5, random.next()];
      const moment = byTime
        ? afterMs(share * 1.2 * wallMs)
        : afterGrowth(output, wholeBytes, share);
      if (!(await killedAt(all, moment))) break;
      kills += 1;
      const bytes = journalBytes(output);
      if (bytes > 0 && bytes < wholeBytes) midway += 1;
    }
    expect(outputBytes(output)).toEqual(expected);
    expect(summaryOf(output)).toMatchObject({ complete: true, counts: { items: 104, errors: 12 } });
  }
  // A fifth of the kills at least shall meet a run at its work, not one that starts.
  expect(midway).toBeGreaterThanOrEqual(Math.floor(KILLS / 5));
});

function journalBytes(output: string): number {
  return statSync(join(output, 'results.jsonl'), { throwIfNoEntry: false })?.size ?? 0;
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
    copyFileSync(join(whole, 'run.json'), join(output, 'run.json'));
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
