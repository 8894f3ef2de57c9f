import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unpacked } from '../../src/core/unpack.js';

async function read(path: string, ...pieces: readonly Buffer[]): Promise<string> {
  async function* chunks() {
    yield* pieces;
  }
  const parts: Buffer[] = [];
  for await (const part of unpacked(path, chunks())) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe('the bytes of a text file', () => {
  const packed = gzipSync('{"a":1}\n');

  it('are unpacked by what they are, in any pieces, whatever the name says', async () => {
    expect(await read('q.jsonl', packed)).toBe('{"a":1}\n');
    expect(await read('-', ...[...packed].map((byte) => Buffer.from([byte])))).toBe('{"a":1}\n');
    expect(await read('q.jsonl.gz', packed, packed)).toBe('{"a":1}\n{"a":1}\n');
    expect(await read('q.jsonl', Buffer.from('{'))).toBe('{');
    expect(await read('q.jsonl')).toBe('');
  });

  it.each([
    ['28b52ffd', /packed by zstd/, /zstd -dc/],
    ['fd377a585a00', /packed by xz/, /xz -dc/],
    ['425a6839', /packed by bzip2/, /bzip2 -dc/],
    ['504b0304', /zip archive/, /unzip -p/],
    ['50415231', /Parquet/, /duckdb/],
    ['286c70310a', /Python pickle/, /pickle.load/],
    ['80045d94', /Python pickle/, /pickle.load/],
  ])('are refused once, by their first bytes: %s', async (bytes, message, hint) => {
    await expect(read('q.jsonl', Buffer.from(`${bytes}0a0a0a`, 'hex'))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});
