import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { lockOutput } from '../../src/core/file-lock.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const temporaryFolder = useTemporaryFolders();
const lockFile = (folder: string) => path.join(folder, '.vgr.lock');

async function writeLock(folder: string, owner: object): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(lockFile(folder), JSON.stringify({ since: '2024-01-01', birth: '', ...owner }));
}

/** A pid that was in use and is no more. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => child.on('exit', resolve));
  return child.pid!;
}

/** A process whose parent, which runs until it is killed, never asks for its end. */
async function neglected(): Promise<{ readonly pid: number; readonly parent: ChildProcess }> {
  const parent = spawn('sh', ['-c', 'sleep 3600 & echo $!; exec sleep 3600']);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  return { pid: Number(line.toString()), parent };
}

describe('lockOutput', () => {
  it('makes the folder, names the owner, and gives it free again', async () => {
    const folder = path.join(await temporaryFolder(), 'new', 'out');
    const lock = await lockOutput(folder);
    expect(JSON.parse(await readFile(lockFile(folder), 'utf8'))).toMatchObject({
      pid: process.pid,
      host: os.hostname(),
    });
    await lock.release();
    await lock.release();
    await expect(stat(lockFile(folder))).rejects.toMatchObject({ code: 'ENOENT' });
    await (await lockOutput(folder)).release();
  });

  it('refuses a second run in this process, and names the first', async () => {
    const folder = await temporaryFolder();
    const lock = await lockOutput(folder);
    await expect(lockOutput(`${folder}/.`)).rejects.toMatchObject({
      code: 'OUTPUT_BUSY',
      exit: 3,
      message: expect.stringContaining(`process ${process.pid} on \`${os.hostname()}\``),
    });
    await lock.release();
  });

  it('refuses a living process of this host and any of another host', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    try {
      const folder = await temporaryFolder();
      const birth = JSON.parse(await ownBirthOf(child.pid!));
      await writeLock(folder, { pid: child.pid, host: os.hostname(), birth });
      await expect(lockOutput(folder)).rejects.toMatchObject({ code: 'OUTPUT_BUSY' });
      await writeLock(folder, { pid: await deadPid(), host: 'elsewhere' });
      await expect(lockOutput(folder)).rejects.toMatchObject({
        code: 'OUTPUT_BUSY',
        hint: expect.stringContaining('.vgr.lock'),
      });
    } finally {
      child.kill();
    }
  });

  it('takes over from a dead process, and from an earlier one of the same pid', async () => {
    const host = os.hostname();
    for (const owner of [
      { pid: await deadPid(), host },
      { pid: process.pid, host, birth: 'before' },
      { pid: process.ppid, host, birth: 'another-boot/1' },
    ]) {
      const folder = await temporaryFolder();
      await writeLock(folder, owner);
      const lock = await lockOutput(folder, { silenceMs: 100 });
      expect(JSON.parse(await readFile(lockFile(folder), 'utf8'))).toMatchObject({
        pid: process.pid,
      });
      await lock.release();
    }
  });

  it.runIf(process.platform === 'linux')(
    'takes over from a killed process that its parent left lying',
    async () => {
      const { pid, parent } = await neglected();
      try {
        const folder = await temporaryFolder();
        const birth = JSON.parse(await ownBirthOf(pid));
        await writeLock(folder, { pid, host: os.hostname(), birth });
        await expect(lockOutput(folder)).rejects.toMatchObject({ code: 'OUTPUT_BUSY' });
        process.kill(pid, 'SIGKILL');
        await vi.waitFor(async () => {
          expect(await readFile(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
        }, 60_000);
        await (await lockOutput(folder)).release();
      } finally {
        parent.kill();
      }
    },
  );

  it.each([
    ['of another container', { namespace: 'pid:[1]' }],
    ['before a restart of the machine', { birth: 'another-boot/1' }],
  ])('listens for the heartbeat of an owner %s', async (_, facts) => {
    const folder = await temporaryFolder();
    // The pid is in use here, by another process.
    await writeLock(folder, { pid: process.pid, host: os.hostname(), ...facts });
    const beat = setInterval(() => void utimes(lockFile(folder), new Date(), new Date()), 20);
    await expect(lockOutput(folder, { silenceMs: 5_000 })).rejects.toMatchObject({
      code: 'OUTPUT_BUSY',
    });
    clearInterval(beat);
    await (await lockOutput(folder, { silenceMs: 200 })).release();
  });

  it('beats while it is held', async () => {
    const folder = await temporaryFolder();
    const lock = await lockOutput(folder);
    await utimes(lockFile(folder), 1, 1);
    await vi.waitFor(async () => {
      expect((await stat(lockFile(folder))).mtimeMs).toBeGreaterThan(2_000);
    }, 10_000);
    await lock.release();
  });

  it('waits out a lock that is being written, and clears one that a crash left half written', async () => {
    const folder = await temporaryFolder();
    await writeFile(lockFile(folder), '{"pid":');
    await expect(lockOutput(folder)).rejects.toMatchObject({ code: 'OUTPUT_BUSY' });
    await utimes(lockFile(folder), 1, 1);
    await mkdir(`${lockFile(folder)}.takeover`);
    await utimes(`${lockFile(folder)}.takeover`, 1, 1);
    await (await lockOutput(folder)).release();
  });

  it('leaves the lock of another alone when it is released', async () => {
    const folder = await temporaryFolder();
    const lock = await lockOutput(folder);
    await writeLock(folder, { pid: 1, host: 'elsewhere' });
    await lock.release();
    expect(await readFile(lockFile(folder), 'utf8')).toContain('elsewhere');
    const next = path.join(folder, 'next');
    const taken = await lockOutput(next);
    await writeLock(next, { pid: 1, host: 'elsewhere' });
    taken.releaseNow();
    expect(await readFile(lockFile(next), 'utf8')).toContain('elsewhere');
  });

  it('lets exactly one of many processes take over a dead lock', async () => {
    const folder = await temporaryFolder();
    await writeLock(folder, { pid: await deadPid(), host: os.hostname() });
    const program = `
      import { lockOutput } from ${JSON.stringify(path.resolve('src/core/file-lock.ts'))};
      try { await lockOutput(${JSON.stringify(folder)}); console.log('mine'); await new Promise((r) => process.stdin.on('data', r)); process.exit(); }
      catch (error) { console.log(error.code); }`;
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]),
    );
    try {
      const words = await Promise.all(
        children.map(
          (child) =>
            new Promise<string>((resolve) => {
              child.stdout.once('data', (data) => resolve(String(data).trim()));
              child.stderr.once('data', (data) => resolve(`error: ${data}`));
            }),
        ),
      );
      expect(words.sort()).toEqual(['OUTPUT_BUSY', 'OUTPUT_BUSY', 'OUTPUT_BUSY', 'mine']);
    } finally {
      for (const child of children) child.kill();
    }
  });
});

/** The birth mark of a process, as the lock of that process itself would hold it. */
async function ownBirthOf(pid: number): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined);
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (boot === undefined || status === undefined) return '""';
  return JSON.stringify(
    `${boot.trim()}/${status.slice(status.lastIndexOf(')') + 2).split(' ')[19]}`,
  );
}
