import { categoriesOf } from '../formats/model-card.js';
import { boxAround } from './distance-distribution.js';
import type { DetectorFamily } from './family.js';
import { gridLevels } from './grid.js';
import { headOfPhoto, headsFor, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal, proposeCell } from './proposal.js';

/** Bins of a distance distribution: 0 to 7 strides. */
const BINS = 8;

/**
 * PicoDet without post-processing in the graph: for each stride an output of the role `scores` [batch, cells, classes], 0..1,
 * and one of the role `distances` [batch, cells, 32], logits. A centre lies in the middle of its cell.
 * @see Yu et al., PP-PicoDet, arXiv 2111.00902
 */
export const picodet: DetectorFamily = {
  pack: packRasters,

  outputNames: (card) => [...outputsFor(card, 'scores'), ...outputsFor(card, 'distances')],

  decode(outputs, images, card, options) {
    const classes = categoriesOf(card).length;
    const scoreHeads = headsFor(outputs, card, 'scores', images.length, [null, classes]);
    const distanceHeads = headsFor(outputs, card, 'distances', images.length, [null, 4 * BINS]);
    const levels = gridLevels(card.input, card.decoding.strides).map((level, place) => ({
      ...level,
      scores: scoreHeads[place],
      distances: distanceHeads[place],
    }));
    return images.map((image, index) => {
      const proposals: Proposal[] = [];
      for (const { stride, rows, columns, scores, distances } of levels) {
        if (scores?.dims[1] !== rows * columns || distances?.dims[1] !== rows * columns) {
          throw new RangeError(
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
