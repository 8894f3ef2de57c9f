import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { comesTrue, shell, summaryOf } from '../support/faults.js';
import { freshFolder } from '../support/vgr.js';

const SHELLS = [['dash'], ['bash', '--posix']].filter(
  ([name]) => process.platform !== 'win32' && spawnSync(name!, ['-c', 'true']).status === 0,
);

/** A task of an array without its Slurm: `scontrol` writes down what it is told. */
function task(
  interpreter: readonly string[],
  args: readonly string[],
  program = `exec "${process.execPath}" "${resolve('bin/run.js')}" "$@"`,
) {
  const folder = freshFolder();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const script = (name: string, text: string): void =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  script('vgr', program);
  script('scontrol', `echo "$@" >> "${join(folder, 'told')}"`);
  const output = join(folder, 'out');
  const child = spawn(
    interpreter[0]!,
    [...interpreter.slice(1), 'deploy/slurm/shard.sh', output, ...args],
    {
      env: {
        ...process.env,
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        SLURM_ARRAY_JOB_ID: '7',
        SLURM_ARRAY_TASK_ID: '2',
        SLURM_ARRAY_TASK_COUNT: '3',
        SLURM_ARRAY_TASK_MIN: '1',
      },
      stdio: 'ignore',
    },
  );
  const code = new Promise<number | null>((done) => child.on('close', done));
  const told = (): string =>
    existsSync(join(folder, 'told')) ? readFileSync(join(folder, 'told'), 'utf8') : '';
  return { child, code, told, shard: join(output, 'shard-2') };
}

describe.each(SHELLS)('a task of the array in %s', (...interpreter) => {
  /** Queries come from a pipe that nobody writes to: the task is at work until it is told to end. */
  function endless() {
    const fifo = join(freshFolder(), 'q');
    shell('mkfifo "$1"', fifo);
    const writer = spawn('sh', ['-c', 'exec sleep 3600 > "$0"', fifo], { stdio: 'ignore' });
    onTestFinished(() => void writer.kill());
    return task(interpreter, ['refine', '--queries', fifo]);
  }

  it.each([
    ['SIGUSR1', 'requeue 7_2\n'],
    ['SIGTERM', ''],
  ] as const)('ends well at %s', async (signal, expected) => {
    const { child, code, told, shard } = endless();
    const journal = join(shard, 'results.jsonl');
    expect(await comesTrue(() => existsSync(journal))).toBe(true);
    child.kill(signal);
    expect(await code).toBe(143);
    expect(told()).toBe(expected);
    expect(summaryOf(shard)).toMatchObject({ complete: false, settings: { shard: '2/3' } });
  });

  it('passes by items that fail, and ends with usage errors as they are', async () => {
    const queries = join(freshFolder(), 'q.jsonl');
    writeFileSync(queries, Array.from({ length: 9 }, (_, at) => `{"id":"${at}"}\n`).join(''));
    const failed = task(interpreter, ['refine', '--queries', queries]);
    expect(await failed.code).toBe(0);
    expect(summaryOf(failed.shard)).toMatchObject({ complete: true });
    const wrong = task(interpreter, ['refine', '--queries', queries, '--nonsense']);
    expect(await wrong.code).toBe(2);
    expect(failed.told() + wrong.told()).toBe('');
    // As Node.js ends that does not find the program, and a program without its parts.
    expect(await task(interpreter, [], 'exit 1').code).toBe(3);
    expect(await task(interpreter, [], 'exit 0').code).toBe(3);
  });
});

it('the scripts are free of what shellcheck warns of', (context) => {
  const run = shell('shellcheck deploy/slurm/*.sh');
  if (run.status === 127) context.skip('shellcheck is not installed');
  expect(run.stdout).toBe('');
  expect(run.status).toBe(0);
});
