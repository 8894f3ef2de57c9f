import type { DetectorCard } from '../formats/model-card.js';
import type { ImageSize } from '../geometry/box.js';
import type { RgbRaster } from '../geometry/raster.js';
import type { Detection } from './detection.js';
import type { NamedTensors } from './tensor.js';

/** Which boxes of a photo are wanted. */
export interface DecodeOptions {
  /** Lowest score that counts, 0..1. */
  readonly minScore: number;
  /** Most boxes for one photo, at least 1. */
  readonly maxDetections: number;
  /** In place of the card's `nmsIou`, 0..1. */
  readonly nmsIou?: number;
  /** Names of the labels that are wanted; all where absent. */
  readonly classes?: readonly string[];
}

/** What a detector says of one photo. */
export interface DecodedPhoto {
  /** By falling score; equal scores by rising class index, then in the heads' own order. */
  readonly detections: readonly Detection[];
}

/** A raster or an output of a graph that is not what the model's card says. */
export class CardMismatch extends RangeError {
  override readonly name = 'CardMismatch';
}

/**
 * How detectors of one architecture are fed and read. Pure; rasters, photos and results correspond by index.
 * Errors thrown: {@link CardMismatch} where rasters or tensors are not what the card says.
 */
export interface DetectorFamily {
  /** The graph's inputs for a batch of rasters of one size, as the card tells it. Rasters may be shared with the tensors. */
  pack(rasters: readonly RgbRaster[], card: DetectorCard): NamedTensors;
  /** The outputs to fetch. */
  outputNames(card: DetectorCard): string[];
  /** @param images sizes of the upright photos from which the rasters were made, at least one; the rasters are of one size */
  decode(
    outputs: NamedTensors,
    images: readonly ImageSize[],
    card: DetectorCard,
    options: DecodeOptions,
  ): DecodedPhoto[];
}
