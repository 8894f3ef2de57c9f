import { quoted, VgrError } from '../core/error.js';
import { misreadTiff, tiffTags, whyTiffIsNotRead } from './tiff.js';

/** What a file is, by its first bytes. */
export interface FileType {
  /** With its article, for messages: `a PDF document`. */
  readonly name: string;
  /** Whether the decoder takes it. */
  readonly isReadable?: boolean;
  readonly hint?: string;
}

/** A file type that is recognised by its first bytes. */
interface Magic extends FileType {
  /** Latin-1. */
  readonly bytes: string;
  readonly offset?: number;
}

const EXPORT_FIRST = 'export it as JPEG first';
const CONVERT = 'convert it first: `magick FILE FILE.png`';

/** Number of first bytes by which a file type is recognised. */
const MAGIC_BYTES = 512;

/** @see the formats' own specifications */
const MAGICS: readonly Magic[] = [
  { bytes: '\xff\xd8\xff', name: 'a JPEG image', isReadable: true },
  { bytes: '\x89PNG\r\n\x1a\n', name: 'a PNG image', isReadable: true },
  { bytes: 'GIF87a', name: 'a GIF image', isReadable: true },
  { bytes: 'GIF89a', name: 'a GIF image', isReadable: true },
  { bytes: 'WEBP', offset: 8, name: 'a WebP image', isReadable: true },
  { bytes: 'II*\0\x10\0\0\0CR', name: 'a Canon raw photo', hint: EXPORT_FIRST },
  { bytes: 'II*\0', name: 'a TIFF image', isReadable: true },
  { bytes: 'MM\0*', name: 'a TIFF image', isReadable: true },
  { bytes: 'II+\0', name: 'a TIFF image', isReadable: true },
  { bytes: 'MM\0+', name: 'a TIFF image', isReadable: true },
  { bytes: 'FUJIFILMCCD-RAW', name: 'a Fujifilm raw photo', hint: EXPORT_FIRST },
  { bytes: 'IIU\0', name: 'a Panasonic raw photo', hint: EXPORT_FIRST },
  { bytes: 'IIRO', name: 'an Olympus raw photo', hint: EXPORT_FIRST },
  { bytes: 'FOVb', name: 'a Sigma raw photo', hint: EXPORT_FIRST },
  { bytes: 'BM', name: 'a BMP image', hint: CONVERT },
  { bytes: '\0\0\0\x0cjP', name: 'a JPEG 2000 image', hint: CONVERT },
  { bytes: '\xff\x4f\xff\x51', name: 'a JPEG 2000 image', hint: CONVERT },
  { bytes: '\0\0\0\x0cJXL', name: 'a JPEG XL image', hint: CONVERT },
  { bytes: '\xff\x0a', name: 'a JPEG XL image', hint: CONVERT },
  { bytes: '8BPS', name: 'a Photoshop document', hint: EXPORT_FIRST },
  { bytes: 'qoif', name: 'a QOI image', hint: CONVERT },
  { bytes: 'DDS ', name: 'a DDS texture', hint: CONVERT },
  { bytes: '\x76\x2f\x31\x01', name: 'an OpenEXR image', hint: CONVERT },
  { bytes: '#?RADIANCE', name: 'a Radiance HDR image', hint: CONVERT },
  { bytes: 'SIMPLE  =', name: 'a FITS image', hint: CONVERT },
  { bytes: 'DICM', offset: 128, name: 'a DICOM image', hint: EXPORT_FIRST },
  { bytes: 'II\xbc\x01', name: 'a JPEG XR image', hint: CONVERT },
  { bytes: '\0\0\x01\0', name: 'a Windows icon', hint: CONVERT },
  { bytes: '%PDF-', name: 'a PDF document' },
  { bytes: 'PK\x03\x04', name: 'a ZIP archive' },
  { bytes: '\x1f\x8b', name: 'a gzip file' },
  { bytes: '\x1aE\xdf\xa3', name: 'a Matroska or WebM film' },
  { bytes: 'RIFF', name: 'a RIFF film or sound' },
  { bytes: '\x7fELF', name: 'a program' },
  {
    bytes: 'version https://git-lfs',
    name: 'a Git LFS pointer',
    hint: 'fetch the file itself with `git lfs pull`',
  },
];

const HEIC = { name: 'a HEIC photo', hint: EXPORT_FIRST };
const HEIF = { name: 'a HEIF image', isReadable: true, hint: EXPORT_FIRST };

/** What the brands of a file say, first the ones that say most: of all its brands the first of this list decides. */
const BRANDS: readonly (readonly [brands: RegExp, type: FileType])[] = [
  [/^crx /, { name: 'a Canon raw photo', hint: EXPORT_FIRST }],
  [/^avi[fs]$/, { name: 'an AVIF image', isReadable: true }],
  [/^he[iv][cxms]$/, HEIC],
  [/^(jpeg|jpgs|avci|avcs|j2ki|j2is|vvic|vvis|evbi|evbs)$/, { ...HEIF, isReadable: false }],
  [/^(mif[12]|msf1|miaf|MiH[AEB])$/, HEIF],
];

/** The type of a file by its bytes, of which the first 512 are enough for most types. */
function fileTypeOf(bytes: Buffer): FileType {
  if (bytes.length === 0) return { name: 'an empty file' };
  const head = bytes.subarray(0, MAGIC_BYTES);
  const text = head.toString('latin1');
  if (text.startsWith('ftyp', 4)) return brandedType(bytes, text);
  const magic = MAGICS.find(({ bytes, offset = 0 }) => text.startsWith(bytes, offset));
  if (magic?.name === 'a TIFF image') return { ...magic, ...oddTiffIn(bytes) };
  return magic ?? pixmapIn(text) ?? { name: markupOf(text) ?? plainOf(head) };
}

/**
 * A file of ISO base media boxes. Its major brand says little (`mif1`, `msf1`, `miaf`), the compatible ones behind it name the codec;
 * where none does, the first configuration of a codec in the file does.
 * @see ISO/IEC 14496-12 for the box `ftyp`, ISO/IEC 23008-12 and the AVIF specification for the brands
 */
function brandedType(bytes: Buffer, text: string): FileType {
  const end = Math.min(bytes.readUInt32BE(0), text.length);
  const brands = [text.slice(8, 12)];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(text.slice(at, at + 4));
  const known = BRANDS.find(([pattern]) => brands.some((brand) => pattern.test(brand)));
  const type = known?.[1] ?? { name: 'an MP4 or QuickTime film' };
  if (type !== HEIF) return type;
  return bytes.subarray(0, 65_536).includes('hvcC') ? HEIC : HEIF;
}

/** An empty block, which ends a picture, and the trailer of a GIF. */
const END_OF_GIF = Buffer.from([0, 0x3b]);

/**
 * An AVIF file under the name of its codec, since the decoder looks at the major brand alone, and a GIF with its end, without which
 * the decoder refuses it; where pixels are missing, it does so all the same.
 * @returns the same bytes where it takes them, a copy else
 */
export function asDecoderTakes(bytes: Buffer): Buffer {
  const start = bytes.toString('latin1', 0, 12);
  if (start.startsWith('GIF8') && bytes.at(-1) !== END_OF_GIF[1]) {
    return Buffer.concat([bytes, END_OF_GIF]);
  }
  if (!/^ftyp(?!avi[fs]|mif1|msf1)/.test(start.slice(4))) return bytes;
  if (!fileTypeOf(bytes).isReadable) return bytes;
  const copy = Buffer.from(bytes);
  copy.write('avif', 8, 'latin1');
  return copy;
}

/** Of TIFF files those that the decoder takes for another picture; raw photos of cameras begin with a preview. */
function oddTiffIn(bytes: Buffer): FileType | undefined {
  const tags = tiffTags(bytes);
  if (!tags) return undefined;
  if (tags.isDng || (tags.newSubfileType & 1 && tags.hasSubfiles)) {
    return { name: 'a raw photo of a camera', isReadable: false, hint: EXPORT_FIRST };
  }
  const odd = misreadTiff(tags);
  return odd && { ...odd, isReadable: false };
}

/** The Netpbm formats. */
function pixmapIn(text: string): FileType | undefined {
  const kind = /^P(?:[1-6][\s#]|7\n|[Ff]\s)/.test(text) ? text[1]! : undefined;
  if (kind === undefined) return undefined;
  const name = { 1: 'PBM', 2: 'PGM', 3: 'PPM', 4: 'PBM', 5: 'PGM', 6: 'PPM', 7: 'PAM' }[kind];
  return { name: `a ${name ?? 'PFM'} image`, hint: CONVERT };
}

function markupOf(text: string): string | undefined {
  const start = text
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase();
  if (start.startsWith('<!doctype html') || start.startsWith('<html')) return 'an HTML page';
  if (/^(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg[\s>]/s.test(start)) {
    return 'an SVG drawing';
  }
  if (start.startsWith('<?xml') || start.startsWith('<')) return 'an XML document';
  return undefined;
}

function plainOf(head: Buffer): string {
  if (head.every((byte) => byte === 0)) return 'a file of zero bytes';
  const control = head.some((byte) => byte < 9 || (byte > 13 && byte < 32));
  return control ? 'a file of unknown type' : 'a text file';
}

/** Refuses what is no image of a type that the decoder takes. @throws VgrError IMAGE_UNSUPPORTED */
export function refuseOtherType(path: string, bytes: Buffer): void {
  const { name, isReadable, hint } = fileTypeOf(bytes);
  if (isReadable) return;
  throw unsupported(path, name, hint);
}

function unsupported(path: string, name: string, hint?: string): VgrError {
  const expected = 'a JPEG, PNG, WebP, AVIF, TIFF or GIF image';
  const message = `${quoted(path)}: expected ${expected}, got ${name}`;
  return new VgrError('IMAGE_UNSUPPORTED', message, { hint });
}

/** Words of errors of the decoder that are due to the machine, not to the photo. */
export const OF_MACHINE =
  /out of memory|cannot allocate memory|bad_alloc|allocation failed|too many open files/i;
export const TOO_MANY_FILES = /too many open files/i;

/**
 * Why the decoder refuses a photo, told by the bytes of this file alone. What the decoder says is only the `cause`: libvips keeps one
 * text for the whole process, so it may be about another photo that is decoded at the same time.
 */
export function refusedByDecoder(path: string, bytes: Buffer, cause: unknown): VgrError {
  const { name, hint } = fileTypeOf(bytes);
  if (name === HEIF.name) return unsupported(path, 'a HEIF image of another codec', hint);
  const reason = name === 'a TIFF image' ? whyTiffIsNotRead(bytes) : undefined;
  if (reason) return unsupported(path, reason.name, reason.hint);
  return new VgrError(
    'IMAGE_UNREADABLE',
    `${quoted(path)}: expected a whole ${name.replace(/^an? /, '')}, got ${bytes.length} bytes that are damaged or cut short`,
    { cause, hint: 'open it in a viewer, or copy it again from where it came' },
  );
}
