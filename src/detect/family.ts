import type { BoxXyxy, ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import type { DetectorCard, ScoreCalibration } from '../formats/model-card.js';

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
  /**
   * @param images sizes of the upright photos from which the rasters were made, at least one; the rasters are of one size
   * @returns what is in each photo: by falling score; equal scores by rising class index, then in the heads' own order
   */
  decode(
    outputs: NamedTensors,
    images: readonly ImageSize[],
    card: DetectorCard,
    options: DecodeOptions,
  ): Detection[][];
}

/**
 * A dense row-major tensor as plain typed arrays, so that pure code and threads can hold it without the runtime. What a graph
 * takes or gives in half precision is float32 here.
 */
export interface Tensor {
  readonly type: 'float32' | 'uint8' | 'int32' | 'int64' | 'bool';
  readonly data: Float32Array | Uint8Array | Int32Array | BigInt64Array;
  readonly dims: readonly number[];
}

/** Tensors by the name of the graph's input or output. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

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

/**
 * Of detectors whose card tells none: the joint fit of NanoDet-Plus, PicoDet at two sizes and YOLOX-Nano, each counting alike,
 * over 190 photos that COCO annotates in full; docs/development/detectors.md tells how.
 */
const GENERAL: ScoreCalibration = { intercept: -0.4, score: 1.86, area: -0.07 };

/** What the scores of a detector are worth. */
export function calibrationOf({ decoding }: DetectorCard): ScoreCalibration {
  return decoding.calibration ?? GENERAL;
}

/** The cells of one head: `rows x columns` of `stride` input pixels each, row by row. */
export interface GridLevel {
  readonly stride: number;
  readonly rows: number;
  readonly columns: number;
  /** Number of cells in the levels before this one. */
  readonly start: number;
}

/** The levels over an input of this size; sides that a stride does not divide are rounded up. */
export function gridLevels({ width, height }: ImageSize, strides: readonly number[]): GridLevel[] {
  let start = 0;
  return strides.map((stride) => {
    const rows = Math.ceil(height / stride);
    const columns = Math.ceil(width / stride);
    const level = { stride, rows, columns, start };
    start += rows * columns;
    return level;
  });
}

/** Column, row and stride of a cell that is counted over all levels. */
export function cellAt(levels: readonly GridLevel[], cell: number) {
  const { stride, columns, start } = levels.findLast((level) => level.start <= cell)!;
  const inLevel = cell - start;
  return { stride, x: inLevel % columns, y: Math.floor(inLevel / columns) };
}

/** Cells of all levels together. */
export function cellCount(levels: readonly GridLevel[]): number {
  return levels.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
}
