import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Metadata } from 'sharp';
import sharp from 'sharp';
import type { BoxXyxy, ImageSize } from '../core/box.js';
import { printable, quoted, VgrError } from '../core/error.js';
import {
  contentXyxy,
  plainRaster,
  type RasterSpec,
  type RgbRaster,
  rasterSize,
} from '../core/raster.js';
import type { Semaphore } from '../core/semaphore.js';

/** 100 megapixels: above every camera in common use, below what fills the memory of a small machine. */
export const DEFAULT_MAX_PIXELS = 100_000_000;

/** Larger files are no photos; files are read whole. */
const MAX_FILE_BYTES = 1024 ** 3;

/**
 * A progressive JPEG comes in several scans over all pixels, ten or so; a hostile one comes in thousands, each of a few bytes. So
 * many scans of the largest photo are decoded, or more of a smaller one.
 */
const MAX_SCANS = 64;

/**
 * Bilinear with support widened when it shrinks, as in Pillow. Cheapest of the kernels that do not alias, and nearest
 * to what COCO detectors are trained on.
 */
const KERNEL = 'linear';

/** Background of transparent parts. Cut-out photos are made for white paper. */
const BACKDROP = { r: 255, g: 255, b: 255 };

const CHANNELS = 3;

export interface OpenPhotoOptions {
  /** Most pixels that the file may declare; default {@link DEFAULT_MAX_PIXELS}. */
  readonly maxPixels?: number;
  readonly signal?: AbortSignal;
  /** Limit for all photos that are being decoded; none where absent. */
  readonly memory?: DecodingMemory;
}

export interface DecodedPhoto {
  /** Of the upright photo: the camera's orientation is applied first. Pixels. */
  readonly size: ImageSize;
  /** Of the requested size. Its `data` owns the whole buffer, so that it can be moved to another thread. */
  readonly raster: RgbRaster;
  /** The photo's rectangle inside the raster, raster pixels. */
  readonly contentXyxy: BoxXyxy;
  /** Of the file's bytes, hexadecimal. */
  readonly sha256: string;
}

/**
 * Sets sharp up for streams of photos, for the whole process: no cache, since photos do not repeat, and one thread per photo, since
 * photos are decoded in parallel.
 */
export function configureSharp(): void {
  sharp.cache(false);
  sharp.concurrency(1);
}

/**
 * Reads a photo into the raster that a detector takes. The type is known by the first bytes, orientation is applied, colours are
 * converted to sRGB by the embedded profile (CMYK, grey and 16 bit too), transparent parts become white, animations their first
 * frame. The file is read once.
 * @throws VgrError as {@link withPhoto}
 */
export function openPhoto(
  path: string,
  spec: RasterSpec,
  options: OpenPhotoOptions = {},
): Promise<DecodedPhoto> {
  return withPhoto(path, options, async (photo) => {
    const { size, bytes } = photo;
    const content = contentXyxy(size, spec);
    const raster = rasterSize(size, spec);
    const data = await decodeInto({ ...spec, ...raster }, content, photo);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { size, raster: { ...raster, data }, contentXyxy: content, sha256 };
  });
}

/** A photo of one grey level, 0..255, in the raster of a detector. */
export function plainPhoto({ width, height }: ImageSize, level: number): DecodedPhoto {
  const size = { width, height };
  const contentXyxy = { x1: 0, y1: 0, x2: width, y2: height };
  return { size, raster: plainRaster(size, level), contentXyxy, sha256: '' };
}

/** A photo before it is decoded. */
export interface PhotoFile {
  readonly bytes: Buffer;
  /** Of the upright photo, pixels. */
  readonly size: ImageSize;
  /** Whether parts of it may be transparent. */
  readonly hasAlpha: boolean;
}

/**
 * Reads the file of a photo and its header, and runs `decode` when there is memory for it. A large file is read when nothing else
 * is being decoded, since its bytes are in memory before its header is known.
 * @param keptBytes bytes of pixels that stay in memory until `decode` ends, in addition to the decoder's
 * @throws VgrError IMAGE_MISSING, IMAGE_UNSUPPORTED (no photo, or of another type), IMAGE_TOO_LARGE, IMAGE_UNREADABLE (damaged,
 * truncated, not permitted); the reason of the aborted signal; errors for lack of memory or file handles as they are
 */
export async function withPhoto<Result>(
  path: string,
  { maxPixels = DEFAULT_MAX_PIXELS, signal, memory }: OpenPhotoOptions,
  decode: (photo: PhotoFile) => Promise<Result>,
  keptBytes: (size: ImageSize) => number = () => 0,
): Promise<Result> {
  const work = async (isAlone: boolean): Promise<Result> => {
    const bytes = await readPhotoFile(path, signal);
    try {
      const header = await sharp(bytes, { limitInputPixels: false }).metadata();
      const { width, height } = header.autoOrient;
      if (width * height > maxPixels) {
        const hint = `where the file is trusted, pass \`--max-pixels ${width * height}\``;
        throw tooLarge(path, `at most ${maxPixels} pixels, got ${width} x ${height}`, hint);
      }
      const scans = header.isProgressive ? scansOf(bytes) : 1;
      if (scans * width * height > MAX_SCANS * maxPixels) {
        throw tooLarge(
          path,
          `at most ${MAX_SCANS * maxPixels} pixels in all scans, got ${scans} scans of ${width} x ${height}`,
          'no camera writes such a file; save it as a plain JPEG',
        );
      }
      signal?.throwIfAborted();
      const photo = { bytes, size: { width, height }, hasAlpha: header.hasAlpha ?? false };
      if (!memory) return await decode(photo);
      const needed = decodingBytes(header, bytes.length) + keptBytes(photo.size);
      const { total } = memory.budget;
      if (memory.strict && needed > total) {
        throw tooLarge(
          path,
          `at most ${mib(total)} for decoding, which \`--max-memory\` leaves; got ${mib(needed)} to decode it`,
          'raise `--max-memory`, or leave it out, and run again with `--retry-failed`',
        );
      }
      if (isAlone) return await decode(photo);
      return await memory.budget.run(() => decode(photo), { units: needed });
    } catch (thrown) {
      signal?.throwIfAborted();
      throw isOfPhoto(thrown) ? damaged(path, bytes, thrown) : thrown;
    }
  };
  if (!memory) return work(false);
  // If there is no such file, opening it says so.
  const there = await stat(path).catch(() => undefined);
  if (!there || there.size <= LARGE_FILE_BYTES) return work(false);
  return memory.budget.run(() => work(true), { units: memory.budget.total });
}

/** Number of scans of a JPEG, with those of previews in its metadata: compressed data never holds the marker. */
function scansOf(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(START_OF_SCAN); at >= 0; at = bytes.indexOf(START_OF_SCAN, at + 2)) {
    count += 1;
  }
  return count;
}

const START_OF_SCAN = Buffer.from([0xff, 0xda]);

/**
 * The bytes of a file that is an image of a supported type by its first bytes. Every file is checked here before it gets to the
 * decoding library.
 * @throws VgrError IMAGE_MISSING, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_UNREADABLE
 */
export async function readPhotoFile(path: string, signal?: AbortSignal): Promise<Buffer> {
  try {
    const there = await stat(path);
    if (!there.isFile()) {
      const kind = there.isDirectory() ? 'a folder' : 'no regular file';
      const message = `${quoted(path)}: expected an image file, got ${kind}`;
      throw new VgrError('IMAGE_UNSUPPORTED', message);
    }
    if (there.size > MAX_FILE_BYTES) {
      throw tooLarge(path, `at most ${MAX_FILE_BYTES} bytes, got ${there.size}`);
    }
    const bytes = await readFile(path, { signal });
    const { name, isReadable, hint } = imageTypeOf(bytes);
    if (isReadable) return bytes;
    const expected = 'a JPEG, PNG, WebP, AVIF, TIFF or GIF image';
    const message = `${quoted(path)}: expected ${expected}, got ${name}`;
    throw new VgrError('IMAGE_UNSUPPORTED', message, { hint });
  } catch (thrown) {
    signal?.throwIfAborted();
    throw thrown instanceof VgrError ? thrown : unreadable(path, thrown as NodeJS.ErrnoException);
  }
}

/** Decodes a photo, stretched to `size` if given, to upright pixels in sRGB, row by row, {@link CHANNELS} bytes each. */
export async function decodePixels({ bytes, size: whole, hasAlpha }: PhotoFile, size?: ImageSize) {
  const limitInputPixels = whole.width * whole.height;
  const image = sharp(bytes, { failOn: 'error', limitInputPixels }).autoOrient();
  if (size) image.resize(size.width, size.height, { fit: 'fill', kernel: KERNEL });
  if (hasAlpha) image.flatten({ background: BACKDROP });
  const { data, info } = await image
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== CHANNELS || (size && data.length !== size.width * size.height * CHANNELS)) {
    throw new Error(`decoder gave ${width} x ${height} x ${channels}`);
  }
  return { data, width, height };
}

/** A raster with the photo in the rectangle `content`, and a border of one grey around it. */
async function decodeInto(
  { width, height, fill }: RasterSpec,
  { x1, y1, x2, y2 }: BoxXyxy,
  photo: PhotoFile,
): Promise<Uint8Array> {
  const { data } = await decodePixels(photo, { width: x2 - x1, height: y2 - y1 });
  // The pixels are copied into a buffer that can be moved: sharp's own cannot, and that of `toUint8Array` of sharp 0.35.5 is never
  // freed. The border is added on the way, which takes sharp a millisecond.
  const pixels = new Uint8Array(width * height * CHANNELS);
  if (data.length < pixels.length) pixels.fill(fill);
  // A photo as wide as the raster is copied at once.
  const rowBytes = x2 - x1 === width ? data.length : (x2 - x1) * CHANNELS;
  for (let from = 0, y = y1; from < data.length; from += rowBytes, y++) {
    pixels.set(data.subarray(from, from + rowBytes), (y * width + x1) * CHANNELS);
  }
  return pixels;
}

function tooLarge(path: string, expected: string, hint?: string): VgrError {
  return new VgrError('IMAGE_TOO_LARGE', `${quoted(path)}: expected ${expected}`, { hint });
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

function unreadable(path: string, cause: NodeJS.ErrnoException): VgrError {
  if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') {
    return new VgrError('IMAGE_MISSING', `no file ${quoted(path)}`, { cause });
  }
  const reason = cause.code === 'EACCES' ? 'permission denied' : printable(cause.message);
  return new VgrError('IMAGE_UNREADABLE', `${quoted(path)}: ${reason}`, {
    cause,
    hint: cause.code === 'EACCES' ? 'check who may read it: `ls -l FILE`' : undefined,
  });
}

/** Errors of the decoder that are due to the machine, not to the photo. */
const OF_MACHINE = /out of memory|cannot allocate memory|bad_alloc|too many open files/i;

/** Whether the decoder refuses the photo: it throws plain errors. System errors have a code. */
function isOfPhoto(thrown: unknown): boolean {
  const { name, message, code } = thrown as NodeJS.ErrnoException;
  return name === 'Error' && code === undefined && !OF_MACHINE.test(message);
}

/** The decoder refuses a file. Its message is only the `cause`: libvips mixes messages of photos that are decoded in parallel. */
function damaged(path: string, bytes: Buffer, cause: unknown): VgrError {
  const kind = imageTypeOf(bytes).name.replace(/^an? /, '');
  return new VgrError(
    'IMAGE_UNREADABLE',
    `${quoted(path)}: expected a whole ${kind}, got ${bytes.length} bytes that are damaged or cut short`,
    { cause, hint: 'open it in a viewer, or copy it again from where it came' },
  );
}

/** Limit of the memory of all photos that are being decoded. */
export interface DecodingMemory {
  /** Counts bytes. */
  readonly budget: Semaphore;
  /** Refuse a photo that needs more than the whole budget; it is decoded alone otherwise. */
  readonly strict: boolean;
}

/** Larger files are read only when nothing else is being decoded. */
const LARGE_FILE_BYTES = 16 * 1024 * 1024;
/** Of a file that is decoded row by row: lines of the decoder and of the shrinking behind it, per pixel of width. */
const ROW_BYTES = 8192;
/** Of files that are decoded whole, per pixel. */
const PIXEL_BYTES: Readonly<Record<string, number>> = { gif: 8, webp: 4, heif: 20 };
const PROGRESSIVE_PIXEL_BYTES = 6;

/**
 * Peak memory of decoding, bytes. The file counts twice, since the previous buffer may not have been collected yet. JPEG and PNG
 * are read row by row unless they are progressive; other types are decoded whole, AVIF through several copies. Measured with
 * libvips 8.18 on images of 12 to 80 megapixels and rounded up, for JPEGs with full colour planes.
 */
export function decodingBytes(
  header: Pick<Metadata, 'format' | 'width' | 'height' | 'isProgressive'>,
  fileBytes: number,
): number {
  const { format, width, height, isProgressive } = header;
  const perPixel = isProgressive ? PROGRESSIVE_PIXEL_BYTES : PIXEL_BYTES[format ?? ''];
  return 2 * fileBytes + width * (perPixel === undefined ? ROW_BYTES : height * perPixel);
}

/** Number of first bytes by which a file type is recognised. */
const MAGIC_BYTES = 512;

/** A file type that is recognised by its first bytes. */
interface Magic {
  /** Latin-1. */
  readonly bytes: string;
  readonly offset?: number;
  /** With its article, for messages: `a PDF document`. */
  readonly name: string;
  /** Whether the decoder takes it. */
  readonly isReadable?: boolean;
  readonly hint?: string;
}

const EXPORT_FIRST = 'export it as JPEG first';

/** @see the formats' own specifications; ISO/IEC 14496-12 for the brands after `ftyp` */
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
  { bytes: 'ftypavif', offset: 4, name: 'an AVIF image', isReadable: true },
  { bytes: 'ftypavis', offset: 4, name: 'an AVIF image', isReadable: true },
  { bytes: 'ftypmif1', offset: 4, name: 'a HEIF image', isReadable: true },
  { bytes: 'ftyphei', offset: 4, name: 'a HEIC photo', hint: EXPORT_FIRST },
  { bytes: 'ftyphev', offset: 4, name: 'a HEIC photo', hint: EXPORT_FIRST },
  { bytes: 'ftypcrx', offset: 4, name: 'a Canon raw photo', hint: EXPORT_FIRST },
  { bytes: 'ftyp', offset: 4, name: 'an MP4 or QuickTime film' },
  { bytes: 'BM', name: 'a BMP image' },
  { bytes: '\0\0\0\x0cjP', name: 'a JPEG 2000 image' },
  { bytes: '\0\0\0\x0cJXL', name: 'a JPEG XL image' },
  { bytes: '\xff\x0a', name: 'a JPEG XL image' },
  { bytes: '8BPS', name: 'a Photoshop document' },
  { bytes: '\0\0\x01\0', name: 'a Windows icon' },
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

/** The type of a file by its first bytes. */
function imageTypeOf(start: Uint8Array): Omit<Magic, 'bytes'> {
  if (start.length === 0) return { name: 'an empty file' };
  const head = Buffer.from(start.buffer, start.byteOffset, Math.min(start.length, MAGIC_BYTES));
  const text = head.toString('latin1');
  const magic = MAGICS.find(({ bytes, offset = 0 }) => text.startsWith(bytes, offset));
  return magic ?? { name: markupOf(text) ?? plainOf(head) };
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
