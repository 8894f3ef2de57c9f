import {
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { makeFolder, writeFileAtomic } from '../../src/core/files.js';
import { download } from '../../src/models/download.js';
import { readModelFacts } from '../../src/models/facts.js';
import { openAppendFile } from '../../src/run/append-file.js';
import { externalPath } from '../../src/runtime/model-store.js';
import { shell } from '../support/faults.js';
import { FileServer, whole } from '../support/file-server.js';
import { freshFolder } from '../support/vgr.js';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log('skipped: links of another user, which only root may make');

let folder: string;
let target: string;

beforeEach(() => {
  folder = freshFolder();
  target = freshFolder();
});

const refusal = (kind: string) => ({
  code: 'OUTPUT_UNWRITABLE',
  message: expect.stringMatching(`expected a folder, got ${kind} to `),
});

describe.runIf(process.platform !== 'win32')('a path for output', () => {
  it.each(['link', 'link/in', 'a/link', 'a/link/b/c'])(
    'holds no link below the folder that the user named: %s',
    async (path) => {
      const link = join(folder, path.slice(0, path.indexOf('link') + 4));
      mkdirSync(join(folder, 'a'));
      symlinkSync(target, link);
      const file = join(folder, path, 'file');
      await expect(writeFileAtomic(file, 'x', { within: folder })).rejects.toMatchObject(
        refusal('a link'),
      );
      expect(existsSync(join(target, 'file'))).toBe(false);
    },
  );

  it('may begin with links of the user, and the named folder is none, also with a slash or a dot behind', async () => {
    symlinkSync(target, join(folder, 'mine'));
    const file = join(folder, 'mine', 'out', 'file');
    await writeFileAtomic(file, 'x', { within: join(folder, 'mine', 'out') });
    expect(readFileSync(join(target, 'out', 'file'), 'utf8')).toBe('x');
    for (const within of ['mine', 'mine/', 'mine/.', 'mine/out/..']) {
      const named = `${folder}/${within}`;
      await expect(makeFolder(named, { within: named })).rejects.toMatchObject(refusal('a link'));
    }
  });

  it.runIf(isRoot)('holds no link of another user, not even behind one of the user', async () => {
    symlinkSync(target, join(folder, 'theirs'));
    lchownSync(join(folder, 'theirs'), 12_345, 12_345);
    symlinkSync('theirs', join(folder, 'mine'));
    symlinkSync(`../${folder.split('/').at(-1)}/./theirs`, join(folder, 'crooked'));
    for (const name of ['theirs', 'mine', 'crooked']) {
      await expect(writeFileAtomic(join(folder, name, 'in', 'file'), 'x')).rejects.toMatchObject(
        refusal('a link of another user'),
      );
    }
    expect(existsSync(join(target, 'in'))).toBe(false);
  });

  it('ends where links lead in a circle', async () => {
    symlinkSync('b', join(folder, 'a'));
    symlinkSync('a', join(folder, 'b'));
    await expect(writeFileAtomic(join(folder, 'a', 'file'), 'x')).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
    });
  });

  it('is looked at anew for each file, since a link may take its place', async () => {
    const out = join(folder, 'out');
    await writeFileAtomic(join(out, 'first'), 'x', { within: out });
    renameSync(out, join(folder, 'moved'));
    symlinkSync(target, out);
    await expect(writeFileAtomic(join(out, 'second'), 'x', { within: out })).rejects.toMatchObject(
      refusal('a link'),
    );
  });
});

it.runIf(process.platform !== 'win32')('a pipe is no model, and no further weights', async () => {
  const pipe = join(folder, 'model.onnx');
  shell('mkfifo "$1"', pipe);
  await expect(readModelFacts(pipe)).rejects.toThrow('expected a file, got something else');
  await expect(externalPath('model.onnx', join(folder, 'other.onnx'))).rejects.toThrow(
    'expected a file of further weights, got `model.onnx`',
  );
});

describe.runIf(process.platform !== 'win32')('a file that is continued', () => {
  it.each(['a link', 'another name'])('is not %s of a file of the user', async (kind) => {
    const mine = join(target, 'mine');
    writeFileSync(mine, 'as it was');
    const place = (path: string) =>
      kind === 'a link' ? symlinkSync(mine, path) : linkSync(mine, path);
    place(join(folder, 'results.jsonl'));
    await expect(openAppendFile(join(folder, 'results.jsonl'))).rejects.toThrow('results.jsonl');

    const bytes = Buffer.from('weights of a model');
    const server = await FileServer.open({ '/model': [whole(bytes)] });
    place(join(folder, 'model.partial'));
    const plan = {
      address: new URL(`${server.origin}/model`),
      headers: {},
      isHub: false,
      target: join(folder, 'model'),
      pinned: { isRight: () => false, sha256: 'x' },
      stallMs: 5000,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    };
    await expect(download(plan)).rejects.toThrow('model.partial');
    await server.close();
    expect(readFileSync(mine, 'utf8')).toBe('as it was');
  });
});
