import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RasterSpec, RgbRaster } from '../../src/core/raster.js';
import {
  configureSharp,
  type DecodedPhoto,
  openPhoto,
  openPhotoFor,
  withPhoto,
} from '../../src/photos/decode.js';
import { slowJpeg } from '../support/progressive-jpeg.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const FORMATS = 'fixtures/formats';
const BROKEN = 'fixtures/broken';
const STRETCH: RasterSpec = { width: 64, height: 64, fit: 'stretch', fill: 0 };
const WHOLE: RasterSpec = { width: 128, height: 96, fit: 'stretch', fill: 0 };

const temporaryFolder = useTemporaryFolders();
let reference: DecodedPhoto;

beforeAll(async () => {
  configureSharp();
  reference = await openPhoto(`${FORMATS}/reference.png`, WHOLE);
});

/** Mean absolute difference, 0..255, over a part of the columns. */
function difference(a: RgbRaster, b: RgbRaster, columns: [number, number] = [0, a.width]): number {
  let sum = 0;
  for (let y = 0; y < a.height; y++) {
    for (let i = columns[0] * 3; i < columns[1] * 3; i++) {
      sum += Math.abs(a.data[y * a.width * 3 + i]! - b.data[y * a.width * 3 + i]!);
    }
  }
  return sum / (a.height * (columns[1] - columns[0]) * 3);
}

function greyOf({ data, ...size }: RgbRaster): RgbRaster {
  const grey = data.slice();
  for (let i = 0; i < grey.length; i += 3) {
    const luma = 0.2126 * data[i]! + 0.7152 * data[i + 1]! + 0.0722 * data[i + 2]!;
    grey.fill(Math.round(luma), i, i + 3);
  }
  return { ...size, data: grey };
}

async function pixelOf(file: string, x: number, y: number): Promise<number[]> {
  const { raster } = await openPhoto(file, WHOLE);
  return Array.from(raster.data.subarray((y * 128 + x) * 3, (y * 128 + x) * 3 + 3));
}

describe('openPhoto', () => {
  it('refuses a JPEG of thousands of scans before it decodes them', async () => {
    const file = path.join(await temporaryFolder(), 'slow.jpg');
    await writeFile(file, slowJpeg(2048, 2048, 2640));
    await expect(openPhoto(file, STRETCH)).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: expect.stringContaining('got 2640 scans of 2048 x 2048'),
    });
    await writeFile(file, slowJpeg(2048, 2048, 20));
    const { raster } = await openPhoto(file, STRETCH);
    expect(raster.data.every((value) => value === 128)).toBe(true);
  });

  it('knows every fixture of a kind that is read', async () => {
    for (const name of await readdir(FORMATS)) {
      const { size, raster } = await openPhoto(path.join(FORMATS, name), STRETCH);
      expect([name, size]).toEqual([name, { width: 128, height: 96 }]);
      expect([raster.width, raster.height, raster.data.length]).toEqual([64, 64, 64 * 64 * 3]);
    }
  });

  it("gives a raster of the photo's own proportions where the specification says so", async () => {
    const spec = { width: 200, height: 48, fit: 'shorter-side', fill: 0 } as const;
    const { raster, contentXyxy } = await openPhoto(`${FORMATS}/reference.png`, spec);
    expect([raster.width, raster.height, raster.data.length]).toEqual([64, 48, 64 * 48 * 3]);
    expect(contentXyxy).toEqual({ x1: 0, y1: 0, x2: 64, y2: 48 });
    const half = await openPhoto(`${FORMATS}/reference.png`, { ...STRETCH, height: 48 });
    expect(difference(raster, half.raster)).toBe(0);
  });

  it.each([
    ['baseline.jpg', 5],
    ['progressive.jpeg', 5],
    ['UPPER.JPG', 5],
    ['exif-rotated.jpg', 5],
    ['exif-rotated.webp', 5],
    ['display-p3.jpg', 5],
    ['16-bit.png', 0.1],
    ['palette.png', 8],
    ['photo.webp', 5],
    ['photo.avif', 5],
    ['photo.gif', 8],
    ['photo.tiff', 0.1],
    ['photo.tif', 5],
    ['animated.gif', 8],
    ['animated.webp', 8],
    ['cmyk.jpg', 12],
  ])('reads %s as the photo that it is', async (name, tolerance) => {
    const { raster } = await openPhoto(path.join(FORMATS, name), WHOLE);
    expect(difference(raster, reference.raster)).toBeLessThan(tolerance);
  });

  it.each([['grey.jpg'], ['grey-16-bit.png']])('reads %s as three equal channels', async (name) => {
    const { raster } = await openPhoto(path.join(FORMATS, name), WHOLE);
    for (let i = 0; i < raster.data.length; i += 3) {
      expect(raster.data[i] === raster.data[i + 1] && raster.data[i] === raster.data[i + 2]).toBe(
        true,
      );
    }
    expect(difference(raster, greyOf(reference.raster))).toBeLessThan(14);
  });

  it.each([['alpha.png'], ['alpha.webp']])('lays %s on white', async (name) => {
    const { raster } = await openPhoto(path.join(FORMATS, name), WHOLE);
    expect(difference(raster, reference.raster, [0, 60])).toBeLessThan(6);
    const white = { ...raster, data: new Uint8Array(raster.data.length).fill(255) };
    expect(difference(raster, white, [70, 128])).toBeLessThan(2);
  });

  it('follows the embedded profile of a CMYK photo', async () => {
    const file = path.join(await temporaryFolder(), 'profiled.jpg');
    await sharp(`${FORMATS}/reference.png`)
      .toColourspace('cmyk')
      .withIccProfile('cmyk')
      .jpeg({ quality: 95 })
      .toFile(file);
    expect((await sharp(file).metadata()).hasProfile).toBe(true);
    const { raster } = await openPhoto(file, WHOLE);
    expect(difference(raster, reference.raster)).toBeLessThan(12);
  });

  it('turns all eight orientations of a camera upright, and measures after that', async () => {
    const folder = await temporaryFolder();
    const size = { width: 96, height: 64 };
    const corner = {
      create: { width: 24, height: 16, channels: 3, background: '#ff0000' },
    } as const;
    const upright = await sharp({ create: { ...size, channels: 3, background: '#0000ff' } })
      .composite([{ input: corner, left: 0, top: 0 }])
      .png()
      .toBuffer();
    // How the pixels lie in the file where the tag has this value: the inverse of the turn that the tag asks for.
    const stored: Record<number, (image: Sharp) => Sharp> = {
      1: (image) => image,
      2: (image) => image.flop(),
      3: (image) => image.rotate(180),
      4: (image) => image.flip(),
      5: (image) => image.flip().rotate(90),
      6: (image) => image.rotate(270),
      7: (image) => image.flop().rotate(90),
      8: (image) => image.rotate(90),
    };
    for (const [orientation, turn] of Object.entries(stored)) {
      const file = path.join(folder, `${orientation}.jpg`);
      const turned = await turn(sharp(upright)).png().toBuffer();
      await sharp(turned)
        .withMetadata({ orientation: Number(orientation) })
        .jpeg()
        .toFile(file);
      const photo = await openPhoto(file, WHOLE);
      expect([orientation, photo.size]).toEqual([orientation, size]);
      const [r = 0, , b = 0] = await pixelOf(file, 8, 6);
      expect([orientation, r > 200, b < 60]).toEqual([orientation, true, true]);
      for (const [x, y] of [
        [120, 6],
        [8, 90],
        [120, 90],
      ] as const) {
        const [red = 0, , blue = 0] = await pixelOf(file, x, y);
        expect([orientation, red < 60, blue > 200]).toEqual([orientation, true, true]);
      }
    }
  });

  it.each([
    [
      'letterbox',
      { x1: 0, y1: 0, x2: 64, y2: 48 },
      [
        [0, 0],
        [63, 47],
      ],
      [
        [0, 48],
        [63, 63],
      ],
    ],
    [
      'letterbox-centre',
      { x1: 0, y1: 8, x2: 64, y2: 56 },
      [
        [0, 8],
        [63, 55],
      ],
      [
        [0, 7],
        [63, 56],
      ],
    ],
  ] as const)('fills the border by %s', async (fit, content, inside, outside) => {
    const file = path.join(await temporaryFolder(), 'blue.png');
    await sharp({ create: { width: 128, height: 96, channels: 3, background: '#0000ff' } })
      .png()
      .toFile(file);
    const photo = await openPhoto(file, { width: 64, height: 64, fit, fill: 114 });
    expect(photo.contentXyxy).toEqual(content);
    const at = (x: number, y: number) =>
      Array.from(photo.raster.data.subarray((y * 64 + x) * 3, (y * 64 + x) * 3 + 3));
    for (const [x, y] of inside) expect(at(x, y)).toEqual([0, 0, 255]);
    for (const [x, y] of outside) expect(at(x, y)).toEqual([114, 114, 114]);
  });

  it('gives pixels that own their buffer, and the hash of the bytes', async () => {
    const { raster, sha256 } = await openPhoto(`${FORMATS}/baseline.jpg`, STRETCH);
    expect(Object.getPrototypeOf(raster.data)).toBe(Uint8Array.prototype);
    expect([raster.data.byteOffset, raster.data.buffer.byteLength]).toEqual([0, 64 * 64 * 3]);
    const copy = raster.data.slice();
    const buffer = raster.data.buffer as ArrayBuffer;
    const moved = structuredClone(buffer, { transfer: [buffer] });
    expect(Buffer.from(moved).equals(copy)).toBe(true);
    expect(raster.data.length).toBe(0);
    const bytes = await readFile(`${FORMATS}/baseline.jpg`);
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('gives its memory back', async () => {
    const large = { ...STRETCH, width: 512, height: 512 };
    const open = () => openPhoto(`${FORMATS}/baseline.jpg`, large);
    for (let i = 0; i < 20; i++) await open();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 200; i++) await open();
    // 200 rasters are 157 MB; garbage that waits to be collected is less.
    expect(process.memoryUsage.rss() - before).toBeLessThan(110e6);
  });

  it('decodes slivers', async () => {
    const file = path.join(await temporaryFolder(), 'sliver.png');
    await sharp({ create: { width: 3000, height: 1, channels: 3, background: '#00ff00' } })
      .png()
      .toFile(file);
    const photo = await openPhoto(file, { ...STRETCH, fit: 'letterbox' });
    expect(photo.contentXyxy).toEqual({ x1: 0, y1: 0, x2: 64, y2: 1 });
  });

  it.each([
    ['empty.jpg', 'IMAGE_UNSUPPORTED', 'an empty file'],
    ['zeros.jpg', 'IMAGE_UNSUPPORTED', 'a file of zero bytes'],
    ['text.jpg', 'IMAGE_UNSUPPORTED', 'a text file'],
    ['svg.jpg', 'IMAGE_UNSUPPORTED', 'an SVG drawing'],
    ['pdf.png', 'IMAGE_UNSUPPORTED', 'a PDF document'],
    ['html.jpg', 'IMAGE_UNSUPPORTED', 'an HTML page'],
    ['heic.jpg', 'IMAGE_UNSUPPORTED', 'a HEIC photo'],
    ['bmp.png', 'IMAGE_UNSUPPORTED', 'a BMP image'],
    ['lfs-pointer.jpg', 'IMAGE_UNSUPPORTED', 'a Git LFS pointer'],
    ['bomb.png', 'IMAGE_TOO_LARGE', '50000 x 50000'],
    ['truncated.jpg', 'IMAGE_UNREADABLE', 'damaged or cut short'],
    ['truncated.png', 'IMAGE_UNREADABLE', 'damaged or cut short'],
    ['truncated.webp', 'IMAGE_UNREADABLE', 'damaged or cut short'],
    ['truncated.gif', 'IMAGE_UNREADABLE', 'damaged or cut short'],
    ['truncated.avif', 'IMAGE_UNREADABLE', 'damaged or cut short'],
    ['truncated.tiff', 'IMAGE_UNREADABLE', 'damaged or cut short'],
    ['header-only.jpg', 'IMAGE_UNREADABLE', 'damaged or cut short'],
  ])('says what is wrong with %s', async (name, code, words) => {
    await expect(openPhoto(path.join(BROKEN, name), STRETCH)).rejects.toMatchObject({
      code,
      exit: 1,
      message: expect.stringMatching(new RegExp(`^\`${BROKEN}/${name}\`.*${words}`)),
    });
  });

  it('has a test for every broken fixture', async () => {
    for (const name of await readdir(BROKEN)) {
      await expect(openPhoto(path.join(BROKEN, name), STRETCH)).rejects.toHaveProperty('exit', 1);
    }
  });

  it('says that a file is missing, a folder, or larger than allowed', async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, 'folder.jpg'));
    await writeFile(path.join(folder, 'file'), 'x');
    await expect(openPhoto(path.join(folder, 'none.jpg'), STRETCH)).rejects.toMatchObject({
      code: 'IMAGE_MISSING',
    });
    await expect(openPhoto(path.join(folder, 'file/x.jpg'), STRETCH)).rejects.toMatchObject({
      code: 'IMAGE_MISSING',
    });
    await expect(openPhoto(path.join(folder, 'folder.jpg'), STRETCH)).rejects.toMatchObject({
      code: 'IMAGE_UNSUPPORTED',
      message: expect.stringContaining('a folder'),
    });
    await expect(
      openPhoto(`${FORMATS}/baseline.jpg`, STRETCH, { maxPixels: 128 * 96 - 1 }),
    ).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      hint: expect.stringContaining('--max-pixels 12288'),
    });
    await openPhoto(`${FORMATS}/baseline.jpg`, STRETCH, { maxPixels: 128 * 96 });
  });

  it.each([
    [
      Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' }),
      'IMAGES_UNAVAILABLE',
    ],
    [new RangeError('Array buffer allocation failed'), 'MEMORY_SPENT'],
    [new Error('vips_tracked: out of memory'), 'MEMORY_SPENT'],
  ])('does not blame the photo for %s', async (failure, code) => {
    const decode = () => Promise.reject(failure);
    const options = { pausesMs: [1] };
    await expect(withPhoto(`${FORMATS}/baseline.jpg`, options, decode)).rejects.toMatchObject({
      code,
      exit: 3,
      cause: failure,
    });
  });

  it('gives several detectors of one decoding what each would get alone', async () => {
    const specs: RasterSpec[] = [
      { width: 96, height: 96, fit: 'stretch', fill: 0 },
      { width: 64, height: 80, fit: 'letterbox', fill: 114 },
      { width: 128, height: 128, fit: 'longer-side', fill: 0, multiple: 32 },
    ];
    for (const name of await readdir(FORMATS)) {
      const together = await openPhotoFor(path.join(FORMATS, name), specs);
      for (const [at, spec] of specs.entries()) {
        const alone = await openPhoto(path.join(FORMATS, name), spec);
        expect({ ...together[at], raster: 0 }).toEqual({ ...alone, raster: 0 });
        // Depths and profiles are converted before shrinking or after, and WebP is shrunk by its decoder.
        const most = /webp$/.test(name) ? 3 : /16-bit|rotated/.test(name) ? 0.5 : 0;
        const apart = difference(together[at]!.raster, alone.raster);
        expect({ name, at, isNear: apart <= most }).toEqual({ name, at, isNear: true });
      }
    }
  });

  it('shrinks a photo that is far larger than their rasters in two steps', async () => {
    const specs: RasterSpec[] = [
      { width: 48, height: 48, fit: 'stretch', fill: 0 },
      { width: 64, height: 64, fit: 'letterbox', fill: 0 },
    ];
    const large = 'fixtures/images/dogs.jpg';
    const together = await openPhotoFor(large, specs);
    for (const [at, spec] of specs.entries()) {
      const alone = await openPhoto(large, spec);
      expect({ ...together[at], raster: 0 }).toEqual({ ...alone, raster: 0 });
      expect(difference(together[at]!.raster, alone.raster)).toBeLessThan(2);
    }
  });

  it('stops when it is told to', async () => {
    const reason = new Error('enough');
    await expect(
      openPhoto(`${FORMATS}/baseline.jpg`, STRETCH, { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });
});
