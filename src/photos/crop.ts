import { type BoxXyxy, clipXyxy, type ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import {
  decodePixels,
  decoderOf,
  fromPixels,
  type OpenPhotoOptions,
  type PixelSource,
  pixelBytes,
  withPhoto,
} from './decode.js';

/** The raster that a crop is brought to. */
export interface CropSpec extends ImageSize {
  /** As of photos; `cover`: scaled until both sides are filled, and cut at the centre. */
  readonly fit: 'stretch' | 'letterbox' | 'letterbox-centre' | 'cover';
  /** Grey level of the border, 0..255. */
  readonly fill: number;
}

/** Largest photo that crops are cut from, pixels: a larger one is shrunk first, so that memory stays bounded. */
const MAX_PIXELS = 16_000_000;

/** Catmull-Rom, which Pillow calls bicubic: crops are mostly enlarged, and encoders are trained with it. */
const KERNEL = 'cubic';

const FITS = {
  stretch: 'fill',
  letterbox: 'contain',
  'letterbox-centre': 'contain',
  cover: 'cover',
} as const;

/**
 * Cuts boxes out of a photo, upright and in sRGB, after shrinking it to 16 megapixels.
 * @param boxes pixels of the upright photo; parts outside it are left out, and at least one pixel remains
 * @returns one raster a box, each with a buffer of its own
 * @throws VgrError as `openPhoto`
 */
export function cropPhoto(
  path: string,
  boxes: readonly BoxXyxy[],
  spec: CropSpec,
  options: OpenPhotoOptions = {},
): Promise<RgbRaster[]> {
  return withPhoto(
    path,
    options,
    async (photo) => {
      const { size } = photo;
      const pixels = await decodePixels(photo, shrunkSize(size));
      const source = fromPixels(pixels);
      return Promise.all(boxes.map((box) => crop(source, scaledBox(box, size, pixels), spec)));
    },
    (size) => pixelBytes(shrunkSize(size) ?? size),
  );
}

/** The size to which a photo is shrunk for 16 megapixels; undefined if it is smaller. */
function shrunkSize({ width, height }: ImageSize): ImageSize | undefined {
  const shrink = Math.sqrt(MAX_PIXELS / (width * height));
  if (shrink >= 1) return undefined;
  const side = (length: number) => Math.max(1, Math.floor(length * shrink));
  return { width: side(width), height: side(height) };
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
  source: PixelSource,
  { x1, y1, x2, y2 }: BoxXyxy,
  spec: CropSpec,
): Promise<RgbRaster> {
  const cut = await source()
    .extract({ left: x1, top: y1, width: x2 - x1, height: y2 - y1 })
    .resize(spec.width, spec.height, {
      fit: FITS[spec.fit],
      position: spec.fit === 'letterbox' ? 'left top' : 'centre',
      background: { r: spec.fill, g: spec.fill, b: spec.fill },
      kernel: KERNEL,
    })
    .raw()
    .toBuffer();
  // sharp's own buffer is a slice of a pool and cannot be moved to another thread.
  return { width: spec.width, height: spec.height, data: new Uint8Array(cut) };
}

/** A small upright copy of a photo as a JPEG data URL, and the size of the whole photo. */
export interface Thumbnail {
  readonly dataUrl: string;
  readonly size: ImageSize;
}

/**
 * @param longSide of the copy, pixels; a smaller photo keeps its size
 * @throws VgrError as `openPhoto`
 */
export function photoThumbnail(path: string, longSide: number): Promise<Thumbnail> {
  // A page goes without a picture sooner than it waits for storage.
  return withPhoto(path, { pausesMs: [] }, async (photo) => {
    const jpeg = await decoderOf(photo)
      .autoOrient()
      .resize(longSide, longSide, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#fff' })
      .jpeg({ quality: 72, mozjpeg: true })
      .toBuffer();
    return { dataUrl: `data:image/jpeg;base64,${jpeg.toString('base64')}`, size: photo.size };
  });
}
