import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Metadata, Sharp } from 'sharp';
import sharp from 'sharp';
import type { BoxXyxy, ImageSize } from '../core/box.js';
import { codeOf, printable, quoted, VgrError } from '../core/error.js';
import type { Patience } from '../core/files.js';
import {
  contentXyxy,
  type Kernel,
  plainRaster,
  type RasterSpec,
  type RgbRaster,
  rasterSize,
} from '../core/raster.js';
import type { Semaphore } from '../core/semaphore.js';
import { asDecoderTakes, OF_MACHINE, refusedByDecoder, refuseOtherType } from './file-type.js';
import { type EndedJpeg, endedJpegs, scansOf } from './jpeg.js';
import { hasForeignBands } from './tiff.js';

/** 100 megapixels: above every camera in common use, below what fills the memory of a small machine. */
export const DEFAULT_MAX_PIXELS = 100_000_000;

/** Far above what photos take: 100 megapixels of noise as a progressive JPEG take 5 s of a core. Seconds. */
const DEFAULT_LIMIT_S = 60;

/** Larger files are no photos; files are read whole. */
const MAX_FILE_BYTES = 1024 ** 3;

/**
 * A progressive JPEG comes in several scans over all pixels, ten or so; a hostile one comes in thousands, each of a few bytes. So
 * many scans of the largest photo are decoded, or more of a smaller one.
 */
const MAX_SCANS = 64;

/** The cheapest of the kernels that do not alias, and nearest to what COCO detectors are trained on. */
const KERNEL: Kernel = 'linear';

/** Background of transparent parts. Cut-out photos are made for white paper. */
const BACKDROP = { r: 255, g: 255, b: 255 };

const CHANNELS = 3;

export interface OpenPhotoOptions extends Patience {
  /** Most pixels that the file may declare; default {@link DEFAULT_MAX_PIXELS}. */
  readonly maxPixels?: number;
  /** Longest time for decoding, seconds; default {@link DEFAULT_LIMIT_S}. */
  readonly limitS?: number;
  /** Limit for all photos that are being decoded; none where absent. */
  readonly memory?: DecodingMemory;
}

/** Flags of commands that decode photos. */
export interface PhotoFlags {
  readonly 'max-pixels': number;
  readonly 'decode-timeout'?: number;
}

/** What the flags say. */
export function photoLimits(flags: PhotoFlags): Pick<OpenPhotoOptions, 'maxPixels' | 'limitS'> {
  return { maxPixels: flags['max-pixels'], limitS: flags['decode-timeout'] };
}

export interface DecodedPhoto {
  /** Of the upright photo: the camera's orientation is applied first. Pixels. */
  readonly size: ImageSize;
  /** Of the requested size. Its `data` owns the whole buffer, so that it can be moved to another thread. */
  readonly raster: RgbRaster;
  /** The photo's rectangle inside the raster, raster pixels. */
  readonly contentXyxy: BoxXyxy;
  /** Size of the file, bytes. */
  readonly bytes: number;
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
export async function openPhoto(
  path: string,
  spec: RasterSpec,
  options: OpenPhotoOptions = {},
): Promise<DecodedPhoto> {
  return (await openPhotoFor(path, [spec], options))[0]!;
}

/**
 * The same for several detectors, which take rasters of other sizes: the file is decoded once. The rasters are parallel to `specs`.
 * A photo of up to {@link SPARE} times the largest raster gives each detector the pixels that it would get alone, but for WebP,
 * which its own decoder shrinks; a larger one is shrunk in two steps.
 * @throws VgrError as {@link withPhoto}
 */
export function openPhotoFor(
  path: string,
  specs: readonly RasterSpec[],
  options: OpenPhotoOptions = {},
): Promise<readonly DecodedPhoto[]> {
  return withPhoto(
    path,
    options,
    async (photo) => {
      const { size } = photo;
      const source =
        specs.length === 1
          ? fromFile(photo)
          : fromPixels(await decodePixels(photo, sharedSize(size, specs)));
      const sha256 = createHash('sha256').update(photo.file).digest('hex');
      const bytes = photo.file.length;
      const photos: DecodedPhoto[] = [];
      for (const spec of specs) {
        const content = contentXyxy(size, spec);
        const raster = rasterSize(size, spec);
        const data = await decodeInto({ ...spec, ...raster }, content, source);
        photos.push({ size, raster: { ...raster, data }, contentXyxy: content, bytes, sha256 });
      }
      return photos;
    },
    specs.length === 1 ? undefined : (size) => pixelBytes(sharedSize(size, specs)),
  );
}

/** How much larger than the largest raster the pixels are that several are made of: shrinking further in one step costs little. */
const SPARE = 2;

/** Size of the pixels from which the rasters of several detectors are made. */
function sharedSize(photo: ImageSize, specs: readonly RasterSpec[]): ImageSize {
  const sides = specs.map((spec) => contentXyxy(photo, spec));
  const most = (side: (box: BoxXyxy) => number) => SPARE * Math.max(...sides.map(side));
  return {
    width: Math.min(
      photo.width,
      most(({ x1, x2 }) => x2 - x1),
    ),
    height: Math.min(
      photo.height,
      most(({ y1, y2 }) => y2 - y1),
    ),
  };
}

/** Memory that {@link Pixels} of a size take, bytes. */
export const pixelBytes = ({ width, height }: ImageSize): number => width * height * CHANNELS;

/** A photo of one grey level, 0..255, in the raster of a detector. */
export function plainPhoto({ width, height }: ImageSize, level: number): DecodedPhoto {
  const size = { width, height };
  const contentXyxy = { x1: 0, y1: 0, x2: width, y2: height };
  return { size, raster: plainRaster(size, level), contentXyxy, bytes: 0, sha256: '' };
}

/** A photo before it is decoded. */
export interface PhotoFile {
  readonly file: Buffer;
  /** What is decoded: the file, or a copy of it that the decoder takes. */
  readonly bytes: Buffer;
  /** Of the upright photo, pixels. */
  readonly size: ImageSize;
  /** Whether parts of it may be transparent. */
  readonly hasAlpha: boolean;
  /** Longest time for decoding, seconds. */
  readonly limitS: number;
}

/** The decoder of a photo, within its limits of pixels and time. Every photo is decoded by it. */
export function decoderOf(
  { bytes, size: { width, height }, limitS }: Pick<PhotoFile, 'bytes' | 'size' | 'limitS'>,
  failOn: 'error' | 'warning' = 'error',
): Sharp {
  return sharp(bytes, { failOn, limitInputPixels: width * height }).timeout({ seconds: limitS });
}

/**
 * Reads the file of a photo and its header, and runs `decode` when there is memory for it. A large file is read when nothing else
 * is being decoded, since its bytes are in memory before its header is known.
 * @param keptBytes bytes of pixels that stay in memory until `decode` ends, in addition to the decoder's
 * @throws VgrError IMAGE_MISSING, IMAGE_UNSUPPORTED (no photo, or of another type), IMAGE_TOO_LARGE, IMAGE_UNREADABLE (damaged,
 * truncated, not permitted); the reason of the aborted signal. Of what is no property of the photo, after a few seconds:
 * IMAGES_UNAVAILABLE (its storage is gone, no file handles are left), MEMORY_SPENT
 */
export async function withPhoto<Result>(
  path: string,
  options: OpenPhotoOptions,
  decode: (photo: PhotoFile) => Promise<Result>,
  keptBytes: (size: ImageSize) => number = () => 0,
): Promise<Result> {
  const read = () => readPhoto(path, options, decode, keptBytes);
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof VgrError && codeOf(thrown) === '') throw thrown;
    const { readAgain } = await import('./storage.js');
    return readAgain(path, thrown, read, options);
  }
}

async function readPhoto<Result>(
  path: string,
  { maxPixels = DEFAULT_MAX_PIXELS, limitS = DEFAULT_LIMIT_S, signal, memory }: OpenPhotoOptions,
  decode: (photo: PhotoFile) => Promise<Result>,
  keptBytes: (size: ImageSize) => number,
): Promise<Result> {
  const work = async (isAlone: boolean): Promise<Result> => {
    const file = await readPhotoFile(path, signal);
    const bytes = asDecoderTakes(file);
    try {
      const header = await sharp(bytes, { limitInputPixels: false }).metadata();
      const { width, height } = header.autoOrient;
      refuseManyPixels(path, bytes, header, maxPixels);
      signal?.throwIfAborted();
      const size = { width, height };
      const isPlain = !(header.format === 'tiff' && hasForeignBands(bytes));
      const hasAlpha = isPlain && (header.hasAlpha ?? false);
      const photo: PhotoFile = { file, bytes, size, hasAlpha, limitS };
      const inTime = <T>(work: Promise<T>) => refuseLate(path, limitS, work);
      const decoded = async () =>
        decodeToTheEnd(isPlain ? photo : await inTime(withoutForeignBands(photo)), (each) =>
          inTime(decode(each)),
        );
      if (!memory) return await decoded();
      const copied = isPlain ? 0 : 2 * pixelBytes(size);
      const needed = decodingBytes(header, bytes.length) + copied + keptBytes(size);
      const { total } = memory.budget;
      if (memory.strict && needed > total) {
        throw tooLarge(
          path,
          `at most ${mib(total)} for decoding, which \`--max-memory\` leaves; got ${mib(needed)} to decode it`,
          'raise `--max-memory`, or leave it out, and run again with `--retry-failed`',
        );
      }
      if (isAlone) return await decoded();
      return await memory.budget.run(decoded, { units: needed });
    } catch (thrown) {
      signal?.throwIfAborted();
      throw isOfPhoto(thrown) ? refusedByDecoder(path, file, thrown) : thrown;
    }
  };
  if (!memory) return work(false);
  // If there is no such file, opening it says so.
  const there = await stat(path).catch(() => undefined);
  if (!there || there.size <= LARGE_FILE_BYTES) return work(false);
  return memory.budget.run(() => work(true), { units: memory.budget.total });
}

/** @throws VgrError IMAGE_TOO_LARGE */
function refuseManyPixels(
  path: string,
  bytes: Buffer,
  { autoOrient: { width, height }, isProgressive }: Metadata,
  maxPixels: number,
): void {
  if (width * height > maxPixels) {
    const hint = `where the file is trusted, pass \`--max-pixels ${width * height}\``;
    throw tooLarge(path, `at most ${maxPixels} pixels, got ${width} x ${height}`, hint);
  }
  const scans = isProgressive ? scansOf(bytes) : 1;
  if (scans * width * height > MAX_SCANS * maxPixels) {
    throw tooLarge(
      path,
      `at most ${MAX_SCANS * maxPixels} pixels in all scans, got ${scans} scans of ${width} x ${height}`,
      'no camera writes such a file; save it as a plain JPEG',
    );
  }
}

/** @throws VgrError IMAGE_TOO_LARGE where the decoder was stopped at its limit of time */
async function refuseLate<T>(path: string, limitS: number, decoding: Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    return await decoding;
  } catch (thrown) {
    // The decoder's text alone may be about another photo.
    const isLate = performance.now() - start >= 1000 * limitS && isOfPhoto(thrown);
    if (!isLate || !/\btimeout: \d/.test((thrown as Error).message)) throw thrown;
    const hint = 'where the file is trusted, `--decode-timeout` allows more seconds';
    throw tooLarge(path, `to be decoded within ${limitS} s, got a part of it`, hint);
  }
}

/** Decodes a photo, and a JPEG that lacks nothing but the mark of its end. */
async function decodeToTheEnd<Result>(
  photo: PhotoFile,
  decode: (photo: PhotoFile) => Promise<Result>,
): Promise<Result> {
  try {
    return await decode(photo);
  } catch (thrown) {
    if (!isOfPhoto(thrown)) throw thrown;
    for (const rest of endedJpegs(photo.bytes)) {
      if (await hasAllPixels(rest, photo)) return decode({ ...photo, bytes: rest.ended });
    }
    throw thrown;
  }
}

/** The last rows of a JPEG that are decoded together are no more than these. */
const LAST_ROWS = 32;

/**
 * Whether a JPEG without its end mark has all of its pixels. Where bits are missing, the decoder reads zeros, and warns; what it warns
 * of in the last rows is not passed on. So these rows must not depend on what follows the file.
 */
async function hasAllPixels(
  { ended, followed }: EndedJpeg,
  { limitS }: Pick<PhotoFile, 'limitS'>,
): Promise<boolean> {
  const lastRows = async (bytes: Buffer, failOn: 'error' | 'warning'): Promise<Buffer> => {
    const { width, height } = await sharp(bytes).metadata();
    const rows = Math.min(height, LAST_ROWS);
    return decoderOf({ bytes, size: { width, height }, limitS }, failOn)
      .extract({ left: 0, top: height - rows, width, height: rows })
      .raw()
      .toBuffer();
  };
  try {
    const rows = await lastRows(ended, 'warning');
    for (const other of followed) {
      if (!rows.equals(await lastRows(other, 'error'))) return false;
    }
    return true;
  } catch (thrown) {
    if (isOfPhoto(thrown)) return false;
    throw thrown;
  }
}

/** The colours alone, before anything is scaled: the decoder would weigh them with the first band that is none. */
async function withoutForeignBands(photo: PhotoFile): Promise<PhotoFile> {
  const colours = await decoderOf(photo)
    .autoOrient()
    .removeAlpha()
    .toColourspace('srgb')
    .tiff({ compression: 'none' })
    .toBuffer();
  return { ...photo, bytes: colours };
}

/**
 * The bytes of a file that is an image of a supported type by its first bytes. Every file is checked here before it gets to the
 * decoding library.
 * @throws VgrError IMAGE_MISSING, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_UNREADABLE
 */
async function readPhotoFile(path: string, signal?: AbortSignal): Promise<Buffer> {
  let file: FileHandle | undefined;
  try {
    // What is opened is looked at, whatever takes its place. A pipe is not waited for.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const there = await file.stat();
    if (!there.isFile()) {
      const kind = there.isDirectory() ? 'a folder' : 'no regular file';
      const message = `${quoted(path)}: expected an image file, got ${kind}`;
      throw new VgrError('IMAGE_UNSUPPORTED', message);
    }
    if (there.size > MAX_FILE_BYTES) {
      throw tooLarge(path, `at most ${MAX_FILE_BYTES} bytes, got ${there.size}`);
    }
    const bytes = await file.readFile({ signal });
    refuseOtherType(path, bytes);
    return bytes;
  } catch (thrown) {
    signal?.throwIfAborted();
    throw thrown instanceof VgrError ? thrown : unreadable(path, thrown as NodeJS.ErrnoException);
  } finally {
    await file?.close();
  }
}

/** Opens an image that can still be resized, anew for each use. */
export type PixelSource = () => Sharp;

function fromFile(photo: PhotoFile): PixelSource {
  return () => {
    const image = decoderOf(photo).autoOrient();
    return photo.hasAlpha ? image.flatten({ background: BACKDROP }) : image;
  };
}

export function fromPixels({ data, width, height }: Pixels): PixelSource {
  return () => sharp(data, { raw: { width, height, channels: CHANNELS } });
}

/** Upright pixels in sRGB, row by row, {@link CHANNELS} bytes each. */
interface Pixels extends ImageSize {
  readonly data: Buffer;
}

/** Decodes a photo, stretched to `size` if given. */
export function decodePixels(photo: PhotoFile, size?: ImageSize): Promise<Pixels> {
  return pixelsOf(fromFile(photo), size);
}

async function pixelsOf(source: PixelSource, size?: ImageSize, kernel?: Kernel): Promise<Pixels> {
  const image = source();
  if (size) {
    // A model that names its kernel wants the pixels of its own processor, which decodes the whole photo.
    const fastShrinkOnLoad = kernel === undefined;
    const { width, height } = size;
    image.resize(width, height, { fit: 'fill', kernel: kernel ?? KERNEL, fastShrinkOnLoad });
  }
  const { data, info } = await image
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== CHANNELS || (size && data.length !== pixelBytes(size))) {
    throw new Error(`decoder gave ${width} x ${height} x ${channels}`);
  }
  return { data, width, height };
}

/** A raster with the photo in the rectangle `content`, and a border of one grey around it. */
async function decodeInto(
  { width, height, fill, kernel }: RasterSpec,
  { x1, y1, x2, y2 }: BoxXyxy,
  source: PixelSource,
): Promise<Uint8Array> {
  const { data } = await pixelsOf(source, { width: x2 - x1, height: y2 - y1 }, kernel);
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

/** Whether the decoder refuses the photo: it throws plain errors. System errors have a code. */
function isOfPhoto(thrown: unknown): boolean {
  const { name, message, code } = thrown as NodeJS.ErrnoException;
  return name === 'Error' && code === undefined && !OF_MACHINE.test(message);
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
