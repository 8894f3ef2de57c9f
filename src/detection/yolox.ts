import { categoriesOf } from '../formats/model-card.js';
import { cxcywhToXyxy } from '../geometry/box.js';
import type { DetectorFamily } from './family.js';
import { cellCount, gridLevels } from './grid.js';
import { headOfPhoto, headsFor, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal, proposeCell } from './proposal.js';

/** Values before the class scores: centre x and y, logarithms of width and height, probability of any object. */
const BOX_VALUES = 5;

/**
 * YOLOX without decoding in the graph: one output `predictions` [batch, cells, 5 + classes]; centres are offsets in strides
 * from the cell's top left corner, sizes are logarithms of strides, the score is object times class.
 * @see Ge et al., YOLOX, arXiv 2107.08430
 */
export const yolox: DetectorFamily = {
  pack: packRasters,

  outputNames: (card) => [...outputsFor(card, 'predictions')],

  decode(outputs, images, card, options) {
    const classes = categoriesOf(card).length;
    const length = BOX_VALUES + classes;
    const levels = gridLevels(card.input, card.decoding.strides);
    const [head] = headsFor(outputs, card, 'predictions', images.length, [
      cellCount(levels),
      length,
    ]);
    return images.map((image, index) => {
      const values = headOfPhoto(head!, index);
      const proposals: Proposal[] = [];
      for (const { stride, rows, columns, start } of levels) {
        for (let cell = 0; cell < rows * columns; cell++) {
          const offset = (start + cell) * length;
          const scores = {
            values,
            offset: offset + BOX_VALUES,
            classes,
            factor: values[offset + 4]!,
          };
          // No class score is above 1.
          if (scores.factor < options.minScore) continue;
          proposeCell(proposals, scores, options.minScore, () =>
            cxcywhToXyxy({
              cx: (values[offset]! + (cell % columns)) * stride,
              cy: (values[offset + 1]! + Math.floor(cell / columns)) * stride,
              width: Math.exp(values[offset + 2]!) * stride,
              height: Math.exp(values[offset + 3]!) * stride,
            }),
          );
        }
      }
      return { detections: finishProposals(proposals, image, card, options) };
    });
  },
};
