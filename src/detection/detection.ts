import type { BoxXyxy } from '../geometry/box.js';
import type { RgbRaster } from '../geometry/raster.js';

/** One box that a detector proposes. */
export interface Detection {
  /** Absolute pixels of the upright photo, inside its borders. */
  readonly boxXyxy: BoxXyxy;
  /** Confidence of the detector, 0..1. */
  readonly score: number;
  readonly label: string;
  /** The detector's category id; for COCO models COCO's own (1..90, with gaps). */
  readonly categoryId: number;
}

/** What the detector saw in one photo. Detections are sorted by falling score. */
export interface DetectedRaster {
  readonly detections: readonly Detection[];
  /** The pixels the model was given, handed back for the colour columns. */
  readonly raster: RgbRaster;
}
