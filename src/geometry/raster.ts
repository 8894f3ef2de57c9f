import type { ImageSize } from './box.js';

/** Interleaved 8-bit sRGB pixels, row-major: `data[(y * width + x) * 3 + channel]`. `data.length === width * height * 3`. */
export interface RgbRaster extends ImageSize {
  readonly data: Uint8Array;
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

/** The raster a detector asks for, pixels; with `shorter-side` and `longer-side` the limits of it. */
export interface RasterSpec extends ImageSize {
  readonly fit: FitMode;
  /** Grey level of the border, 0..255; only where there is one. */
  readonly fill: number;
  /** What the sides of a raster are multiples of, with `longer-side`; 1 where absent. */
  readonly multiple?: number | undefined;
}
