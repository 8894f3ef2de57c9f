import { type Dirent, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { codeTrace } from '../../src/train/cache.js';
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
  const trace = await codeTrace(root);
  expect(trace).toMatch(/^[0-9a-f]{64}$/);
  expect(await codeTrace(program('left right'))).toBe(trace);
  expect(await codeTrace(program('left right middle'))).not.toBe(trace);
  writeFileSync(join(root, 'cli', 'deep', 'a.js'), 'another way to print');
  expect(await codeTrace(root)).toBe(trace);
  writeFileSync(join(root, 'refine', 'deep', 'b.js'), '');
  expect(await codeTrace(root)).not.toBe(trace);
});

it('is that of this program by default', async () => {
  expect(await codeTrace()).toBe(await codeTrace('src'));
});
