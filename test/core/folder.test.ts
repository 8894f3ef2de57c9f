import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolder } from '../../src/core/files.js';

it('makes all folders that are missing, side by side too, and leaves those that are there', async () => {
  const root = await mkdtemp(join(tmpdir(), 'vgr-test-'));
  const deep = join(root, 'a', 'b', 'c');
  await Promise.all([makeFolder(deep), makeFolder(deep), makeFolder(join(root, 'a', 'd'))]);
  await makeFolder(deep);
  expect(existsSync(deep)).toBe(true);
  expect(existsSync(join(root, 'a', 'd'))).toBe(true);
});

it('refuses a place under a file', async () => {
  const root = await mkdtemp(join(tmpdir(), 'vgr-test-'));
  await writeFile(join(root, 'file'), '');
  await expect(makeFolder(join(root, 'file', 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
});

it.runIf(existsSync('/proc/self'))('comes to an end where no folder can be made', async () => {
  await expect(makeFolder('/proc/vgr/out')).rejects.toMatchObject({ code: 'ENOENT' });
});
