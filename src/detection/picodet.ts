import { classesOf } from '../formats/detector-labels.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { ImageSize } from '../geometry/box.js';
import { rasterSize } from '../geometry/letterbox.js';
import { boxAround } from './distance-distribution.js';
import {
  CardMismatch,
  type DecodedPhoto,
  type DecodeOptions,
  type DetectorFamily,
} from './family.js';
import { gridLevels } from './grid.js';
import { columnFor, headOfPhoto, headsFor, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal, proposeCell } from './proposal.js';
import type { NamedTensors } from './tensor.js';

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
