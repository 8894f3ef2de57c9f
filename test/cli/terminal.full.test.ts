import { execFileSync, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { freshFolder } from '../support/vgr.js';

const hasTmux = spawnSync('tmux', ['-V']).status === 0;
if (!hasTmux) console.warn('tmux is not installed: the tests of terminals are skipped');

const SOCKET = `vgr-test-${process.pid}`;
const tmux = (...args: string[]): string =>
  execFileSync('tmux', ['-L', SOCKET, ...args], { encoding: 'utf8' });

/** What a terminal shows once the command has ended. Times and folders differ from run to run. */
async function shown(columns: number, command: string): Promise<string[]> {
  const line = `env -u CI node ${resolve('bin/run.js')} ${command}; echo END; sleep 30`;
  tmux('new-session', '-d', '-x', String(columns), '-y', '24', line);
  try {
    for (let turn = 0; turn < 200; turn++) {
      await sleep(100);
      const lines = tmux('capture-pane', '-p', '-J').trimEnd().split('\n');
      if (lines.at(-1) === 'END') return lines.slice(0, -1);
    }
    throw new Error('the command does not end');
  } finally {
    tmux('kill-session');
  }
}

describe.runIf(hasTmux).each([80, 50])('a terminal of %i columns', (columns) => {
  afterAll(() => spawnSync('tmux', ['-L', SOCKET, 'kill-server']));

  it('shows answers in one line each, and counts at the end', async () => {
    const photo = resolve('fixtures/images/cats.jpg');
    const asked = `refine ${photo} --query 'the left cat' --query 'the right cat' --device cpu -q`;
    const lines = await shown(columns, `${asked} --format human`);
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
    expect(lines[0]).toMatch(/^cats\.jpg#1 {2}(kept|moved|box)/);
    const noted = await shown(columns, `${asked.replace(' -q', '')} --output ${freshFolder()}`);
    const text = noted.join('\n');
    expect(text).toContain('2 queries, ');
    expect(text).not.toContain('[#');
  });

  it.each(['refine', 'detect', 'eval', 'train-lite'])('holds -h of %s', async (command) => {
    const lines = await shown(columns, `${command} -h`);
    expect(lines.length).toBeLessThanOrEqual(23);
    for (const line of lines.slice(1, -1)) expect(line.length).toBeLessThanOrEqual(columns);
  });
});
