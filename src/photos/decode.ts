import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Metadata } from 'sharp';
import sharp from 'sharp';
import type { BoxXyxy, ImageSize } from '../core/box.js';
import { printable, quoted, VgrError } from '../core/error.js';
import { contentXyxy, type RasterSpec, type RgbRaster, rasterSize } from '../core/raster.js';
import { ByteBudget } from '../core/semaphore.js';

/** 100 megapixels: above every camera in common use, below what fills the memory of a small machine. */
export const DEFAULT_MAX_PIXELS = 100_000_000;

/** A file of this size is no photo; it would be read whole. */
const MAX_FILE_BYTES = 1024 ** 3;

/**
 * Bilinear with support widened when it shrinks, as in Pillow. Cheapest of the kernels that do not alias, and nearest
 * to what COCO detectors are trained on.
 */
const KERNEL = 'linear';

/** What shows through transparent parts. Cut-out photos are made for white paper. */
export const BACKDROP = { r: 255, g: 255, b: 255 };

export interface OpenPhotoOptions {
  /** Most pixels that the file may declare; default {@link DEFAULT_MAX_PIXELS}. */
  readonly maxPixels?: number;
  readonly signal?: AbortSignal;
  /** What photos that are being decoded may hold together; unbounded where absent. */
  readonly memory?: DecodingMemory | undefined;
}

export interface DecodedPhoto {
  /** Of the upright photo: the camera's orientation is applied first. Pixels. */
  readonly size: ImageSize;
  /** Exactly of the size asked for. Its `data` owns its buffer, whole, so that it can be moved to another thread. */
  readonly raster: RgbRaster;
  /** The photo's rectangle inside the raster, raster pixels. */
  readonly contentXyxy: BoxXyxy;
  /** Of the file's bytes, hexadecimal. */
  readonly sha256: string;
}

/**
 * Sets sharp up for streams of photos: no cache, since no photo comes twice in a row, and one thread a photo, since
 * photos are decoded side by side. Holds for the whole process.
 */
export function configureSharp(): void {
  sharp.cache(false);
  sharp.concurrency(1);
}

/**
 * Reads a photo into the raster that a detector takes: the file's type is known by its bytes, orientation is applied,
 * colours are brought to sRGB by the embedded profile (CMYK, grey and 16 bit too), transparent parts lie on white, of an
 * animation the first frame counts. The file is read once.
 * @throws VgrError IMAGE_MISSING, IMAGE_UNSUPPORTED (no photo, or a kind that is not read), IMAGE_TOO_LARGE, IMAGE_UNREADABLE
 * (damaged, cut short, not permitted); the signal's reason when it is aborted
 */
export async function openPhoto(
  path: string,
  spec: RasterSpec,
  options: OpenPhotoOptions = {},
): Promise<DecodedPhoto> {
  return readWithin(options.memory, path, (memory) =>
    openAdmitted(path, spec, { ...options, memory }),
  );
}

async function openAdmitted(
  path: string,
  spec: RasterSpec,
  { maxPixels = DEFAULT_MAX_PIXELS, signal, memory }: OpenPhotoOptions,
): Promise<DecodedPhoto> {
  const bytes = await readPhotoFile(path, signal);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  try {
    const { size, hasAlpha, header } = await measurePhoto(bytes, path, maxPixels);
    signal?.throwIfAborted();
    const content = contentXyxy(size, spec);
    const whole = { ...spec, ...rasterSize(size, spec) };
    const data = await decodeWithin(memory, { path, header, fileBytes: bytes.length }, () =>
      decode(bytes, content, whole, { hasAlpha, maxPixels }),
    );
    const raster = { width: whole.width, height: whole.height, data };
    return { size, raster, contentXyxy: content, sha256 };
  } catch (thrown) {
    signal?.throwIfAborted();
    throw damaged(path, thrown);
  }
}

/**
 * The bytes of a file that by its first bytes is an image of a kind that is read. Every file goes through here before it meets
 * the decoding library.
 * @throws VgrError IMAGE_MISSING, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_UNREADABLE
 */
export async function readPhotoFile(path: string, signal?: AbortSignal): Promise<Buffer> {
  try {
    const there = await stat(path);
    if (!there.isFile()) {
      const kind = there.isDirectory() ? 'a folder' : 'no regular file';
      throw new VgrError(
        'IMAGE_UNSUPPORTED',
        `${quoted(path)}: expected an image file, got ${kind}`,
      );
    }
    if (there.size > MAX_FILE_BYTES) {
      throw new VgrError(
        'IMAGE_TOO_LARGE',
        `${quoted(path)}: expected at most ${MAX_FILE_BYTES} bytes, got ${there.size}`,
      );
    }
    const bytes = await readFile(path, signal ? { signal } : undefined);
    const type = imageTypeOf(bytes);
    if (!type.readable) throw unsupported(path, type.name);
    return bytes;
  } catch (thrown) {
    signal?.throwIfAborted();
    throw thrown instanceof VgrError ? thrown : unreadable(path, thrown as NodeJS.ErrnoException);
  }
}

interface Measured {
  readonly size: ImageSize;
  readonly hasAlpha: boolean;
  readonly header: DecodingHeader;
}

/** Size of the upright photo, and whether parts of it are transparent. @throws VgrError IMAGE_TOO_LARGE */
export async function measurePhoto(
  bytes: Buffer,
  path: string,
  maxPixels: number,
): Promise<Measured> {
  const header = await sharp(bytes, { limitInputPixels: false }).metadata();
  const { autoOrient: size, hasAlpha = false } = header;
  if (size.width * size.height > maxPixels) {
    throw new VgrError(
      'IMAGE_TOO_LARGE',
      `${quoted(path)}: expected at most ${maxPixels} pixels, got ${size.width} x ${size.height}`,
      {
        hint: `where the file is trusted, pass \`--max-pixels ${size.width * size.height}\``,
      },
    );
  }
  return { size: { width: size.width, height: size.height }, hasAlpha, header };
}

async function decode(
  bytes: Buffer,
  { x1, y1, x2, y2 }: BoxXyxy,
  spec: RasterSpec,
  { hasAlpha, maxPixels }: { readonly hasAlpha: boolean; readonly maxPixels: number },
): Promise<Uint8Array> {
  const image = sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels })
    .autoOrient()
    .resize(x2 - x1, y2 - y1, { fit: 'fill', kernel: KERNEL });
  if (hasAlpha) image.flatten({ background: BACKDROP });
  const { data, info } = await image
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3 || data.length !== (x2 - x1) * (y2 - y1) * 3) {
    throw new Error(`decoder gave ${info.width} x ${info.height} x ${info.channels}`);
  }
  // The pixels are copied into a buffer that can be moved: sharp's own cannot, and what `toUint8Array` of sharp 0.35.5
  // gives in its place is never freed. The border is made on the way, which sharp takes a millisecond for.
  const pixels = new Uint8Array(spec.width * spec.height * 3);
  if (data.length < pixels.length) pixels.fill(spec.fill);
  // Where the photo is as wide as the raster, all rows lie together in both.
  const isWhole = x2 - x1 === spec.width;
  const rowBytes = isWhole ? data.length : (x2 - x1) * 3;
  for (let from = 0, y = y1; from < data.length; from += rowBytes, y++) {
    pixels.set(data.subarray(from, from + rowBytes), (y * spec.width + x1) * 3);
  }
  return pixels;
}

function unsupported(path: string, got: string): VgrError {
  return new VgrError(
    'IMAGE_UNSUPPORTED',
    `${quoted(path)}: expected a JPEG, PNG, WebP, AVIF, TIFF or GIF image, got ${got}`,
    got.includes('HEIC') || got.includes('raw photo')
      ? { hint: 'export it as JPEG first' }
      : got.includes('LFS')
        ? { hint: 'fetch the file itself with `git lfs pull`' }
        : {},
  );
}

function unreadable(path: string, cause: NodeJS.ErrnoException): VgrError {
  if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') {
    return new VgrError('IMAGE_MISSING', `no file ${quoted(path)}`, { cause });
  }
  const reason = cause.code === 'EACCES' ? 'permission denied' : printable(cause.message);
  return new VgrError('IMAGE_UNREADABLE', `${quoted(path)}: ${reason}`, {
    cause,
    ...(cause.code === 'EACCES' && { hint: 'check who may read it: `ls -l FILE`' }),
  });
}

/** What the decoder threw, in its own words kept short: some loaders tell every seek. */
export function damaged(path: string, thrown: unknown): VgrError {
  if (thrown instanceof VgrError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const last = text.trim().split('\n').at(-1) ?? '';
  return new VgrError(
    'IMAGE_UNREADABLE',
    `${quoted(path)} is damaged or cut short: ${printable(last).slice(0, 200)}`,
    { cause: thrown, hint: 'open it in a viewer, or copy it again from where it came' },
  );
}

/** Kinds of file that are told apart by their first bytes. */
export interface ImageType {
  /** With its article, for messages: `a PDF document`. */
  readonly name: string;
  /** True where the decoder takes it. */
  readonly readable: boolean;
}

/** Bytes from the start of a file that {@link imageTypeOf} looks at. */
const MAGIC_BYTES = 512;

interface Magic extends ImageType {
  readonly offset?: number;
  /** Latin-1. */
  readonly bytes: string;
}

/** @see the formats' own specifications; ISO/IEC 14496-12 for the brands after `ftyp` */
const MAGICS: readonly Magic[] = [
  { bytes: '\xff\xd8\xff', name: 'a JPEG image', readable: true },
  { bytes: '\x89PNG\r\n\x1a\n', name: 'a PNG image', readable: true },
  { bytes: 'GIF87a', name: 'a GIF image', readable: true },
  { bytes: 'GIF89a', name: 'a GIF image', readable: true },
  { bytes: 'WEBP', offset: 8, name: 'a WebP image', readable: true },
  { bytes: 'II*\0\x10\0\0\0CR', name: 'a Canon raw photo', readable: false },
  { bytes: 'II*\0', name: 'a TIFF image', readable: true },
  { bytes: 'MM\0*', name: 'a TIFF image', readable: true },
  { bytes: 'II+\0', name: 'a TIFF image', readable: true },
  { bytes: 'MM\0+', name: 'a TIFF image', readable: true },
  { bytes: 'ftypavif', offset: 4, name: 'an AVIF image', readable: true },
  { bytes: 'ftypavis', offset: 4, name: 'an AVIF image', readable: true },
  { bytes: 'ftypmif1', offset: 4, name: 'a HEIF image', readable: true },
  { bytes: 'ftyphei', offset: 4, name: 'a HEIC photo', readable: false },
  { bytes: 'ftyphev', offset: 4, name: 'a HEIC photo', readable: false },
  { bytes: 'ftypcrx', offset: 4, name: 'a Canon raw photo', readable: false },
  { bytes: 'ftyp', offset: 4, name: 'an MP4 or QuickTime film', readable: false },
  { bytes: 'BM', name: 'a BMP image', readable: false },
  { bytes: '\0\0\0\x0cjP', name: 'a JPEG 2000 image', readable: false },
  { bytes: '\0\0\0\x0cJXL', name: 'a JPEG XL image', readable: false },
  { bytes: '\xff\x0a', name: 'a JPEG XL image', readable: false },
  { bytes: '8BPS', name: 'a Photoshop document', readable: false },
  { bytes: '\0\0\x01\0', name: 'a Windows icon', readable: false },
  { bytes: '%PDF-', name: 'a PDF document', readable: false },
  { bytes: 'PK\x03\x04', name: 'a ZIP archive', readable: false },
  { bytes: '\x1f\x8b', name: 'a gzip file', readable: false },
  { bytes: '\x1aE\xdf\xa3', name: 'a Matroska or WebM film', readable: false },
  { bytes: 'RIFF', name: 'a RIFF film or sound', readable: false },
  { bytes: '\x7fELF', name: 'a program', readable: false },
  { bytes: 'version https://git-lfs', name: 'a Git LFS pointer', readable: false },
];

/** Says what a file is by its first {@link MAGIC_BYTES} bytes, never by its name. */
function imageTypeOf(start: Uint8Array): ImageType {
  if (start.length === 0) return { name: 'an empty file', readable: false };
  const head = Buffer.from(start.buffer, start.byteOffset, Math.min(start.length, MAGIC_BYTES));
  const text = head.toString('latin1');
  const magic = MAGICS.find(({ bytes, offset = 0 }) => text.startsWith(bytes, offset));
  if (magic) return { name: magic.name, readable: magic.readable };
  return { name: markupOf(text) ?? plainOf(head), readable: false };
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
  const allZero = head.every((byte) => byte === 0);
  if (allZero) return 'a file of zero bytes';
  const control = head.some((byte) => byte < 9 || (byte > 13 && byte < 32));
  return control ? 'a file of unknown type' : 'a text file';
}

/** What photos that are being decoded may hold together. */
export interface DecodingMemory {
  readonly budget: ByteBudget;
  /** Refuse a photo that needs more than the whole budget; it is decoded alone otherwise. */
  readonly strict: boolean;
}

/** Of a file that is decoded row by row: lines of the decoder and of the shrinking behind it, per pixel of width. */
const ROW_BYTES = 8192;
/** Above this a file is not read before it is its turn. */
const LARGE_FILE_BYTES = 16 * 1024 * 1024;

/** The parts of the header that tell what decoding costs. */
export type DecodingHeader = Pick<Metadata, 'format' | 'width' | 'height' | 'isProgressive'>;

/**
 * Bytes that decoding takes at its peak, file included; that twice, since the one before it may wait for its garbage collection. A
 * JPEG and a PNG are read row by row unless they are progressive; the
 * other kinds are decoded whole, AVIF through several copies. Measured with libvips 8.18 on images of 12 to 80 megapixels and
 * rounded up; a JPEG with full colour planes is taken for granted.
 */
export function decodingBytes(header: DecodingHeader, fileBytes: number): number {
  const { format, width, height, isProgressive } = header;
  const perPixel = isProgressive ? 6 : PIXEL_BYTES[format ?? ''];
  const pixels = perPixel === undefined ? width * ROW_BYTES : width * height * perPixel;
  return 2 * fileBytes + pixels;
}

const PIXEL_BYTES: Readonly<Record<string, number>> = { gif: 8, webp: 4, heif: 20 };

/** A photo as far as its memory goes. */
interface WeighedPhoto {
  readonly path: string;
  readonly header: DecodingHeader;
  readonly fileBytes: number;
  /** Of pixels that stay until `work` is over. */
  readonly keptBytes?: number;
}

/**
 * Runs `work`, which decodes one photo, when there is room for it.
 * @throws VgrError IMAGE_TOO_LARGE where the photo alone needs more than may be held
 */
export function decodeWithin<Result>(
  memory: DecodingMemory | undefined,
  { path, header, fileBytes, keptBytes = 0 }: WeighedPhoto,
  work: () => Promise<Result>,
): Promise<Result> {
  if (!memory) return work();
  const bytes = decodingBytes(header, fileBytes) + keptBytes;
  if (memory.strict && bytes > memory.budget.total) {
    throw tooLarge(path, `${mib(bytes)} to decode it`, memory);
  }
  return memory.budget.hold(bytes, work);
}

/**
 * Runs `work`, which reads a file and decodes it. A large file waits until nothing else is being decoded: its bytes are in memory
 * before its header is known.
 */
export async function readWithin<Result>(
  memory: DecodingMemory | undefined,
  path: string,
  work: (memory: DecodingMemory | undefined) => Promise<Result>,
): Promise<Result> {
  if (!memory || !(await isLarge(path))) return work(memory);
  const { budget, strict } = memory;
  // Inside the hold the whole budget is free again.
  const alone = { budget: new ByteBudget(budget.total), strict };
  return budget.hold(budget.total, () => work(alone));
}

/** A file that cannot be looked at is none: who opens it says why. */
async function isLarge(path: string): Promise<boolean> {
  const there = await stat(path).catch(() => undefined);
  return there !== undefined && there.size > LARGE_FILE_BYTES;
}

function tooLarge(path: string, needs: string, { budget }: DecodingMemory): VgrError {
  return new VgrError(
    'IMAGE_TOO_LARGE',
    `${quoted(path)}: expected at most ${mib(budget.total)} for decoding, which \`--max-memory\` leaves; got ${needs}`,
    { hint: 'raise `--max-memory`, or leave it out, and run again with `--retry-failed`' },
  );
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
