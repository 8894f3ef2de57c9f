import type { BoxXyxy, ImageSize } from '../core/box.js';
import { rasterSize } from '../core/raster.js';
import { classesOf, type DetectorCard } from '../formats/model-card.js';
import {
  CardMismatch,
  cellCount,
  type DecodedPhoto,
  type DecodeOptions,
  type DetectorFamily,
  gridLevels,
  type NamedTensors,
} from './family.js';
import { columnFor, headOfPhoto, headsFor, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal, proposeCell } from './proposal.js';

/** Bins of a distance distribution: 0 to 7 strides. */
const BINS = 8;

/**
 * PicoDet: for each stride an output of the role `scores` [batch, cells, classes], 0..1, and one of the role `distances`
 * [batch, cells, 32], logits. A centre lies in the middle of its cell. Exports with post-processing have one output of the
 * role `rows` [boxes, 6] instead: class, score, corners in raster pixels, as a `scale_factor` of ones makes them.
 * @see Yu et al., PP-PicoDet, arXiv 2111.00902
 */
export const picodet: DetectorFamily = {
  pack: packRasters,

  outputNames: (card) =>
    (hasRows(card) ? ['rows'] : ['scores', 'distances']).flatMap((role) => outputsFor(card, role)),

  decode(outputs, images, card, options) {
    if (hasRows(card)) return decodeRows(outputs, images, card, options);
    const classes = classesOf(card).length;
    const scoreHeads = headsFor(outputs, card, 'scores', images.length, [null, classes]);
    const distanceHeads = headsFor(outputs, card, 'distances', images.length, [null, 4 * BINS]);
    const levels = gridLevels(rasterSize(images[0]!, card.input), card.decoding.strides).map(
      (level, place) => ({
        ...level,
        scores: scoreHeads[place],
        distances: distanceHeads[place],
      }),
    );
    return images.map((image, index) => {
      const proposals: Proposal[] = [];
      for (const { stride, rows, columns, scores, distances } of levels) {
        if (scores?.dims[1] !== rows * columns || distances?.dims[1] !== rows * columns) {
          throw new CardMismatch(
            `${card.name}: expected ${rows * columns} cells at stride ${stride}`,
          );
        }
        const values = headOfPhoto(scores, index);
        const logits = headOfPhoto(distances, index);
        for (let cell = 0; cell < rows * columns; cell++) {
          const offset = cell * classes;
          proposeCell(proposals, { values, offset, classes }, options.minScore, () => {
            const cx = ((cell % columns) + 0.5) * stride;
            const cy = (Math.floor(cell / columns) + 0.5) * stride;
            return boxAround(cx, cy, logits, cell * 4 * BINS, BINS, stride);
          });
        }
      }
      return { detections: finishProposals(proposals, image, card, options) };
    });
  },
};

/** Values of a row: class, score, corners. */
const ROW_VALUES = 6;

function hasRows(card: DetectorCard): boolean {
  return 'rows' in card.outputs;
}

/** Rows of a photo without boxes hold a class of -1. One photo a run, since rows do not say whose they are. */
function decodeRows(
  outputs: NamedTensors,
  images: readonly ImageSize[],
  card: DetectorCard,
  options: DecodeOptions,
): DecodedPhoto[] {
  if (images.length !== 1) throw new CardMismatch(`${card.name}: expected one photo a run`);
  const rows = columnFor(outputs, card, 'rows', 1, null, ROW_VALUES).ofPhoto(0);
  const proposals: Proposal[] = [];
  for (let at = 0; at < rows.length; at += ROW_VALUES) {
    const score = rows[at + 1]!;
    if (!(score >= options.minScore)) continue;
    const boxXyxy = {
      x1: rows[at + 2]!,
      y1: rows[at + 3]!,
      x2: rows[at + 4]!,
      y2: rows[at + 5]!,
    };
    proposals.push({ boxXyxy, score, classIndex: Math.round(rows[at]!) });
  }
  return images.map((image) => ({ detections: finishProposals(proposals, image, card, options) }));
}

/**
 * NanoDet-Plus: one output `predictions` [batch, cells, classes + 32] with the scores, 0..1, then the logits of four distance
 * distributions. Cells of all strides follow each other; a centre lies at the top left corner of its cell.
 * @see https://github.com/RangiLyu/nanodet
 */
export const nanodetPlus: DetectorFamily = {
  pack: packRasters,

  outputNames: (card) => [...outputsFor(card, 'predictions')],

  decode(outputs, images, card, options) {
    const classes = classesOf(card).length;
    const length = classes + 4 * BINS;
    const levels = gridLevels(rasterSize(images[0]!, card.input), card.decoding.strides);
    const cells = cellCount(levels);
    const [head] = headsFor(outputs, card, 'predictions', images.length, [cells, length]);
    return images.map((image, index) => {
      const values = headOfPhoto(head!, index);
      const proposals: Proposal[] = [];
      for (const { stride, columns, rows, start } of levels) {
        for (let cell = 0; cell < rows * columns; cell++) {
          const offset = (start + cell) * length;
          proposeCell(proposals, { values, offset, classes }, options.minScore, () => {
            const cx = (cell % columns) * stride;
            const cy = Math.floor(cell / columns) * stride;
            return boxAround(cx, cy, values, offset + classes, BINS, stride);
          });
        }
      }
      return { detections: finishProposals(proposals, image, card, options) };
    });
  },
};

/** Sides of a box, in the order of the logits: left, top, right, bottom. */
const SIDES = 4;

/**
 * The box around a centre whose four distances are distributions over `bins` whole strides: each distance is the
 * expectation of the softmax, times the stride.
 * @param logits 4 x `bins` values from `offset` on
 * @see Li et al., Generalized Focal Loss, arXiv 2006.04388
 */
export function boxAround(
  cx: number,
  cy: number,
  logits: Float32Array,
  offset: number,
  bins: number,
  stride: number,
): BoxXyxy {
  const [left, top, right, bottom] = Array.from(
    { length: SIDES },
    (_, side) => expectedBin(logits, offset + side * bins, bins) * stride,
  ) as [number, number, number, number];
  return { x1: cx - left, y1: cy - top, x2: cx + right, y2: cy + bottom };
}

/** The mean of 0 .. bins - 1 under the softmax of the logits. */
export function expectedBin(logits: Float32Array, offset: number, bins: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let bin = 0; bin < bins; bin++) highest = Math.max(highest, logits[offset + bin]!);
  let total = 0;
  let weighted = 0;
  for (let bin = 0; bin < bins; bin++) {
    const weight = Math.exp(logits[offset + bin]! - highest);
    total += weight;
    weighted += weight * bin;
  }
  return weighted / total;
}
