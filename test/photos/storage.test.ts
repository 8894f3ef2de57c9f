import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openPhoto } from '../../src/photos/decode.js';
import { ImageRoots } from '../../src/photos/image-path.js';
import { readAgain } from '../../src/photos/storage.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const SPEC = { width: 8, height: 8, fit: 'stretch', fill: 0 } as const;
const SOON = { pausesMs: [1, 1] };
const temporaryFolder = useTemporaryFolders();

/** A folder `photos` with two cameras, and queries that have looked at a photo of each. */
async function share(options: { readonly pausesMs?: readonly number[] } = SOON) {
  const above = await temporaryFolder();
  const photos = path.join(above, 'photos');
  for (const camera of ['cam1', 'cam2']) {
    mkdirSync(path.join(photos, camera), { recursive: true });
    for (const name of ['a.jpg', 'b.jpg']) {
      await copyFile('fixtures/formats/baseline.jpg', path.join(photos, camera, name));
    }
  }
  const roots = await ImageRoots.open([photos], options);
  await roots.resolve('cam1/a.jpg');
  await roots.resolve('cam2/a.jpg');
  return { above, photos, roots };
}

const GONE = { code: 'IMAGES_UNAVAILABLE', exit: 3, hint: expect.stringContaining('mounted') };

describe('a photo that is not there', () => {
  it.each([
    [
      'the folder is moved',
      (photos: string, above: string) => renameSync(photos, path.join(above, 'x')),
    ],
    [
      'the folder is empty, as a share that is not mounted',
      (photos: string, above: string) => {
        renameSync(photos, path.join(above, 'x'));
        mkdirSync(photos);
      },
    ],
    [
      'a folder in it is moved',
      (photos: string, above: string) =>
        renameSync(path.join(photos, 'cam1'), path.join(above, 'x')),
    ],
    [
      'a folder in it is empty',
      (photos: string) => {
        rmSync(path.join(photos, 'cam1'), { recursive: true });
        mkdirSync(path.join(photos, 'cam1'));
      },
    ],
    [
      'another folder lies in its place',
      (photos: string, above: string) => {
        renameSync(path.join(photos, 'cam1'), path.join(above, 'x'));
        mkdirSync(path.join(photos, 'cam1'));
        writeFileSync(path.join(photos, 'cam1', 'NOT_MOUNTED'), '');
      },
    ],
  ])('is no error of the photo where %s', async (_, change) => {
    const { above, photos, roots } = await share();
    change(photos, above);
    await expect(roots.resolve('cam1/b.jpg')).rejects.toMatchObject(GONE);
  });

  it('is waited for', async () => {
    const { above, photos, roots } = await share({ pausesMs: [50, 200, 2000] });
    renameSync(photos, path.join(above, 'x'));
    const found = roots.resolve('cam1/b.jpg');
    await sleep(100);
    renameSync(path.join(above, 'x'), photos);
    expect(await found).toBe(path.join(photos, 'cam1', 'b.jpg'));
  });

  it.each(['cam1/c.jpg', 'c.jpg', 'cam3/a.jpg', 'cam1/more/a.jpg'])(
    'is an error of the photo at once where its folders are as they were: %s',
    async (image) => {
      const { photos, roots } = await share({ pausesMs: [60_000] });
      // What was done may be tidied away.
      rmSync(path.join(photos, 'cam1', 'a.jpg'));
      await expect(roots.resolve(image)).rejects.toMatchObject({ code: 'IMAGE_MISSING', exit: 1 });
    },
  );

  it('is told from one whose link leads into a folder that is gone', async () => {
    const { above, photos } = await share();
    const links = path.join(above, 'links');
    mkdirSync(links);
    for (const name of ['a.jpg', 'b.jpg']) {
      symlinkSync(path.join(photos, 'cam1', name), path.join(links, name));
    }
    symlinkSync(path.join(above, 'nowhere', 'c.jpg'), path.join(links, 'c.jpg'));
    const roots = await ImageRoots.open([links], { ...SOON, allowOutside: true });
    await roots.resolve('a.jpg');
    renameSync(photos, path.join(above, 'x'));
    await expect(roots.resolve('b.jpg')).rejects.toMatchObject(GONE);
    await expect(roots.resolve('c.jpg')).rejects.toMatchObject({ code: 'IMAGE_MISSING' });
  });

  it('is told when it is opened, too', async () => {
    const { above, photos } = await share();
    const file = path.join(photos, 'cam1', 'b.jpg');
    const open = () => openPhoto(file, SPEC, SOON);
    await open();
    rmSync(file);
    await expect(open()).rejects.toMatchObject({ code: 'IMAGE_MISSING' });
    renameSync(photos, path.join(above, 'x'));
    await expect(open()).rejects.toMatchObject(GONE);
  });
});

describe('readAgain', () => {
  const failure = (code: string): Error => Object.assign(new Error(`${code}: failed`), { code });

  it.each(['EIO', 'ESTALE', 'ENOTCONN'])(
    'waits for storage that answers %s to everything',
    async (code) => {
      const folder = await temporaryFolder();
      const file = path.join(folder, 'only.jpg');
      writeFileSync(file, 'x');
      let attempts = 0;
      const read = async () => {
        attempts += 1;
        throw failure(code);
      };
      await expect(readAgain(file, failure(code), read, SOON)).rejects.toMatchObject(GONE);
      expect(attempts).toBe(2);
      const comes = async () => 'there';
      expect(await readAgain(file, failure(code), comes, SOON)).toBe('there');
    },
  );

  it('leaves the error to the photo where other files of its folder can be read', async () => {
    const folder = await temporaryFolder();
    writeFileSync(path.join(folder, 'other.jpg'), 'x');
    const lost = failure('EIO');
    const read = () => Promise.reject(lost);
    await expect(readAgain(path.join(folder, 'a.jpg'), lost, read, SOON)).rejects.toBe(lost);
  });

  it.each([
    [failure('EMFILE'), 'IMAGES_UNAVAILABLE', 'ulimit -n'],
    [failure('ENFILE'), 'IMAGES_UNAVAILABLE', 'ulimit -n'],
    [failure('ENOMEM'), 'MEMORY_SPENT', '--max-pixels'],
    [new Error('vips_tracked: out of memory'), 'MEMORY_SPENT', '--sessions'],
    [new RangeError('Array buffer allocation failed'), 'MEMORY_SPENT', '--sessions'],
  ])('waits for a machine that fails by %s', async (thrown, code, hint) => {
    const read = () => Promise.reject(thrown);
    await expect(readAgain('a.jpg', thrown, read, SOON)).rejects.toMatchObject({
      code,
      exit: 3,
      hint: expect.stringContaining(hint),
    });
    let left = 1;
    const later = async () => {
      left -= 1;
      if (left >= 0) throw thrown;
      return 'read';
    };
    expect(await readAgain('a.jpg', thrown, later, SOON)).toBe('read');
  });

  it.each([failure('EACCES'), new TypeError('a bug')])('leaves %s alone', async (thrown) => {
    const read = () => Promise.reject(new Error('asked again'));
    await expect(readAgain('a.jpg', thrown, read, SOON)).rejects.toBe(thrown);
  });
});
