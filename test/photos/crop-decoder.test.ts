import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { BoxXyxy } from '../../src/core/box.js';
import { Semaphore } from '../../src/core/semaphore.js';
import { type CropSpec, cropPhoto } from '../../src/photos/crop.js';
import { box } from '../support/candidates.js';
import { freshFolder } from '../support/vgr.js';

/** Colours of the four quarters of a photo: top left, top right, bottom left, bottom right. */
const QUARTERS = ['#ff0000', '#00ff00', '#0000ff', '#ffffff'] as const;

async function quarters(width: number, height: number, name = 'photo.png'): Promise<string> {
  const [w, h] = [width / 2, height / 2];
  const rects = QUARTERS.map(
    (fill, at) =>
      `<rect x="${(at % 2) * w}" y="${Math.floor(at / 2) * h}" width="${w}" height="${h}" fill="${fill}"/>`,
  );
  const path = join(freshFolder(), name);
  await sharp(Buffer.from(`<svg width="${width}" height="${height}">${rects.join('')}</svg>`))
    .toFormat(name.endsWith('.png') ? 'png' : 'tiff')
    .toFile(path);
  return path;
}

const SPEC: CropSpec = { width: 4, height: 4, fit: 'stretch', fill: 7 };

/** The colour of a pixel of a crop. */
async function pixel(
  path: string,
  crop: BoxXyxy,
  [x, y]: readonly [number, number],
  spec: CropSpec = SPEC,
): Promise<number[]> {
  const [raster] = await cropPhoto(path, [crop], spec);
  expect(raster).toMatchObject({ width: spec.width, height: spec.height });
  expect(raster!.data).toHaveLength(spec.width * spec.height * 3);
  const at = (y * spec.width + x) * 3;
  return [...raster!.data.subarray(at, at + 3)];
}

describe('cropPhoto', () => {
  it('cuts each box out of the photo', async () => {
    const path = await quarters(80, 40);
    const boxes = [box(0, 0, 40, 20), box(40, 0, 40, 20), box(0, 20, 40, 20), box(44, 22, 10, 10)];
    const crops = await cropPhoto(path, boxes, SPEC);
    expect(crops.map(({ data }) => [...data.subarray(0, 3)])).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [255, 255, 255],
    ]);
    for (const { data } of crops) expect(data.buffer.byteLength).toBe(48);
  });

  it('leaves out what lies outside, and keeps a pixel of a box that lies there whole', async () => {
    const path = await quarters(80, 40);
    expect(await pixel(path, box(-100, -100, 110, 110), [3, 3])).toEqual([255, 0, 0]);
    expect(await pixel(path, box(200, 200, 10, 10), [0, 0])).toEqual([255, 255, 255]);
    expect(await pixel(path, box(60, 5, 0, 0), [1, 1])).toEqual([0, 255, 0]);
  });

  it('fits a long box as the rule says', async () => {
    const path = await quarters(80, 40);
    // The upper half: twice as wide as high after the crop of 80 x 20.
    const upper = box(0, 0, 80, 20);
    const by = (rule: CropSpec['fit']): CropSpec => ({ ...SPEC, fit: rule, width: 8, height: 8 });
    expect(await pixel(path, upper, [0, 7], by('stretch'))).toEqual([255, 0, 0]);
    expect(await pixel(path, upper, [7, 0], by('stretch'))).toEqual([0, 255, 0]);
    expect(await pixel(path, upper, [0, 0], by('letterbox'))).toEqual([255, 0, 0]);
    expect(await pixel(path, upper, [0, 7], by('letterbox'))).toEqual([7, 7, 7]);
    expect(await pixel(path, upper, [0, 0], by('letterbox-centre'))).toEqual([7, 7, 7]);
    expect(await pixel(path, upper, [0, 4], by('letterbox-centre'))).toEqual([255, 0, 0]);
    // Only the middle fifth of the width is left.
    expect(await pixel(path, upper, [0, 0], by('cover'))).toEqual([255, 0, 0]);
    expect(await pixel(path, box(0, 0, 50, 10), [7, 7], by('cover'))).toEqual([255, 0, 0]);
  });

  it('turns the photo upright first, and lays transparent parts on white', async () => {
    const folder = freshFolder();
    const turned = join(folder, 'turned.jpg');
    await sharp(await quarters(80, 40))
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toFile(turned);
    // A quarter turn to the right: the lower left quarter becomes the top left one.
    const [r, g, b] = await pixel(turned, box(2, 2, 10, 10), [1, 1]);
    expect([r! < 20, g! < 20, b! > 230]).toEqual([true, true, true]);
    const clear = join(folder, 'clear.png');
    await sharp({
      create: { width: 20, height: 20, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    })
      .png()
      .toFile(clear);
    expect(await pixel(clear, box(0, 0, 20, 20), [0, 0])).toEqual([255, 255, 255]);
  });

  it('shrinks a photo beyond 16 megapixels and finds the box again', async () => {
    const path = await quarters(6000, 4000);
    expect(await pixel(path, box(3100, 100, 800, 800), [2, 2])).toEqual([0, 255, 0]);
    expect(await pixel(path, box(5900, 3900, 90, 90), [2, 2])).toEqual([255, 255, 255]);
  });

  it('weighs the pixels that it holds while it cuts', async () => {
    const path = join(freshFolder(), 'wide.jpg');
    const grey = { width: 3000, height: 3000, channels: 3, background: '#888' } as const;
    await sharp({ create: grey }).jpeg().toFile(path);
    const within = (mebibytes: number) =>
      cropPhoto(path, [box(0, 0, 9, 9)], SPEC, {
        memory: { budget: new Semaphore(mebibytes * 2 ** 20), strict: true },
      });
    // 24 MiB to decode row by row, and 26 MiB that stay.
    await expect(within(40)).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(await within(60)).toHaveLength(1);
  });

  it('says what is wrong with a file', async () => {
    const path = join(freshFolder(), 'a.png');
    await expect(cropPhoto('fixtures/none.png', [box(0, 0, 1, 1)], SPEC)).rejects.toMatchObject({
      code: 'IMAGE_MISSING',
    });
    const whole = await sharp(await quarters(80, 40))
      .png()
      .toBuffer();
    writeFileSync(path, whole.subarray(0, whole.length - 60));
    await expect(cropPhoto(path, [box(0, 0, 1, 1)], SPEC)).rejects.toMatchObject({
      code: 'IMAGE_UNREADABLE',
    });
    await expect(
      cropPhoto(await quarters(80, 40), [box(0, 0, 1, 1)], SPEC, { maxPixels: 100 }),
    ).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });
});
