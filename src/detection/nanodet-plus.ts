import { classesOf } from '../formats/detector-labels.js';
import { rasterSize } from '../geometry/letterbox.js';
import { boxAround } from './distance-distribution.js';
import type { DetectorFamily } from './family.js';
import { cellCount, gridLevels } from './grid.js';
import { headOfPhoto, headsFor, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal, proposeCell } from './proposal.js';

/** Bins of a distance distribution: 0 to 7 strides. */
const BINS = 8;

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
