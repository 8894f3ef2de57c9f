import type { BoxXyxy } from '../core/box.js';
import { classesOf } from '../formats/model-card.js';
import { CardMismatch, cellAt, cellCount, gridLevels } from './family.js';
import { columnFor, headFor, headOfPhoto, headsFor, xyxyAt } from './heads.js';
import { type BatchOutputs, closedFamily, type Proposal, proposeCells } from './proposal.js';

/** Bins of a distance distribution: 0 to 7 strides. */
const BINS = 8;
/** Sides of a box, in the order of the logits: left, top, right, bottom. */
const SIDES = 4;

/**
 * PicoDet: for each stride an output of the role `scores` [batch, cells, classes], 0..1, and one of the role `distances`
 * [batch, cells, 32], logits. A centre lies in the middle of its cell. Exports with post-processing have one output of the
 * role `rows` [boxes, 6] instead: class, score, corners in raster pixels, as a `scale_factor` of ones makes them.
 * @see Yu et al., PP-PicoDet, arXiv 2111.00902
 */
export const picodet = closedFamily({
  roles: (card) => ('rows' in card.outputs ? ['rows'] : ['scores', 'distances']),

  propose(outputs) {
    const { card, raster, minScore } = outputs;
    if ('rows' in card.outputs) return proposeRows(outputs);
    const classes = classesOf(card).length;
    const scoreHeads = headsFor(outputs, 'scores', [null, classes]);
    const distanceHeads = headsFor(outputs, 'distances', [null, SIDES * BINS]);
    const levels = gridLevels(raster, card.decoding.strides).map((level, at) => {
      const [scores, distances] = [scoreHeads[at], distanceHeads[at]];
      const cells = level.rows * level.columns;
      if (scores?.dims[1] !== cells || distances?.dims[1] !== cells) {
        throw new CardMismatch(`${card.name}: expected ${cells} cells at stride ${level.stride}`);
      }
      return { ...level, scores, distances };
    });
    return (index) => {
      return levels.flatMap(({ stride, columns, scores, distances }) => {
        const values = headOfPhoto(scores, index);
        const logits = headOfPhoto(distances, index);
        return proposeCells({ values, length: classes, classes }, minScore, (cell) => {
          const centre = { x: (cell % columns) + 0.5, y: Math.floor(cell / columns) + 0.5 };
          return boxAround(centre, logits, cell * SIDES * BINS, stride);
        });
      });
    };
  },
});

/** Values of a row: class, score, corners. */
const ROW_VALUES = 6;

/** Rows of a photo without boxes hold a class of -1. One photo a run, since rows do not say whose they are. */
function proposeRows(outputs: BatchOutputs): () => Proposal[] {
  if (outputs.batch !== 1) {
    throw new CardMismatch(`${outputs.card.name}: expected one photo a run`);
  }
  const rows = columnFor(outputs, 'rows', null, ROW_VALUES).ofPhoto(0);
  const proposals: Proposal[] = [];
  for (let at = 0; at < rows.length; at += ROW_VALUES) {
    const score = rows[at + 1]!;
    if (!(score >= outputs.minScore)) continue;
    const boxXyxy = xyxyAt(rows, at + 2);
    proposals.push({ boxXyxy, score, classIndex: Math.round(rows[at]!) });
  }
  return () => proposals;
}

/**
 * NanoDet-Plus: one output `predictions` [batch, cells, classes + 32] with the scores, 0..1, then the logits of four distance
 * distributions. Cells of all strides follow each other; a centre lies at the top left corner of its cell.
 * @see https://github.com/RangiLyu/nanodet
 */
export const nanodetPlus = closedFamily({
  roles: () => ['predictions'],

  propose(outputs) {
    const { card, raster, minScore } = outputs;
    const classes = classesOf(card).length;
    const length = classes + SIDES * BINS;
    const levels = gridLevels(raster, card.decoding.strides);
    const head = headFor(outputs, 'predictions', [cellCount(levels), length]);
    return (index) => {
      const values = headOfPhoto(head, index);
      return proposeCells({ values, length, classes }, minScore, (cell) => {
        const { stride, ...centre } = cellAt(levels, cell);
        return boxAround(centre, values, cell * length + classes, stride);
      });
    };
  },
});

/**
 * The box around a centre, in strides, whose four distances are distributions over {@link BINS} whole strides: each distance is
 * the expectation of the softmax, times the stride.
 * @param logits of left, top, right and bottom, from `offset` on
 * @see Li et al., Generalized Focal Loss, arXiv 2006.04388
 */
export function boxAround(
  centre: { readonly x: number; readonly y: number },
  logits: Float32Array,
  offset: number,
  stride: number,
): BoxXyxy {
  const [cx, cy] = [centre.x * stride, centre.y * stride];
  const [left, top, right, bottom] = Array.from(
    { length: SIDES },
    (_, side) => expectedBin(logits, offset + side * BINS, BINS) * stride,
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
