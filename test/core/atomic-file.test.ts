import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { outputError, writeFileAtomic } from '../../src/core/files.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const temporaryFolder = useTemporaryFolders();

async function* pieces(count: number, failAt = Number.POSITIVE_INFINITY): AsyncGenerator<string> {
  for (let i = 0; i < count; i++) {
    if (i === failAt) throw new RangeError('no more pieces');
    yield `${i},`;
  }
}

describe('writeFileAtomic', () => {
  it('writes text and bytes in order, in a folder that it makes', async () => {
    const target = path.join(await temporaryFolder(), 'a/b/c.json');
    await writeFileAtomic(target, ['ä', Buffer.from([0x62, 0x0a]), 'c'.repeat(300_000), 'd']);
    expect(await readFile(target, 'utf8')).toBe(`äb\n${'c'.repeat(300_000)}d`);
    await writeFileAtomic(target, pieces(100_000));
    expect((await readFile(target, 'utf8')).split(',').length).toBe(100_001);
    expect(await readdir(path.dirname(target))).toEqual(['c.json']);
  });

  it('leaves what was there, and no partial file, when the pieces fail', async () => {
    const folder = await temporaryFolder();
    const target = path.join(folder, 'run.json');
    await writeFile(target, 'before');
    await expect(writeFileAtomic(target, pieces(200_000, 150_000))).rejects.toThrow(RangeError);
    expect(await readdir(folder)).toEqual(['run.json']);
    expect(await readFile(target, 'utf8')).toBe('before');
  });

  it('says why it cannot write', async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, 'file'), '');
    await mkdir(path.join(folder, 'taken.json'));
    for (const name of ['file/run.json', 'taken.json']) {
      await expect(writeFileAtomic(path.join(folder, name), ['x'])).rejects.toMatchObject({
        code: 'OUTPUT_UNWRITABLE',
        exit: 3,
        hint: expect.stringContaining('--output'),
      });
    }
    expect((await readdir(folder)).sort()).toEqual(['file', 'taken.json']);
  });

  it.skipIf(process.getuid?.() === 0)('says who may not write', async () => {
    const folder = await temporaryFolder();
    await chmod(folder, 0o500);
    await expect(writeFileAtomic(path.join(folder, 'x'), ['x'])).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      hint: expect.stringContaining('ls -ld'),
    });
  });
});

describe('outputError', () => {
  it.each([
    ['ENOSPC', 'DISK_FULL'],
    ['EDQUOT', 'DISK_FULL'],
    ['EACCES', 'OUTPUT_UNWRITABLE'],
    ['EROFS', 'OUTPUT_UNWRITABLE'],
  ])('maps %s to %s', (code, expected) => {
    const cause = Object.assign(new Error(`${code}: sorry`), { code });
    const error = outputError('/out/run.json', cause);
    expect(error).toMatchObject({ code: expected, exit: 3, cause });
    expect(error.message).toContain('`/out/run.json`');
    expect(error.hint).toBeDefined();
  });
});
