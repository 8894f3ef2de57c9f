import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import sharp from 'sharp';
import { printable, quoted, VgrError } from '../formats/fault.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { contentXyxy, rasterSize } from '../geometry/letterbox.js';
import type { RasterSpec, RgbRaster } from '../geometry/raster.js';
import {
  type DecodingHeader,
  type DecodingMemory,
  decodeWithin,
  readWithin,
} from './decoding-memory.js';
import { imageTypeOf } from './image-type.js';

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
