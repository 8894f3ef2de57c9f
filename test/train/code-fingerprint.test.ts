import { type Dirent, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { codeFingerprint } from '../../src/train/examples.js';
import { freshFolder } from '../support/vgr.js';

const isFolder = (entry: Dirent): boolean => entry.isDirectory();

function program(words: string): string {
  const root = freshFolder();
  for (const { name } of readdirSync('src', { withFileTypes: true }).filter(isFolder)) {
    mkdirSync(join(root, name, 'deep'), { recursive: true });
    writeFileSync(join(root, name, 'deep', 'a.js'), name);
  }
  writeFileSync(join(root, 'language', 'words.js'), words);
  return root;
}

it('is another where code that makes numbers is, and the same wherever it lies', async () => {
  const root = program('left right');
  const fingerprint = await codeFingerprint(root);
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(await codeFingerprint(program('left right'))).toBe(fingerprint);
  expect(await codeFingerprint(program('left right middle'))).not.toBe(fingerprint);
  writeFileSync(join(root, 'cli', 'deep', 'a.js'), 'another way to print');
  expect(await codeFingerprint(root)).toBe(fingerprint);
  writeFileSync(join(root, 'refine', 'deep', 'b.js'), '');
  expect(await codeFingerprint(root)).not.toBe(fingerprint);
});

it('is that of this program by default', async () => {
  expect(await codeFingerprint()).toBe(await codeFingerprint('src'));
});
