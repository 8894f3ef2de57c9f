import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { canReplaceCalls, comesTrue, replacingCalls, shell } from '../support/faults.js';
import { freshFolder, jsonLines, photoFolder, startVgr, vgr } from '../support/vgr.js';

/** Runs a program where process numbers begin at 1, as in a container; the host's name stays. */
const CONTAINER = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];

const canUnshare = spawnSync(CONTAINER[0]!, [...CONTAINER.slice(1), 'true']).status === 0;
if (!canUnshare) console.log('skipped: runs in two containers, which need the right to `unshare`');

it.runIf(canUnshare)(
  'two containers of one host name do not write to one folder, also after a long sleep',
  async () => {
    const folder = await photoFolder(2);
    const output = freshFolder();
    const journal = join(output, 'results.jsonl');
    const args = ['refine', folder, '--queries', '-', '--device', 'cpu', '--output', output];
    const lines = Array.from({ length: 40 }, (_, at) => ({
      id: `q${at}`,
      image: `photo-0${at % 2}.jpg`,
      query: 'the ball',
    })).map((line) => `${JSON.stringify(line)}\n`);
    const ids = (): unknown[] => jsonLines(readFileSync(journal, 'utf8')).map(({ id }) => id);
    const first = startVgr(args, { under: CONTAINER });
    first.child.stdin.write(lines.slice(0, 20).join(''));
    expect(await comesTrue(() => existsSync(journal) && ids().length === 20)).toBe(true);

    const second = await vgr(args, { under: CONTAINER, stdin: lines.join('') });
    expect(second.code).toBe(3);
    expect(second.stderr).toContain('is writing to');

    const sleeper = shell('pgrep -f "[r]un.js refine.*$1"', output).stdout.trim().split('\n');
    for (const pid of sleeper) process.kill(Number(pid), 'SIGSTOP');
    const third = await vgr(args, { under: CONTAINER, stdin: lines.join('') });
    expect(third.code).toBe(0);
    for (const pid of sleeper) process.kill(Number(pid), 'SIGCONT');
    first.child.stdin.end(lines.slice(20).join(''));
    const { code, stderr } = await first.outcome;
    expect(stderr).toContain('another process is writing to');
    expect(code).toBe(3);
    expect(ids()).toEqual(Array.from({ length: 40 }, (_, at) => `q${at}`));
  },
);

it.runIf(canReplaceCalls())(
  'one run at a time writes where the file system has no hard links',
  async () => {
    const folder = freshFolder();
    const env = replacingCalls(
      'int link(const char *a, const char *b) { errno = EPERM; return -1; }\n',
    );
    const lock = join(folder, 'out', '.vgr.lock');
    const args = ['refine', '--queries', '-', '--output', join(folder, 'out')];
    const first = startVgr(args, { env });
    expect(await comesTrue(() => existsSync(lock))).toBe(true);
    const second = await vgr(args, { env });
    expect(second.code).toBe(3);
    expect(second.stderr).toContain(`process ${first.child.pid} on `);
    first.child.kill('SIGKILL');
    await first.outcome;
    expect((await vgr(args, { env })).code).toBe(0);
    expect(existsSync(lock)).toBe(false);
  },
);
