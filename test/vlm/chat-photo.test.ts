import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { pictureMaker, savePicture } from '../../src/vlm/photo.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const temporaryFolder = useTemporaryFolders();
const SIZE = { width: 56, height: 84 };

async function photo(folder: string): Promise<string> {
  const path = join(folder, 'photo.png');
  await sharp({ create: { width: 60, height: 80, channels: 3, background: '#2a6' } })
    .png()
    .toFile(path);
  return path;
}

describe('a picture of a photo', () => {
  it.each(['jpeg', 'png'] as const)('is a data URL of that size, as %s', async (format) => {
    const path = await photo(await temporaryFolder());
    const pictureOf = pictureMaker({ format, maxPixels: 1e6 });
    const [head, data] = (await pictureOf({ path }, SIZE)).split(',') as [string, string];
    expect(head).toBe(`data:image/${format};base64`);
    const picture = sharp(Buffer.from(data, 'base64'));
    expect(await picture.metadata()).toMatchObject({ ...SIZE, format });
    const { dominant } = await picture.stats();
    expect(dominant.g).toBeGreaterThan(dominant.r);
  });

  it('is made once for the queries of one photo', async () => {
    const folder = await temporaryFolder();
    const path = await photo(folder);
    const pictureOf = pictureMaker({ format: 'png', maxPixels: 1e6 });
    const first = pictureOf({ path }, SIZE);
    expect(pictureOf({ path }, SIZE)).toBe(first);
    expect(pictureOf({ path }, { width: 28, height: 28 })).not.toBe(first);
    await first;
  });

  it('is tried again where it failed', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'photo.png');
    // An empty folder may be that of a share that comes back.
    writeFileSync(join(folder, 'other.txt'), '');
    const pictureOf = pictureMaker({ format: 'png', maxPixels: 1e6 });
    await expect(pictureOf({ path }, SIZE)).rejects.toMatchObject({ code: 'IMAGE_MISSING' });
    await photo(folder);
    await expect(pictureOf({ path }, SIZE)).resolves.toMatch(/^data:/);
  });

  it('is written once', async () => {
    const folder = await temporaryFolder();
    const path = await photo(folder);
    const target = join(folder, 'images', 'a.jpg');
    const options = { format: 'jpeg', maxPixels: 1e6 } as const;
    await savePicture(path, SIZE, target, options);
    expect(existsSync(target)).toBe(true);
    const { mtimeMs } = statSync(target);
    writeFileSync(path, 'no photo any more');
    await savePicture(path, SIZE, target, options);
    expect(statSync(target).mtimeMs).toBe(mtimeMs);
  });
});
