/** What the first picture of a TIFF file says of itself. */
export interface TiffTags {
  readonly compression: number;
  /** Of each sample. */
  readonly bits: number;
  /** 1 unsigned, 2 signed, 3 floating point, 5 and 6 complex. */
  readonly sampleFormat: number;
  readonly photometric: number | undefined;
  /** Bands: those of the colours and those beyond them. */
  readonly samples: number;
  /** What the bands beyond the colours are: 1 and 2 are alpha, 0 is unspecified. */
  readonly extraSamples: readonly number[];
  readonly newSubfileType: number;
  readonly hasSubfiles: boolean;
  readonly isDng: boolean;
}

const TAG = {
  newSubfileType: 254,
  bits: 258,
  compression: 259,
  photometric: 262,
  samples: 277,
  subfiles: 330,
  extraSamples: 338,
  sampleFormat: 339,
  dngVersion: 50706,
} as const;

/** Bytes of a value of each field type that the tags above have: BYTE, SHORT, LONG, IFD, LONG8, IFD8. */
const TYPE_BYTES: Readonly<Record<number, 1 | 2 | 4 | 8>> = {
  1: 1,
  3: 2,
  4: 4,
  13: 4,
  16: 8,
  18: 8,
};
/** More values of a tag are not looked at. */
const MAX_VALUES = 64;

/**
 * Reads the first directory of a TIFF or BigTIFF file.
 * @returns undefined where it lies beyond the end, or is none
 * @see TIFF 6.0, section 2; https://www.awaresystems.be/imaging/tiff/bigtiff.html
 */
export function tiffTags(bytes: Buffer): TiffTags | undefined {
  const isLittle = bytes[0] === 0x49;
  const isBig = bytes[isLittle ? 2 : 3] === 43;
  const read = (at: number, size: 1 | 2 | 4 | 8): number => {
    if (size === 1) return bytes.readUInt8(at);
    if (size === 2) return isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
    if (size === 4) return isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
    return Number(isLittle ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
  };
  const word = isBig ? 8 : 4;
  const values = new Map<number, readonly number[]>();
  try {
    const directory = read(isBig ? 8 : 4, word);
    const first = directory + (isBig ? 8 : 2);
    const entryBytes = 4 + 2 * word;
    const count = read(directory, isBig ? 8 : 2);
    for (let entry = first; entry < first + count * entryBytes; entry += entryBytes) {
      const size = TYPE_BYTES[read(entry + 2, 2)];
      if (size === undefined) continue;
      const length = Math.min(read(entry + 4, word), MAX_VALUES);
      const own = entry + 4 + word;
      const at = length * size > word ? read(own, word) : own;
      values.set(
        read(entry, 2),
        Array.from({ length }, (_, index) => read(at + index * size, size)),
      );
    }
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
  const of = (tag: number): number | undefined => values.get(tag)?.[0];
  return {
    compression: of(TAG.compression) ?? 1,
    bits: of(TAG.bits) ?? 1,
    sampleFormat: of(TAG.sampleFormat) ?? 1,
    photometric: of(TAG.photometric),
    samples: of(TAG.samples) ?? 1,
    extraSamples: values.get(TAG.extraSamples) ?? [],
    newSubfileType: of(TAG.newSubfileType) ?? 0,
    hasSubfiles: values.has(TAG.subfiles),
    isDng: values.has(TAG.dngVersion),
  };
}

/** Bands of the colours, by the photometric interpretation: white or black is zero, palette, mask; CMYK; the others have three. */
function colourBands(photometric: number | undefined): number {
  if (photometric === undefined || photometric <= 1 || photometric === 3) return 1;
  return photometric === 5 ? 4 : 3;
}

/**
 * Whether the picture has bands that are neither colours nor alpha: the infrared of an aerial photo, a depth. The decoder takes the
 * first of them for alpha. One band beyond the colours that is marked as alpha is alpha.
 */
export function hasForeignBands(bytes: Buffer): boolean {
  const tags = tiffTags(bytes);
  if (!tags) return false;
  const extra = tags.samples - colourBands(tags.photometric);
  const [mark] = tags.extraSamples;
  return extra > 0 && !(extra === 1 && (mark === 1 || mark === 2));
}

/** A kind of TIFF image that is not read. */
interface OddTiff {
  /** With its article. */
  readonly name: string;
  readonly hint: string;
}

/** Methods that the decoder has, by the value of the tag `Compression`. */
const UNPACKED: ReadonlySet<number> = new Set([
  1, 2, 3, 4, 5, 7, 8, 32766, 32771, 32773, 32809, 32946, 34676, 34677, 50001,
]);
/** @see https://www.loc.gov/preservation/digital/formats/content/tiff_tags.shtml */
const METHODS: Readonly<Record<number, string>> = {
  6: 'JPEG of the old style',
  33003: 'JPEG 2000',
  33005: 'JPEG 2000',
  34661: 'JBIG',
  34712: 'JPEG 2000',
  34887: 'LERC',
  34925: 'LZMA',
  50000: 'ZSTD',
  50002: 'JPEG XL',
  52546: 'JPEG XL',
};
const COLOURS: Readonly<Record<number, string>> = {
  4: 'a mask',
  8: 'CIE Lab colours',
  9: 'ICC Lab colours',
  10: 'ITU Lab colours',
  32803: 'the raw mosaic of a sensor',
  32844: 'CIE L luminances',
  32845: 'CIE Luv colours',
  34892: 'raw sensor values',
};
const UNPACK =
  'pack it in another way: `gdal_translate -co COMPRESS=DEFLATE FILE OUT.tif`, or `tiffcp -c zip FILE OUT.tif`';
const SCALE = '`gdal_translate -ot Byte -scale FILE OUT.tif` brings its values to 8 bits';

/** A TIFF image whose values the decoder would take for other brightnesses; undefined where it takes them as they are. */
export function misreadTiff({
  sampleFormat,
  bits,
  photometric,
  samples,
}: TiffTags): OddTiff | undefined {
  const isRgb = colourBands(photometric) === 3;
  const isFloat = sampleFormat === 3;
  // The decoder takes floating point colours as linear light from 0 to 1, as photo editors write them.
  if (isFloat && isRgb && bits === 32) return undefined;
  if (photometric === 3 && samples > 1) {
    return { name: 'a TIFF image of a palette and another band', hint: SCALE };
  }
  if (sampleFormat === 1 || sampleFormat === 4) {
    if (bits <= 16) return undefined;
    return { name: `a TIFF image of ${bits}-bit samples`, hint: SCALE };
  }
  const kind = isFloat ? 'floating point' : sampleFormat === 2 ? 'signed' : 'complex';
  return { name: `a TIFF image of ${kind} ${bits}-bit samples`, hint: SCALE };
}

/** Why the decoder refuses a TIFF image though it may be whole; undefined where it has all that the image needs. */
export function whyTiffIsNotRead(bytes: Buffer): OddTiff | undefined {
  const tags = tiffTags(bytes);
  if (!tags) return undefined;
  const { compression, bits, photometric } = tags;
  if (!UNPACKED.has(compression)) {
    const method = METHODS[compression] ?? `method ${compression}`;
    return { name: `a TIFF image packed by ${method}, which is not read`, hint: UNPACK };
  }
  const colours = COLOURS[photometric ?? 1];
  if (colours) {
    return { name: `a TIFF image of ${colours}`, hint: 'convert it first: `magick FILE FILE.png`' };
  }
  const isPlain = bits === 8 || bits === 16 || (colourBands(photometric) === 1 && bits <= 4);
  return isPlain ? undefined : { name: `a TIFF image of ${bits}-bit samples`, hint: SCALE };
}
