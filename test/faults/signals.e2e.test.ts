import { spawnSync } from 'node:child_process';
import { copyFileSync, createWriteStream, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectClean, journalOf, shell, summaryOf } from '../support/faults.js';
import {
  drawPhoto,
  freshFolder,
  jsonLines,
  type RunningVgr,
  startVgr,
  vgr,
} from '../support/vgr.js';

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;
const QUERY = '{"id":"a","query":"the cat","tools":{"t":[{"bbox_2d":[1,1,9,9]}]}}\n';

/** Resolves once standard error has said the words; where it never does, the test runs out of time. */
function heard({ child }: RunningVgr, words: string): Promise<void> {
  let said = '';
  return new Promise((resolve) => {
    child.stderr.on('data', (text: string) => {
      said += text;
      if (said.includes(words)) resolve();
    });
  });
}

/** What a shell shows as exit code: signals are 128 and their number. */
function shellCode(code: number | null, signal: NodeJS.Signals | null): number | null {
  return signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : code;
}

describe('while standard input stalls', () => {
  it.each(SIGNALS)('the first %s ends the run with %i', async (signal, code) => {
    const output = freshFolder();
    const args = ['refine', '--queries', '-', '--output', output, '--format', 'jsonl'];
    const run = startVgr(args);
    // A whole line, and half of one that never ends.
    run.child.stdin.write(`${QUERY}{"id":"b","query":"the`);
    await new Promise((resolve) => run.child.stdout.once('data', resolve));
    run.child.kill(signal);
    const outcome = await run.outcome;
    expect(outcome).toMatchObject({ code, signal: null });
    expect(jsonLines(outcome.stdout)).toMatchObject([{ type: 'result', id: 'a' }]);
    expect(journalOf(output)).toHaveLength(1);
    expect(summaryOf(output)).toMatchObject({ complete: false, counts: { items: 1, errors: 0 } });
    expect(readdirSync(output).sort()).toEqual(['results.jsonl', 'run.json']);
    expectClean(outcome);
  });

  it('a second signal is not needed, and does no harm', async () => {
    const run = startVgr(['refine', '--queries', '-']);
    run.child.stdin.write(QUERY);
    await new Promise((resolve) => run.child.stdout.once('data', resolve));
    run.child.kill('SIGINT');
    await sleep(5);
    run.child.kill('SIGINT');
    const { code, signal } = await run.outcome;
    expect(shellCode(code, signal)).toBe(130);
  });
});

// How long each may take is held to a clock of its own in test/cli/interruption.test.ts.
describe('while photos are in work that take long', () => {
  let folder: string;

  // Interlaced and 64 megapixels: seconds of decoding out of few bytes.
  beforeAll(async () => {
    folder = freshFolder();
    const colour = { width: 8000, height: 8000, channels: 3 as const, background: '#5a781e' };
    const first = join(folder, 'p-0.png');
    await sharp({ create: colour }).png({ compressionLevel: 1, progressive: true }).toFile(first);
    for (let index = 1; index < 8; index++) copyFileSync(first, join(folder, `p-${index}.png`));
    await drawPhoto(join(folder, 'a.jpg'));
  });

  /** A run that has done the small photo before the large ones, and so has those in work. */
  async function started(output: string): Promise<RunningVgr> {
    const flags = ['--device', 'cpu', '--format', 'jsonl', '--output', output];
    const run = startVgr(['detect', folder, ...flags]);
    await new Promise((resolve) => run.child.stdout.once('data', resolve));
    return run;
  }

  it.each(SIGNALS)(
    'the first %s ends the run without waiting for them all',
    async (signal, code) => {
      const output = freshFolder();
      const run = await started(output);
      run.child.kill(signal);
      const outcome = await run.outcome;
      expect(shellCode(outcome.code, outcome.signal)).toBe(code);
      expect(summaryOf(output)).toMatchObject({ complete: false });
      expect(readdirSync(output)).not.toContain('.vgr.lock');
      expect(readFileSync(join(output, 'results.jsonl'), 'utf8')).toMatch(/^$|\n$/);
      expect(outcome.stderr).toContain(`${signal}: finishing the items in flight`);
      expectClean(outcome);
    },
  );

  it('the second signal ends it too', async () => {
    const run = await started(freshFolder());
    const told = heard(run, 'finishing the items in flight');
    run.child.kill('SIGTERM');
    await told;
    run.child.kill('SIGTERM');
    const { code, signal } = await run.outcome;
    expect(shellCode(code, signal)).toBe(143);
  });
});

/** Whether a test may run the program as process 1 of a space of its own, as it is in a container. */
const asInit = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const canUnshare = spawnSync(asInit[0]!, [...asInit.slice(1), 'true']).status === 0;

it.runIf(canUnshare)('ends as process 1 of a container too, where no signal kills', async () => {
  const { child, outcome } = startVgr(['refine', '--queries', '-'], { under: asInit });
  child.stdin.write(QUERY);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const inner = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'));
  process.kill(inner, 'SIGTERM');
  process.kill(inner, 'SIGTERM');
  expect(await outcome).toMatchObject({ code: 143 });
});

it.runIf(process.platform !== 'win32')('loses no query of a pipe that has a name', async () => {
  const count = 3000;
  const lines = Array.from({ length: count }, (_, at) => QUERY.replace('"a"', `"q${at}"`)).join('');
  const folder = freshFolder();
  const fifo = join(folder, 'queries');
  expect(shell('mkfifo "$1"', fifo).status).toBe(0);
  const { child, outcome } = startVgr(['refine', '--queries', fifo, '--no-timing']);
  child.stdin.end();
  createWriteStream(fifo).end(lines);
  const { code, stdout } = await outcome;
  expect(code).toBe(0);
  expect(jsonLines(stdout).map(({ id }) => id)).toEqual(
    Array.from({ length: count }, (_, at) => `q${at}`),
  );
});

it('stops quietly when nobody reads on, and leaves a folder that can be continued', async () => {
  const output = freshFolder();
  const lines = Array.from({ length: 2000 }, (_, at) => QUERY.replace('"a"', `"q${at}"`)).join('');
  const args = ['refine', '--queries', '-', '--no-timing', '--output', output];
  const { code, stderr } = await vgr([...args, '--format', 'jsonl'], {
    stdin: lines,
    onStart: (child) => child.stdout!.once('data', () => child.stdout!.destroy()),
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(summaryOf(output)).toMatchObject({ complete: false });
  expect((await vgr(args, { stdin: lines })).code).toBe(0);
  expect(journalOf(output).map(({ id }) => id)).toEqual(
    Array.from({ length: 2000 }, (_, at) => `q${at}`),
  );
});
