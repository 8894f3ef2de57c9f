import { existsSync } from 'node:fs';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openAppendFile } from '../../src/run/append-file.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const temporaryFolder = useTemporaryFolders();

describe('AppendFile', () => {
  it('appends lines in the order of the calls, and goes on behind the last', async () => {
    const file = path.join(await temporaryFolder(), 'out/results.jsonl');
    const journal = await openAppendFile(file);
    for (let i = 0; i < 5000; i++) void journal.append(`line ${i}\n`);
    await journal.flush();
    const first = await readFile(file, 'utf8');
    expect(first.split('\n').slice(0, -1)).toEqual(
      Array.from({ length: 5000 }, (_, i) => `line ${i}`),
    );
    await journal.close();
    await journal.close();
    const again = await openAppendFile(file);
    expect(await readFile(file, 'utf8')).toBe(first);
    await again.append('lïne\nlast\n');
    await again.close();
    expect(await readFile(file, 'utf8')).toBe(`${first}lïne\nlast\n`);
  });

  it('makes its caller wait until much that waits is written', async () => {
    const file = path.join(await temporaryFolder(), 'results.jsonl');
    const journal = await openAppendFile(file);
    const line = `${'x'.repeat(2 * 1024 * 1024)}\n`;
    for (let i = 1; i <= 8; i++) {
      await journal.append(line);
      expect((await stat(file)).size).toBe(i * line.length);
    }
    await journal.close();
  });

  it('removes a torn last line, however long, and nothing else', async () => {
    const folder = await temporaryFolder();
    const cases: [string, string][] = [
      ['', ''],
      ['torn', ''],
      ['a\n', 'a\n'],
      ['a\nb\ntorn', 'a\nb\n'],
      [`a\n${'x'.repeat(200_000)}`, 'a\n'],
      [`${'y'.repeat(100_000)}\n${'x'.repeat(64 * 1024 - 1)}`, `${'y'.repeat(100_000)}\n`],
      ['x'.repeat(150_000), ''],
    ];
    for (const [i, [text, kept]] of cases.entries()) {
      const file = path.join(folder, `${i}.jsonl`);
      await writeFile(file, text);
      const journal = await openAppendFile(file);
      expect(await readFile(file, 'utf8')).toBe(kept);
      await journal.append('new\n');
      await journal.close();
      expect(await readFile(file, 'utf8')).toBe(`${kept}new\n`);
    }
  });

  it('cut at any byte, keeps exactly the whole lines', async () => {
    const file = path.join(await temporaryFolder(), 'results.jsonl');
    const lines = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '🦁'), maxLength: 5 }), {
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(lines, fc.double({ min: 0, max: 1, noNaN: true }), async (texts, share) => {
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
        const cut = Math.floor(share * bytes.length);
        await writeFile(file, bytes);
        await truncate(file, cut);
        await (await openAppendFile(file)).close();
        const kept = bytes.subarray(0, bytes.subarray(0, cut).lastIndexOf(0x0a) + 1);
        expect((await readFile(file)).equals(kept)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses what is no whole line, and anything after close', async () => {
    const journal = await openAppendFile(path.join(await temporaryFolder(), 'x'));
    await expect(journal.append('no end')).rejects.toThrow('line feed');
    await journal.close();
    await expect(journal.append('x\n')).rejects.toThrow('close');
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk is full, from then on', async () => {
    const journal = await openAppendFile('/dev/full');
    await journal.append('x\n');
    await expect(journal.flush()).rejects.toMatchObject({ code: 'DISK_FULL', exit: 3 });
    await expect(journal.append('x\n')).rejects.toMatchObject({ code: 'DISK_FULL' });
    await expect(journal.close()).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  it('says that it cannot open the file', async () => {
    await expect(openAppendFile(await temporaryFolder())).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
    });
  });
});
