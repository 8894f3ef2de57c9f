import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { asVgrError } from '../../src/core/error.js';
import type { RasterSpec } from '../../src/core/raster.js';
import { photoThumbnail } from '../../src/photos/crop.js';
import { configureSharp, openPhoto } from '../../src/photos/decode.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';
import { type TiffPicture, tiffFile } from '../support/tiff.js';

const REFERENCE = 'fixtures/formats/reference.png';
const WHOLE: RasterSpec = { width: 128, height: 96, fit: 'stretch', fill: 0 };
const SMALL: RasterSpec = { width: 40, height: 30, fit: 'stretch', fill: 0 };

const temporaryFolder = useTemporaryFolders();

beforeAll(configureSharp);

async function pixelsOf(name: string, bytes: Uint8Array, spec = WHOLE): Promise<Buffer> {
  const file = path.join(await temporaryFolder(), name);
  await writeFile(file, bytes);
  return Buffer.from((await openPhoto(file, spec)).raster.data);
}

/** What is said of a file, without its name. */
async function refusalOf(name: string, bytes: Uint8Array): Promise<readonly string[]> {
  const file = path.join(await temporaryFolder(), name);
  await writeFile(file, bytes);
  try {
    await openPhoto(file, SMALL);
    return ['read'];
  } catch (thrown) {
    const { code, message } = asVgrError(thrown);
    return [code, message.replace(`\`${file}\`: `, '')];
  }
}

const UNSUPPORTED = 'expected a JPEG, PNG, WebP, AVIF, TIFF or GIF image, got';

describe('bands of a TIFF', () => {
  let rgb: Buffer;
  const side = { width: 128, height: 96 };

  beforeAll(async () => {
    rgb = await sharp(REFERENCE).removeAlpha().raw().toBuffer();
  });

  /** The photo with further bands behind each pixel. */
  function banded(colours: number, values: readonly number[]): Uint8Array {
    const count = rgb.length / 3;
    const samples = colours + values.length;
    const pixels = new Uint8Array(count * samples);
    for (let at = 0; at < count; at++) {
      pixels.set(rgb.subarray(at * 3, at * 3 + colours), at * samples);
      pixels.set(values, at * samples + colours);
    }
    return pixels;
  }

  it.each([
    ['infrared', { samples: 4, extraSamples: [0] }, [17]],
    ['an empty band', { samples: 4, extraSamples: [0] }, [0]],
    ['a band without a mark', { samples: 4 }, [0]],
    ['two bands', { samples: 5, extraSamples: [0, 0] }, [9, 200]],
    ['alpha and infrared', { samples: 5, extraSamples: [2, 0] }, [255, 3]],
    ['infrared, big-endian', { samples: 4, extraSamples: [0], isBigEndian: true }, [17]],
  ] as const)('leaves %s away', async (_, picture, values) => {
    const odd = tiffFile({ ...side, ...picture, pixels: banded(3, values) });
    const plain = tiffFile({ ...side, samples: 3, pixels: rgb });
    expect(await pixelsOf('odd.tif', odd)).toEqual(await pixelsOf('plain.tif', plain));
    const [shrunk, expected] = [
      await pixelsOf('odd.tif', odd, SMALL),
      await pixelsOf('plain.tif', plain, SMALL),
    ];
    expect(Math.max(...shrunk.map((value, at) => Math.abs(value - expected[at]!)))).toBeLessThan(2);
  });

  it('leaves a depth beside grey away, and turns the picture upright all the same', async () => {
    const tags = { 274: 6 };
    const odd = tiffFile({ ...side, samples: 2, photometric: 1, tags, pixels: banded(1, [0]) });
    const plain = tiffFile({ ...side, samples: 1, photometric: 1, tags, pixels: banded(1, []) });
    const spec = { ...WHOLE, width: 96, height: 128 };
    expect(await pixelsOf('a.tif', odd, spec)).toEqual(await pixelsOf('b.tif', plain, spec));
  });

  it.each([1, 2])('lays the photo on white where its band is marked %i, alpha', async (mark) => {
    const clear = tiffFile({
      ...side,
      samples: 4,
      extraSamples: [mark],
      pixels: banded(3, [0]),
    });
    expect((await pixelsOf('clear.tif', clear)).every((value) => value === 255)).toBe(true);
  });

  it.each([
    ['ZSTD', { compression: 50000 }, 'a TIFF image packed by ZSTD, which is not read'],
    ['LERC', { compression: 34887 }, 'a TIFF image packed by LERC, which is not read'],
    ['JPEG 2000', { compression: 33005 }, 'a TIFF image packed by JPEG 2000, which is not read'],
    ['any', { compression: 12345 }, 'a TIFF image packed by method 12345, which is not read'],
    ['12 bits', { bits: 12 }, 'a TIFF image of 12-bit samples'],
    ['Lab', { photometric: 8 }, 'a TIFF image of CIE Lab colours'],
    ['a sensor', { samples: 1, photometric: 32803 }, 'a TIFF image of the raw mosaic of a sensor'],
    [
      'heights',
      { samples: 1, photometric: 1, bits: 32, sampleFormat: 3 },
      'a TIFF image of floating point 32-bit samples',
    ],
    [
      'signed numbers',
      { samples: 1, photometric: 1, bits: 16, sampleFormat: 2 },
      'a TIFF image of signed 16-bit samples',
    ],
    ['32 bits', { samples: 1, photometric: 1, bits: 32 }, 'a TIFF image of 32-bit samples'],
    ['a preview', { tags: { 254: 1, 330: 8 } }, 'a raw photo of a camera'],
  ] as const)('names %s', async (_, picture, name) => {
    const { samples, bits = 8 }: Partial<TiffPicture> = { samples: 3, ...picture };
    const pixels = new Uint8Array((128 * 96 * samples * bits) / 8).fill(64);
    const file = tiffFile({ ...side, ...picture, samples, pixels });
    expect(await refusalOf('x.tif', file)).toEqual(['IMAGE_UNSUPPORTED', `${UNSUPPORTED} ${name}`]);
  });

  it('calls a TIFF damaged that is cut short, wherever the cut is', async () => {
    const whole = tiffFile({ ...side, samples: 3, pixels: rgb });
    for (const end of [9, rgb.length / 2, whole.length - 40]) {
      const said = await refusalOf('cut.tif', whole.subarray(0, end));
      expect(said).toEqual([
        'IMAGE_UNREADABLE',
        `expected a whole TIFF image, got ${end} bytes that are damaged or cut short`,
      ]);
    }
  });
});

describe('the end of a JPEG', () => {
  const kinds: readonly (readonly [string, () => Promise<Buffer>])[] = [
    ['baseline', () => sharp(REFERENCE).jpeg({ quality: 90 }).toBuffer()],
    ['progressive', () => sharp(REFERENCE).jpeg({ quality: 90, progressive: true }).toBuffer()],
    ['grey', () => sharp(REFERENCE).greyscale().jpeg().toBuffer()],
    ['full colour', () => sharp(REFERENCE).jpeg({ chromaSubsampling: '4:4:4' }).toBuffer()],
    ['flat', () => sharp(REFERENCE).resize(70, 16, { fit: 'fill' }).jpeg().toBuffer()],
  ];

  it.each(kinds)('may be missing where every pixel of a %s file is there', async (_, make) => {
    const whole = await make();
    const open = whole.subarray(0, -2);
    const expected = await pixelsOf('whole.jpg', whole);
    for (const rest of [[], [0xff], [0, 0], new Array<number>(500).fill(0), [0xff, 0xff]]) {
      expect(await pixelsOf('open.jpg', Buffer.concat([open, Buffer.from(rest)]))).toEqual(
        expected,
      );
    }
  });

  it.each(kinds)('is damage where bytes of a %s picture are lost', async (_, make) => {
    const whole = await make();
    for (const cut of [4, 5, 6, 20, 200, whole.length / 2]) {
      const lost = whole.subarray(0, whole.length - Math.floor(cut));
      expect([cut, ...(await refusalOf('lost.jpg', lost))]).toEqual([
        cut,
        'IMAGE_UNREADABLE',
        `expected a whole JPEG image, got ${lost.length} bytes that are damaged or cut short`,
      ]);
    }
  });

  it('is damage between two scans of a progressive file', async () => {
    const whole = await kinds[1]![1]();
    const scan = Buffer.from([0xff, 0xda]);
    const second = whole.indexOf(scan, whole.indexOf(scan) + 2);
    const last = whole.lastIndexOf(Buffer.from([0xff, 0xc4]), whole.lastIndexOf(scan));
    for (const end of [whole.lastIndexOf(Buffer.from([0xff, 0xc4]), second), last]) {
      expect((await refusalOf('scans.jpg', whole.subarray(0, end)))[0]).toBe('IMAGE_UNREADABLE');
    }
  });

  it('may be missing in PNG and GIF files too, where no pixels are', async () => {
    const [png, gif] = [
      await sharp(REFERENCE).png().toBuffer(),
      await sharp(REFERENCE).gif().toBuffer(),
    ];
    for (const [name, whole, ends] of [
      ['x.png', png, [4, 12]],
      ['x.gif', gif, [1, 2]],
    ] as const) {
      const expected = await pixelsOf(name, whole);
      for (const end of ends) {
        expect(await pixelsOf(name, whole.subarray(0, whole.length - end))).toEqual(expected);
      }
      for (const cut of [20, 21, 22, 200]) {
        const said = await refusalOf(name, whole.subarray(0, whole.length - cut));
        expect([cut, said[0]]).toEqual([cut, 'IMAGE_UNREADABLE']);
      }
    }
  });

  it('hashes the file as it is', async () => {
    const file = path.join(await temporaryFolder(), 'open.jpg');
    await writeFile(file, (await kinds[0]![1]()).subarray(0, -2));
    const whole = path.join(path.dirname(file), 'whole.jpg');
    await writeFile(whole, await kinds[0]![1]());
    const hashes = await Promise.all([file, whole].map((each) => openPhoto(each, SMALL)));
    expect(hashes[0]!.sha256).not.toBe(hashes[1]!.sha256);
  });
});

describe('the brands of a HEIF file', () => {
  function branded(major: string, ...compatible: readonly string[]): Buffer {
    const brands = [major, '\0\0\0\0', ...compatible].join('');
    const head = Buffer.alloc(8);
    head.writeUInt32BE(8 + brands.length);
    head.write('ftyp', 4, 'latin1');
    return Buffer.concat([head, Buffer.from(brands, 'latin1'), Buffer.alloc(600, 7)]);
  }

  it.each([
    ['mif1', ['heic'], 'a HEIC photo'],
    ['msf1', ['mif1', 'hevc'], 'a HEIC photo'],
    ['MiHE', ['mif1', 'heix', 'miaf'], 'a HEIC photo'],
    ['mif1', ['jpeg'], 'a HEIF image'],
    ['mif1', ['miaf'], 'a HEIF image of another codec'],
    ['isom', ['mp42'], 'an MP4 or QuickTime film'],
    ['crx ', ['isom'], 'a Canon raw photo'],
  ])('decide: %s with %j is %s', async (major, compatible, name) => {
    expect(await refusalOf('x.heic', branded(major, ...compatible))).toEqual([
      'IMAGE_UNSUPPORTED',
      `${UNSUPPORTED} ${name}`,
    ]);
  });

  it.each(['miaf', 'mif1', 'MA1B'])('AVIF is read under the major brand %s', async (major) => {
    const avif = await readFile('fixtures/formats/photo.avif');
    const expected = await pixelsOf('x.avif', avif);
    const other = Buffer.from(avif);
    other.write(major, 8, 'latin1');
    expect(other.toString('latin1', 16, avif.readUInt32BE(0))).toContain('avif');
    expect(await pixelsOf('x.avif', other)).toEqual(expected);
  });
});

it('names images of other formats', async () => {
  const names = [
    ['P6\n2 2\n255\nabc', 'a PPM image'],
    ['P5 2 2 255 abcd', 'a PGM image'],
    ['P1\n# by hand\n2 2\n0 1 1 0', 'a PBM image'],
    ['P7\nWIDTH 2\n', 'a PAM image'],
    ['qoif\0\0\0\x02', 'a QOI image'],
    ['Part of a letter', 'a text file'],
  ] as const;
  for (const [text, name] of names) {
    const said = await refusalOf('x.png', Buffer.from(text, 'latin1'));
    expect(said).toEqual(['IMAGE_UNSUPPORTED', `${UNSUPPORTED} ${name}`]);
  }
});

it('says the same of damaged photos that are decoded side by side, four times', async () => {
  const folder = await temporaryFolder();
  const files: [string, Uint8Array][] = [];
  for (const type of ['jpg', 'png', 'webp', 'gif', 'avif', 'tiff']) {
    files.push([`x.${type}`, await readFile(`fixtures/broken/truncated.${type}`)]);
  }
  const size = { width: 128, height: 96, samples: 3 };
  for (const compression of [50000, 34887, 34925]) {
    const pixels = new Uint8Array(128 * 96 * 3);
    files.push([`${compression}.tif`, tiffFile({ ...size, compression, pixels })]);
  }
  const names = [1, 2, 3].flatMap((copy) => files.map(([name]) => `${copy}-${name}`));
  for (const name of names) {
    await writeFile(
      path.join(folder, name),
      files.find(([file]) => name.endsWith(`-${file}`))![1]!,
    );
  }
  const runs = new Set<string>();
  for (let run = 0; run < 4; run++) {
    const said = names.map((name) =>
      openPhoto(path.join(folder, name), SMALL).catch((thrown) => asVgrError(thrown)),
    );
    runs.add(JSON.stringify((await Promise.all(said)).map((each) => (each as Error).message)));
  }
  expect(runs.size).toBe(1);
  expect([...runs][0]).not.toMatch(/vips|heif:|tiff2|Unknown/i);
});

describe('photoThumbnail', () => {
  it.each([
    ['truncated.jpg', 'IMAGE_UNREADABLE'],
    ['bomb.png', 'IMAGE_TOO_LARGE'],
    ['text.jpg', 'IMAGE_UNSUPPORTED'],
  ])('tells what is wrong with %s', async (name, code) => {
    const file = path.join('fixtures/broken', name);
    await expect(photoThumbnail(file, 64)).rejects.toMatchObject({ code, exit: 1 });
  });

  it('keeps proportions and tells the size of the whole photo', async () => {
    const { dataUrl, size } = await photoThumbnail(REFERENCE, 64);
    expect(size).toEqual({ width: 128, height: 96 });
    const small = await sharp(Buffer.from(dataUrl.split(',')[1]!, 'base64')).metadata();
    expect([small.format, small.width, small.height]).toEqual(['jpeg', 64, 48]);
  });
});
