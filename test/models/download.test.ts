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

describe('a file of the hub that is not pinned', () => {
  const hub = { pinned: undefined, isHub: true };
  /** The hub's own answer, which leads to the file. */
  const linked =
    (headers: Record<string, string>): Answer =>
    (_, response) => {
      response.writeHead(302, { ...headers, location: '/blob' }).end();
    };

  async function ask(headers: Record<string, string>, blob: Uint8Array, name = 'file') {
    server = await FileServer.open({ '/file': [linked(headers)], '/blob': [whole(blob)] });
    const target = join(freshFolder(), name);
    const brought = download({
      address: new URL(`${server.origin}/file`),
      headers: {},
      target,
      stallMs: 5000,
      pauseMs: 5,
      signal: new AbortController().signal,
      onProgress: () => undefined,
      ...hub,
    });
    return { target, brought };
  }

  it.each([
    ['as it says', { 'x-linked-size': String(FILE.length), 'x-linked-etag': `"${sumOf(FILE)}"` }],
    ['by the name of git', {}],
  ])('is taken %s', async (how, headers) => {
    const git = createHash('sha1').update(`blob ${FILE.length}\0`).update(FILE).digest('hex');
    const stated = how === 'as it says' ? headers : { 'x-linked-etag': `"${git}"` };
    const { brought } = await ask(stated, FILE);
    expect(await brought).toEqual({ sha256: sumOf(FILE), bytes: FILE.length });
  });

  it.each<[string, Record<string, string>, string | Uint8Array, string, string]>([
    ['of another size', { 'x-linked-size': '59999' }, FILE, 'f.bin', 'where the hub says 59999'],
    ['of another hash', { 'x-linked-etag': `"${sumOf(OTHER)}"` }, FILE, 'f.bin', 'of hash'],
    [
      'a pointer',
      {},
      'version https://git-lfs.github.com/spec/v1\noid',
      'f.onnx',
      'a pointer of git-lfs',
    ],
    ['a page', {}, '\n<!DOCTYPE html><html>log in</html>', 'f.onnx', 'a page'],
    ['an error in JSON', {}, '{"error": "no"}', 'f.onnx', 'JSON, `{"error": "no"}`'],
    ['JSON that is cut', {}, '{"a": [1,', 'tokenizer.json', 'no whole JSON'],
  ])('is nothing that is %s', async (_, headers, content, name, message) => {
    const { brought, target } = await ask(headers, Buffer.from(content), name);
    await expect(brought).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining(message),
    });
    expect([target, `${target}.partial`].filter((path) => existsSync(path))).toEqual([]);
  });

  it.each<[string, number, Record<string, string>, RegExp]>([
    ['gated', 403, { 'x-error-code': 'GatedRepo' }, /gated: accept its terms.*HF_TOKEN/],
    ['private or gone', 401, { 'x-error-code': 'RepoNotFound' }, /private, or is not there/],
    ['stale', 404, { 'x-error-code': 'RevisionNotFound' }, /the revision is no longer/],
    ['missing', 404, { 'x-error-code': 'EntryNotFound' }, /the file is no longer/],
    [
      'disabled',
      403,
      { 'x-error-message': 'Access to this resource is disabled.' },
      /has disabled/,
    ],
  ])('is told apart where it is %s', async (_, code, headers, hint) => {
    const { brought } = await bring(
      [(__, response) => response.writeHead(code, headers).end()],
      hub,
    );
    await expect(brought).rejects.toMatchObject({ hint: expect.stringMatching(hint) });
  });

  it('waits as long as it is asked to', async () => {
    const busy: Answer = (_, response) => {
      response.writeHead(429, { 'retry-after': '1' }).end();
    };
    const start = performance.now();
    const { brought } = await bring([busy, whole(FILE)]);
    await brought;
    expect(performance.now() - start).toBeGreaterThan(950);
  });
});

it('goes on behind a cut answer that had no length', async () => {
  const short: Answer = (_, response) => {
    response.writeHead(200, { etag: '"a"', connection: 'close' });
    response.end(FILE.subarray(0, 20_000));
  };
  const { brought } = await bring([short, whole(FILE)]);
  expect(await brought).toEqual({ sha256: sumOf(FILE), bytes: FILE.length });
  expect(server!.ranges).toEqual(['-', 'bytes=20000-']);
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
