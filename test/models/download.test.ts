import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Download, download } from '../../src/models/download.js';
import { type Answer, FileServer, whole } from '../support/file-server.js';
import { freshFolder } from '../support/vgr.js';

const FILE = Buffer.alloc(60_000, 'what is to come');
const OTHER = Buffer.alloc(60_000, 'something else ');

const sumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let server: FileServer | undefined;

afterEach(async () => {
  await server?.close();
});

/** The whole file or the part that was asked for, with these headers; of a first part the connection breaks behind it. */
const versioned =
  (bytes: Uint8Array, headers: Record<string, string>, count?: number): Answer =>
  (request, response) => {
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, {
      ...headers,
      'content-length': bytes.length - start,
      ...(start > 0 && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (count === undefined) response.end(bytes.subarray(start));
    // What was sent is lost where the connection breaks before it was read.
    else {
      response.write(bytes.subarray(start, start + count));
      setTimeout(() => response.socket?.destroy(), 100);
    }
  };

async function bring(answers: readonly Answer[], change: Partial<Download> = {}) {
  server = await FileServer.open({ '/file': answers });
  const target = change.target ?? join(freshFolder(), 'file');
  const brought = download({
    address: new URL(`${server.origin}/file`),
    headers: {},
    isHub: false,
    target,
    pinned: { isRight: (sum) => sum === sumOf(FILE), bytes: FILE.length, sha256: sumOf(FILE) },
    stallMs: 5000,
    pauseMs: 5,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...change,
  });
  return { target, brought };
}

it('gives up a server that sends a byte now and then, and keeps what can be continued', async () => {
  let bytes = 0;
  const drip: Answer = (_, response) => {
    response.writeHead(200, { 'content-length': FILE.length, etag: '"a"' });
    const timer = setInterval(() => response.write(FILE.subarray(bytes, ++bytes)), 10);
    response.on('close', () => clearInterval(timer));
  };
  const { target, brought } = await bring([drip], { slowMs: 300 });
  await expect(brought).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining('the server sends less than 1 KiB/s'),
  });
  expect(existsSync(target)).toBe(false);
  expect(readFileSync(`${target}.partial`).length).toBeGreaterThan(0);
  await server?.close();
  const other = await bring([drip], { slowMs: 300, pinned: undefined });
  await expect(other.brought).rejects.toThrow(/1 KiB\/s$/);
  expect(existsSync(`${other.target}.partial`)).toBe(false);
});

it.each([
  ['a header', 'HTTP/1.1 200 OK\r\nx-a: ', 'a'],
  ['news of a reply to come', '', 'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n'],
  ['between pieces', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;', 'a'],
  [
    'behind the body',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ',
    'a',
  ],
])('gives up a server that drips %s', async (_, start, drop) => {
  const drip: Answer = ({ socket }) => {
    socket.write(start);
    const timer = setInterval(() => socket.write(drop), 20);
    socket.on('close', () => clearInterval(timer)).on('error', () => undefined);
  };
  const { target, brought } = await bring([drip], { slowMs: 200 });
  await expect(brought).rejects.toThrow('the server sends less than 1 KiB/s');
  expect(existsSync(target)).toBe(false);
});

it('takes no file of any size where nobody has pinned one', async () => {
  const huge: Answer = (_, response) => {
    response.writeHead(200, { 'content-length': 3e9 });
    response.write(FILE);
  };
  const { target, brought } = await bring([huge], { pinned: undefined });
  await expect(brought).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining('expected a file, got one of 3000000000 bytes'),
  });
  expect(existsSync(target)).toBe(false);
});

describe('a download that is not pinned', () => {
  it.each<[string, Record<string, string>, Record<string, string>, string]>([
    ['resumes where the version is the same', { etag: '"a"' }, { etag: '"a"' }, 'bytes=20000-'],
    ['starts again where it is another', { etag: '"a"' }, { etag: '"b"' }, '-'],
    ['starts again where the server names none', {}, {}, '-'],
    ['starts again where it is only equivalent', { etag: 'W/"a"' }, { etag: 'W/"a"' }, '-'],
  ])('%s', async (_, first, later, last) => {
    const isOther = first.etag !== later.etag;
    const cut = versioned(isOther ? OTHER : FILE, first, 20_000);
    const { target, brought } = await bring([cut, versioned(FILE, later)], { pinned: undefined });
    expect(await brought).toEqual({ sha256: sumOf(FILE), bytes: FILE.length });
    expect(readFileSync(target)).toEqual(FILE);
    expect(server!.ranges.at(-1)).toBe(last);
  });

  it('ends where every answer is cut at the same place', async () => {
    const { brought, target } = await bring([versioned(FILE, {}, 20_000)], { pinned: undefined });
    await expect(brought).rejects.toThrow(/file`: /);
    expect(existsSync(target)).toBe(false);
    expect(server!.asked).toHaveLength(4);
  });

  it.each<[string, Record<string, string>, Uint8Array, string]>([
    [
      'packed',
      { 'content-encoding': 'gzip' },
      FILE,
      'expected a file, got one compressed with `gzip`',
    ],
    ['a page', { 'content-type': 'text/html; charset=utf-8' }, FILE, 'got a page (`text/html'],
    ['empty', {}, new Uint8Array(), 'expected a file, got an empty one'],
  ])('is nothing that is %s', async (_, headers, bytes, message) => {
    const { brought, target } = await bring([versioned(bytes, headers)], { pinned: undefined });
    await expect(brought).rejects.toThrow(message);
    expect([target, `${target}.partial`].filter((path) => existsSync(path))).toEqual([]);
  });
});

describe('a part of an earlier run', () => {
  it('that is of another file is not used', async () => {
    const target = join(freshFolder(), 'file');
    writeFileSync(`${target}.partial`, OTHER.subarray(0, 20_000));
    const { brought } = await bring([whole(FILE)], { target });
    await brought;
    expect(readFileSync(target)).toEqual(FILE);
    expect(server!.ranges).toEqual(['bytes=20000-', '-']);
  });

  it('that is whole is not asked for again', async () => {
    const target = join(freshFolder(), 'file');
    writeFileSync(`${target}.partial`, FILE);
    const { brought } = await bring([], { target });
    expect(await brought).toEqual({ sha256: sumOf(FILE), bytes: FILE.length });
    expect(server!.asked).toEqual([]);
  });
});
