import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openAppendFile } from '../../src/run/append-file.js';
import { startChatServer } from '../support/chat-server.js';
import {
  canMount,
  expectClean,
  linesFile,
  outputBytes,
  SmallDisk,
  shell,
} from '../support/faults.js';
import { freshFolder, photoFolder, vgr } from '../support/vgr.js';

const disks: SmallDisk[] = [];
afterEach(() => {
  for (const disk of disks.splice(0)) disk.remove();
});

function smallDisk(kibibytes: number): SmallDisk {
  const disk = new SmallDisk(kibibytes);
  disks.push(disk);
  return disk;
}

/** 400 queries with boxes of their own: some 200 KiB of results in about a second. */
function queries(image?: string): string {
  return linesFile(
    Array.from({ length: 400 }, (_, index) => ({
      id: `q${index}`,
      ...(image && { image }),
      query: 'the left cat',
      tools: { t: [{ bbox_2d: [index, 1, index + 9, 9], label: 'cat' }] },
    })),
  );
}

describe.runIf(canMount())('a full disk', () => {
  it('stops the run wherever it is, and the same command continues once there is room', async () => {
    const images = ['refine', await photoFolder(1), '--queries', queries('photo-00.jpg')];
    const args = [...images, '--device', 'cpu', '--no-timing', '--output'];
    const whole = freshFolder();
    expect((await vgr([...args, whole])).code).toBe(0);
    const expected = outputBytes(whole);
    const sizes = Object.values(expected).map((text) => Math.ceil(text.length / 1024));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const journal = Math.ceil(expected['results.jsonl']!.length / 1024);
    // In the lock or run.json, in the journal, in either COCO file.
    const places = [4, 8, 0.5 * journal, journal + 12, 0.5 * (journal + total), 0.9 * total];
    for (const kibibytes of places.map(Math.round)) {
      const disk = smallDisk(kibibytes);
      const output = join(disk.folder, 'out');
      const full = await vgr([...args, output]);
      expect({ kibibytes, code: full.code }).toEqual({ kibibytes, code: 3 });
      expect(full.stderr).toMatch(/^error: no space left to write/m);
      expect(full.stderr).toContain('hint: free some space and run the same command again');
      expectClean(full);
      disk.change('size=8m');
      const done = await vgr([...args, output]);
      expect({ kibibytes, code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
      expect(outputBytes(output)).toEqual(expected);
    }
  });

  it('keeps the whole lines of a batch that is larger than the room there is', async () => {
    const disk = smallDisk(64);
    const file = join(disk.folder, 'results.jsonl');
    const journal = await openAppendFile(file);
    for (let i = 0; i < 1000; i++) await journal.append(`${`line ${i}`.padEnd(99)}\n`);
    await expect(journal.close()).rejects.toMatchObject({ code: 'DISK_FULL' });
    const kept = readFileSync(file, 'utf8').split('\n');
    expect(kept.pop()).toBe('');
    expect(kept.map((line) => line.trimEnd())).toEqual(kept.map((_, i) => `line ${i}`));
    expect(kept.length).toBe(Math.floor((64 * 1024) / 100));
  });

  it('with room for nothing at all leaves no lock behind', async () => {
    const disk = smallDisk(64);
    const filler = join(disk.folder, 'filler');
    shell('dd if=/dev/zero of="$1" bs=4k', filler);
    const args = ['refine', '--queries', linesFile([]), '--output', disk.folder];
    expect((await vgr(args)).code).toBe(3);
    expect(existsSync(join(disk.folder, '.vgr.lock'))).toBe(false);
    rmSync(filler);
    expect(await vgr(args)).toMatchObject({ code: 0 });
  });

  it('of pictures ends the run as well', async () => {
    const folder = await photoFolder(6);
    const disk = smallDisk(16);
    const run = await vgr(['detect', folder, '--device', 'cpu', '--visualize', disk.folder]);
    expect(run.code).toBe(3);
    expect(run.stderr).toMatch(/^error: no space left to write/m);
    expectClean(run);
  });
});

describe.runIf(canMount())('a disk that is read-only', () => {
  it('is named with a hint, and nothing runs', async () => {
    const folder = await photoFolder(1);
    const disk = smallDisk(64);
    disk.change('ro');
    for (const output of [disk.folder, join(disk.folder, 'new')]) {
      const run = await vgr(['detect', folder, '--device', 'cpu', '--output', output]);
      expect({ code: run.code, stdout: run.stdout }).toEqual({ code: 3, stdout: '' });
      expect(run.stderr).toContain(`cannot write \`${output}`);
      expect(run.stderr).toMatch(/^hint: (the file system is read-only|check that the folder)/m);
      expectClean(run);
    }
    disk.change('rw');
  });

  it('is told before a server is asked anything', async () => {
    const server = await startChatServer(() => ({ kind: 'text', text: 'never' }));
    try {
      const disk = smallDisk(64);
      disk.change('ro');
      const args = ['refine', await photoFolder(1), '--queries', queries('photo-00.jpg')];
      const large = ['--refiner', 'vlm', '--vlm-url', server.url, '--vlm-model', 'test'];
      const run = await vgr([...args, ...large, '--device', 'cpu', '--output', disk.folder]);
      expect({ code: run.code, stdout: run.stdout }).toEqual({ code: 3, stdout: '' });
      expect(run.stderr).toContain(`cannot write \`${disk.folder}`);
      expectClean(run);
      expect(server.bodies).toEqual([]);
      disk.change('rw');
      expect(readdirSync(disk.folder)).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it('half way through stops the run, and it continues when it can be written again', async () => {
    const args = ['refine', '--queries', '-', '--no-timing', '--output'];
    const lines = readFileSync(queries(), 'utf8');
    const whole = freshFolder();
    expect((await vgr([...args, whole], { stdin: lines })).code).toBe(0);
    const disk = smallDisk(8192);
    const output = join(disk.folder, 'out');
    await vgr([...args, output], { stdin: lines.slice(0, lines.length / 2) });
    disk.change('ro');
    const run = await vgr([...args, output], { stdin: lines });
    expect(run.code).toBe(3);
    expectClean(run);
    disk.change('rw');
    // The half line at the cut has become an error record.
    expect((await vgr([...args, output, '--retry-failed'], { stdin: lines })).code).toBe(0);
    expect(outputBytes(output)).toEqual(outputBytes(whole));
  });
});

it.runIf(process.getuid?.() !== 0)('a folder of somebody else is named with a hint', async () => {
  const folder = await photoFolder(1);
  const output = freshFolder();
  chmodSync(output, 0o555);
  const run = await vgr(['detect', folder, '--device', 'cpu', '--output', output]);
  expect(run.code).toBe(3);
  expect(run.stderr).toContain('hint: check who may write there');
  expectClean(run);
});

it.runIf(existsSync('/dev/full'))('a full stdout ends a run whose folder continues', async () => {
  const output = freshFolder();
  const file = queries();
  const args = ['refine', '--queries', file, '--no-timing', '--output', output];
  const script = 'exec "$0" bin/run.js "$@" > /dev/full';
  const command = ['-c', script, process.execPath, ...args, '--format', 'jsonl'];
  const run = spawnSync('sh', command, { encoding: 'utf8' });
  expect(run.status).toBe(3);
  expectClean(run);
  expect((await vgr(args)).code).toBe(0);
  const whole = freshFolder();
  await vgr(['refine', '--queries', file, '--no-timing', '--output', whole]);
  expect(outputBytes(output)).toEqual(outputBytes(whole));
});

it('a file in the place of the folder is named with a hint', async () => {
  const folder = await photoFolder(1);
  const file = join(freshFolder(), 'out');
  writeFileSync(file, '');
  for (const output of [file, join(file, 'deeper')]) {
    const run = await vgr(['detect', folder, '--device', 'cpu', '--output', output]);
    expect(run.code).toBe(3);
    expect(run.stderr).toContain('hint: a part of the path is a file');
    expectClean(run);
  }
});
