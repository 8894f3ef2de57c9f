import { mkdir, readdir, readlink, realpath, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countLines,
  type LineItem,
  lineBlocks,
  linesAgain,
  readLines,
  refuseReadTwice,
} from '../../src/core/line-reader.js';
import { shell } from '../support/faults.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const temporaryFolder = useTemporaryFolders();

async function collect(items: AsyncIterable<LineItem>): Promise<[number, string][]> {
  const found: [number, string][] = [];
  for await (const item of items) {
    found.push([item.number, 'text' in item ? item.text : `!${item.error.code}`]);
  }
  return found;
}

/** The bytes in pieces of the given lengths, over and over. */
async function* cut(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? bytes.length;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes?: number,
): AsyncGenerator<LineItem> {
  for await (const block of lineBlocks(chunks, maxLineBytes)) yield* block;
}

/** Files that this process holds open; none where the system does not tell. */
async function openFiles(): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd').catch(() => []);
  return Promise.all(numbers.map((n) => readlink(`/proc/self/fd/${n}`).catch(() => '')));
}

const split = (text: string | Uint8Array, max?: number) =>
  collect(splitLines(cut(Buffer.from(text), [Number.MAX_SAFE_INTEGER]), max));

describe('lineBlocks', () => {
  it.each([
    ['', []],
    ['\n', []],
    ['a', [[1, 'a']]],
    ['a\n', [[1, 'a']]],
    [
      'a\nb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'a\r\nb\r\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      '\n\n a \n \t\n\nb',
      [
        [3, ' a '],
        [6, 'b'],
      ],
    ],
    [
      '\ufeffa\n\ufeffb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    ['\ufeff\na', [[2, 'a']]],
    ['a\rb\n', [[1, 'a\rb']]],
    ['ü\u2028日本🦁\n', [[1, 'ü\u2028日本🦁']]],
  ])('reads %j', async (text, lines) => {
    expect(await split(text as string)).toEqual(lines);
  });

  it('puts a error in the place of a line that is too long or not UTF-8', async () => {
    const text = Buffer.concat([
      Buffer.from('short\n'),
      Buffer.from(`${'x'.repeat(11)}\n`),
      Buffer.from('ten bytes!\r\n'),
      Buffer.from([0x61, 0xff, 0x62, 0x0a]),
      Buffer.from([0xed, 0xa0, 0x80, 0x0a]),
      Buffer.from('last'),
    ]);
    const expected = [
      [1, 'short'],
      [2, '!LINE_TOO_LONG'],
      [3, 'ten bytes!'],
      [4, '!LINE_NOT_UTF8'],
      [5, '!LINE_NOT_UTF8'],
      [6, 'last'],
    ];
    for (const lengths of [[1], [3], [7], [1000]]) {
      expect(await collect(splitLines(cut(text, lengths), 10))).toEqual(expected);
    }
  });

  it.each([
    ['UTF-16', [0xff, 0xfe, 0x7b, 0], 'iconv -f utf-16'],
    ['Latin-1', [0x61, 0xe9], 'iconv -f latin1'],
  ])('says what to do with bytes that are %s', async (_, bytes, hint) => {
    const errors: (string | undefined)[] = [];
    for await (const item of splitLines(cut(Buffer.from(bytes), [9]))) {
      if ('error' in item) errors.push(item.error.hint);
    }
    expect(errors).toEqual([expect.stringContaining(hint)]);
  });

  it('does not hold a line that never ends', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 200; i++) {
        yield chunk;
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
      yield Buffer.from('\nb');
    }
    expect(await collect(splitLines(endless(), 4 * 1024 * 1024))).toEqual([
      [1, '!LINE_TOO_LONG'],
      [2, 'b'],
    ]);
    expect(most).toBeLessThan(64 * 1024 * 1024);
  });

  it('gives the same lines wherever the bytes are cut', async () => {
    const piece = fc.constantFrom('a', 'é', '🦁', '\n', '\r\n', '\r', ' ', '{"x":1}', '\ufeff');
    const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(text, lengths, async (whole, cuts) => {
        const expected = whole
          .split('\n')
          .map((line, i): [number, string] => [
            i + 1,
            line.replace(/^\ufeff+/, '').replace(/\r$/, ''),
          ])
          .filter(([, line]) => !/^[ \t\r]*$/.test(line));
        expect(await collect(splitLines(cut(Buffer.from(whole), cuts)))).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('gives the same errors wherever bytes of any kind are cut', async () => {
    const bytes = fc
      .array(fc.constantFrom(0x0a, 0x0d, 0x61, 0x20, 0xff, 0xc3, 0xa9, 0xef, 0xbb, 0xbf), {
        maxLength: 60,
      })
      .map((list) => Uint8Array.from(list));
    const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(bytes, lengths, async (whole, cuts) => {
        expect(await collect(splitLines(cut(whole, cuts), 8))).toEqual(
          await collect(splitLines(cut(whole, [1]), 8)),
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe('readLines', () => {
  it('reads plain and packed files', async () => {
    const folder = await temporaryFolder();
    const lines = Array.from({ length: 50_000 }, (_, i) => `{"id":"q${i}","query":"die Löwin"}`);
    const plain = path.join(folder, 'q.jsonl');
    const packed = path.join(folder, 'q.jsonl.gz');
    await writeFile(plain, `${lines.join('\n')}\n`);
    await writeFile(packed, gzipSync(`${lines.join('\n')}\n`));
    for (const file of [plain, packed]) {
      const texts: string[] = [];
      for await (const item of readLines(file)) if ('text' in item) texts.push(item.text);
      expect(texts).toEqual(lines);
    }
    expect(await countLines(plain)).toBe(50_000);
  });

  it('lets go of the file when the reader stops early', async () => {
    const folder = await temporaryFolder();
    const text = 'a\nb\n'.repeat(400_000);
    await writeFile(path.join(folder, 'q.jsonl'), text);
    await writeFile(path.join(folder, 'q.jsonl.gz'), gzipSync(text));
    for (const name of ['q.jsonl', 'q.jsonl.gz']) {
      const file = await realpath(path.join(folder, name));
      for await (const item of readLines(file)) {
        expect(item.number).toBe(1);
        break;
      }
      await expect.poll(() => openFiles()).not.toContain(file);
    }
  });

  it('says what is wrong with the file', async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, 'sub'));
    const cutShort = path.join(folder, 'cut.jsonl.gz');
    await writeFile(cutShort, gzipSync('x\n'.repeat(9999)).subarray(0, 30));
    await expect(collect(readLines(path.join(folder, 'none')))).rejects.toMatchObject({
      code: 'INPUT_MISSING',
      exit: 2,
    });
    await expect(collect(readLines(path.join(folder, 'sub')))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
    await expect(collect(readLines(cutShort))).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
  });
});

describe('a pipe', () => {
  async function pipe(): Promise<string> {
    const fifo = path.join(await temporaryFolder(), 'fifo');
    shell('mkfifo "$1"', fifo);
    // Whoever reads it lets the writer go on.
    void writeFile(fifo, 'a\nb\n');
    return fifo;
  }

  it('gives its lines again where they are kept, a file where it is read again', async () => {
    const file = path.join(await temporaryFolder(), 'file');
    await writeFile(file, 'a\nb\n');
    for (const source of [await pipe(), file]) {
      const lines = linesAgain(source);
      const expected = [
        [1, 'a'],
        [2, 'b'],
      ];
      expect(await collect(lines())).toEqual(expected);
      expect(await collect(lines())).toEqual(expected);
    }
  });

  it.each([
    ['-', '-'],
    [undefined, '-', 'x', '-'],
  ])('is not read for two inputs: %j, %j', async (...files) => {
    await expect(refuseReadTwice(files)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('is not read for two inputs by its name, a file is', async () => {
    const fifo = await pipe();
    await expect(refuseReadTwice([fifo, fifo])).rejects.toThrow('can be read once');
    await refuseReadTwice([fifo, '-', 'package.json', 'package.json', 'missing', 'missing']);
    expect(await collect(readLines(fifo))).toHaveLength(2);
  });
});
