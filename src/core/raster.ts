import type { BoxXyxy, ImageSize } from './box.js';

/** Interleaved 8-bit sRGB pixels, row-major: `data[(y * width + x) * 3 + channel]`. `data.length === width * height * 3`. */
export interface RgbRaster extends ImageSize {
  readonly data: Uint8Array;
}

/** A raster of one grey level, 0..255. */
export function plainRaster({ width, height }: ImageSize, level: number): RgbRaster {
  return { width, height, data: new Uint8Array(width * height * 3).fill(level) };
}

/**
 * How a photo is brought to the size that a model takes.
 * `stretch`: both sides to the model's size, the aspect ratio is lost.
 * `letterbox`: scaled by one factor to fit, placed at the top left, the rest is filled with `fill` (0..255).
 * `letterbox-centre`: the same, centred.
 * `shorter-side`: the raster is the photo scaled by one factor, so that its shorter side is `height`, or less where its longer
 * one would exceed `width`.
 * `longer-side`: the photo scaled down by one factor where a side of it exceeds `width` or `height`, never up; at the top left of
 * a raster whose sides are rounded up to multiples of `multiple`, the rest is filled with `fill`.
 */
export type FitMode = 'stretch' | 'letterbox' | 'letterbox-centre' | 'shorter-side' | 'longer-side';

/**
 * How pixels are weighed when a photo is scaled; the support is widened when it shrinks, as in Pillow. `linear`: a triangle, the
 * cheapest that does not alias; `cubic`: Catmull and Rom's, Pillow's bicubic.
 */
export const KERNELS = ['linear', 'cubic'] as const;
export type Kernel = (typeof KERNELS)[number];

/** The raster a detector asks for, pixels; with `shorter-side` and `longer-side` the limits of it. */
export interface RasterSpec extends ImageSize {
  readonly fit: FitMode;
  /** Grey level of the border, 0..255; only where there is one. */
  readonly fill: number;
  /** What the sides of a raster are multiples of, with `longer-side`; 1 where absent. */
  readonly multiple?: number;
  /** Where absent, the way that costs least: `linear`, of what the file's decoder has shrunk. */
  readonly kernel?: Kernel;
}

/** Whether the size of a raster depends on its photo, and the graph's sides are free. */
export function isFitOfPhoto(fit: FitMode | undefined): boolean {
  return fit === 'shorter-side' || fit === 'longer-side';
}

/** Size of the raster that a photo becomes. */
export function rasterSize(photo: ImageSize, spec: RasterSpec): ImageSize {
  if (spec.fit === 'longer-side') {
    const { width, height } = scaledInto(photo, spec, 1);
    const { multiple = 1 } = spec;
    return {
      width: Math.ceil(width / multiple) * multiple,
      height: Math.ceil(height / multiple) * multiple,
    };
  }
  if (spec.fit !== 'shorter-side') return { width: spec.width, height: spec.height };
  const shorter = Math.min(photo.width, photo.height);
  const longer = Math.max(photo.width, photo.height);
  // As the processor of Grounding DINO rounds: the bound is kept, the longer side is cut off.
  const bound = (spec.width * shorter) / longer;
  const factor = Math.min(spec.height, bound);
  const short = Math.max(1, spec.height > bound ? Math.round(bound) : spec.height);
  if (short === shorter && longer <= spec.width) return photo;
  const long = Math.max(1, Math.floor((factor * longer) / shorter));
  return photo.width <= photo.height
    ? { width: short, height: long }
    : { width: long, height: short };
}

/** The photo scaled by one factor, at most `largest`, so that both sides keep within the limits; at least 1 by 1. */
function scaledInto(photo: ImageSize, limits: ImageSize, largest: number): ImageSize {
  const scale = Math.min(largest, limits.width / photo.width, limits.height / photo.height);
  return {
    width: Math.max(1, Math.round(photo.width * scale)),
    height: Math.max(1, Math.round(photo.height * scale)),
  };
}

/**
 * The photo's rectangle inside the raster, whole raster pixels, at least 1 by 1. A photo of 640 by 480 letterboxed to
 * 512 by 512 fills `{x1: 0, y1: 0, x2: 512, y2: 384}`; centred, `{x1: 0, y1: 64, x2: 512, y2: 448}`.
 */
export function contentXyxy(photo: ImageSize, spec: RasterSpec): BoxXyxy {
  const { fit } = spec;
  const raster = rasterSize(photo, spec);
  const fills = fit === 'stretch' || fit === 'shorter-side';
  const { width, height } = fills
    ? raster
    : scaledInto(photo, spec, fit === 'longer-side' ? 1 : Number.POSITIVE_INFINITY);
  const centred = fit === 'letterbox-centre';
  const x1 = centred ? Math.floor((raster.width - width) / 2) : 0;
  const y1 = centred ? Math.floor((raster.height - height) / 2) : 0;
  return { x1, y1, x2: x1 + width, y2: y1 + height };
}

/** A box in raster pixels, converted to pixels of the photo. Not clipped: what lies in the border lies outside the photo. */
export function rasterToPhotoXyxy(box: BoxXyxy, photo: ImageSize, spec: RasterSpec): BoxXyxy {
  const content = contentXyxy(photo, spec);
  const sx = photo.width / (content.x2 - content.x1);
  const sy = photo.height / (content.y2 - content.y1);
  return {
    x1: (box.x1 - content.x1) * sx,
    y1: (box.y1 - content.y1) * sy,
    x2: (box.x2 - content.x1) * sx,
    y2: (box.y2 - content.y1) * sy,
  };
}
