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
 */
export type FitMode = 'stretch' | 'letterbox' | 'letterbox-centre' | 'shorter-side';

/** The raster a detector asks for, pixels; with `shorter-side` the limits of it. */
export interface RasterSpec extends ImageSize {
  readonly fit: FitMode;
  /** Grey level of the border, 0..255; only for the letterboxes. */
  readonly fill: number;
}
