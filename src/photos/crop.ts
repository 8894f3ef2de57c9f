import sharp from 'sharp';
import { type BoxXyxy, clipXyxy, type ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import {
  BACKDROP,
  DEFAULT_MAX_PIXELS,
  damaged,
  decodeWithin,
  measurePhoto,
  type OpenPhotoOptions,
  readPhotoFile,
  readWithin,
} from './decode.js';

/** The raster that a crop is brought to. */
export interface CropSpec extends ImageSize {
  /** As of photos; `cover`: scaled until both sides are filled, what sticks out is cut off. */
  readonly fit: 'stretch' | 'letterbox' | 'letterbox-centre' | 'cover';
  /** Grey level of the border, 0..255. */
  readonly fill: number;
}

/** Largest photo that crops are cut from, pixels: a larger one is shrunk first, so that memory stays bounded. */
const MAX_PIXELS = 16_000_000;

const CHANNELS = 3;

/** Catmull-Rom, in Pillow's words bicubic: crops are mostly enlarged, and encoders are trained with it. */
const KERNEL = 'cubic';

const FITS = {
  stretch: 'fill',
  letterbox: 'contain',
  'letterbox-centre': 'contain',
  cover: 'cover',
};

/**
 * Cuts boxes out of a photo, upright and in sRGB, from as many of its pixels as 16 megapixels hold.
 * @param boxes pixels of the upright photo; parts outside it are left out, and at least one pixel remains
 * @returns one raster a box, each with a buffer of its own
 * @throws VgrError as `openPhoto`
 */
export async function cropPhoto(
  path: string,
  boxes: readonly BoxXyxy[],
  spec: CropSpec,
  options: OpenPhotoOptions = {},
): Promise<RgbRaster[]> {
  return readWithin(options.memory, path, (memory) =>
    cropAdmitted(path, boxes, spec, { ...options, memory }),
  );
}

async function cropAdmitted(
  path: string,
  boxes: readonly BoxXyxy[],
  spec: CropSpec,
  { maxPixels = DEFAULT_MAX_PIXELS, signal, memory }: OpenPhotoOptions,
): Promise<RgbRaster[]> {
  const bytes = await readPhotoFile(path, signal);
  try {
    const { size, hasAlpha, header } = await measurePhoto(bytes, path, maxPixels);
    signal?.throwIfAborted();
    const { width, height } = wholeSize(size);
    const photo = { path, header, fileBytes: bytes.length, keptBytes: width * height * CHANNELS };
    return await decodeWithin(memory, photo, async () => {
      const whole = await decodeWhole(bytes, size, { hasAlpha, maxPixels });
      return Promise.all(boxes.map((box) => crop(whole, scaledBox(box, size, whole), spec)));
    });
  } catch (thrown) {
    signal?.throwIfAborted();
    throw damaged(path, thrown);
  }
}

/** The photo's own size, or what 16 megapixels hold of it. */
function wholeSize({ width, height }: ImageSize): ImageSize {
  const shrink = Math.sqrt(Math.min(1, MAX_PIXELS / (width * height)));
  if (shrink === 1) return { width, height };
  const side = (length: number) => Math.max(1, Math.floor(length * shrink));
  return { width: side(width), height: side(height) };
}

interface Pixels extends ImageSize {
  readonly data: Buffer;
}

async function decodeWhole(
  bytes: Buffer,
  size: ImageSize,
  { hasAlpha, maxPixels }: { readonly hasAlpha: boolean; readonly maxPixels: number },
): Promise<Pixels> {
  const image = sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels }).autoOrient();
  const { width, height } = wholeSize(size);
  if (width < size.width || height < size.height) {
    image.resize(width, height, { fit: 'fill', kernel: 'linear' });
  }
  if (hasAlpha) image.flatten({ background: BACKDROP });
  const { data, info } = await image
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== CHANNELS) {
    throw new Error(`decoder gave ${info.width} x ${info.height} x ${info.channels}`);
  }
  return { data, width: info.width, height: info.height };
}

/** Whole pixels of the decoded photo that hold the box. */
function scaledBox(box: BoxXyxy, photo: ImageSize, whole: ImageSize): BoxXyxy {
  const inside = clipXyxy(box, photo);
  const [sx, sy] = [whole.width / photo.width, whole.height / photo.height];
  const x1 = Math.min(Math.floor(inside.x1 * sx), whole.width - 1);
  const y1 = Math.min(Math.floor(inside.y1 * sy), whole.height - 1);
  return {
    x1,
    y1,
    x2: Math.max(Math.ceil(inside.x2 * sx), x1 + 1),
    y2: Math.max(Math.ceil(inside.y2 * sy), y1 + 1),
  };
}

async function crop(
  { data, width, height }: Pixels,
  { x1, y1, x2, y2 }: BoxXyxy,
  spec: CropSpec,
): Promise<RgbRaster> {
  const { data: cut } = await sharp(data, { raw: { width, height, channels: CHANNELS } })
    .extract({ left: x1, top: y1, width: x2 - x1, height: y2 - y1 })
    .resize(spec.width, spec.height, {
      fit: FITS[spec.fit] as 'fill' | 'contain' | 'cover',
      position: spec.fit === 'letterbox' ? 'left top' : 'centre',
      background: { r: spec.fill, g: spec.fill, b: spec.fill },
      kernel: KERNEL,
    })
    .raw()
    .toBuffer({ resolveWithObject: true });
  // sharp's own buffer is a slice of a pool and cannot be moved to another thread.
  const pixels = new Uint8Array(cut.length);
  pixels.set(cut);
  return { width: spec.width, height: spec.height, data: pixels };
}

/** A small upright copy of a photo as a JPEG data URL, and the size of the whole photo. */
export interface Thumbnail {
  readonly dataUrl: string;
  readonly size: ImageSize;
}

/**
 * @param longSide of the copy, pixels; a smaller photo keeps its size
 * @throws VgrError IMAGE_MISSING, IMAGE_UNSUPPORTED, IMAGE_UNREADABLE
 */
export async function photoThumbnail(path: string, longSide: number): Promise<Thumbnail> {
  const photo = sharp(await readPhotoFile(path), { limitInputPixels: DEFAULT_MAX_PIXELS });
  const { autoOrient } = await photo.metadata();
  const jpeg = await photo
    .autoOrient()
    .resize(longSide, longSide, { fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#fff' })
    .jpeg({ quality: 72, mozjpeg: true })
    .toBuffer();
  return {
    dataUrl: `data:image/jpeg;base64,${jpeg.toString('base64')}`,
    size: { width: autoOrient.width, height: autoOrient.height },
  };
}
