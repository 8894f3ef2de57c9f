import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { OutputFolder } from '../../src/run/output-folder.js';
import { freshFolder } from '../support/vgr.js';

/** Files below the folder that this process holds open. */
function openFiles(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(join('/proc/self/fd', fd));
      return path.startsWith(folder) ? [path] : [];
    } catch {
      return [];
    }
  });
}

it.runIf(process.platform === 'linux')(
  'holds no file of a folder that it cannot continue',
  async () => {
    const folder = freshFolder();
    const journal = join(folder, 'results.jsonl');
    writeFileSync(journal, '{"of": "another program"}\n');
    writeFileSync(join(folder, 'run.json'), '{"settings": {}}');
    const open = () =>
      OutputFolder.open(folder, {}, { sharded: false, retryFailed: false, categories: [] });
    await expect(open()).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect(openFiles(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual(['results.jsonl', 'run.json']);
    writeFileSync(journal, '');
    const opened = await open();
    expect(openFiles(folder)).toContain(journal);
    await opened.close();
    expect(openFiles(folder)).toEqual([]);
  },
);
