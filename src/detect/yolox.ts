import { cxcywhToXyxy } from '../core/box.js';
import { classesOf } from '../formats/model-card.js';
import { cellCount, gridLevels } from './family.js';
import { cxcywhAt, headFor, headOfPhoto } from './heads.js';
import { closedFamily, type Proposal, proposeCell } from './proposal.js';

/** Values before the class scores: centre x and y, logarithms of width and height, probability of any object. */
const BOX_VALUES = 5;

/**
 * YOLOX: one output `predictions` [batch, cells, 5 + classes]; centres are offsets in strides from the cell's top left corner,
 * sizes are logarithms of strides, the score is object times class. Where the card says `cxcywh-pixels`, the graph has made
 * pixels of them itself (`--decode_in_inference`).
 * @see Ge et al., YOLOX, arXiv 2107.08430
 */
export const yolox = closedFamily({
  roles: () => ['predictions'],

  propose(outputs) {
    const { card, raster, minScore } = outputs;
    const classes = classesOf(card).length;
    const length = BOX_VALUES + classes;
    const inPixels = card.decoding.boxes === 'cxcywh-pixels';
    const levels = gridLevels(raster, card.decoding.strides);
    const head = headFor(outputs, 'predictions', [cellCount(levels), length]);
    return (index) => {
      const values = headOfPhoto(head, index);
      const proposals: Proposal[] = [];
      for (const { stride, rows, columns, start } of levels) {
        for (let cell = 0; cell < rows * columns; cell++) {
          const at = (start + cell) * length;
          const factor = values[at + 4]!;
          // No class score is above 1.
          if (!(factor >= minScore)) continue;
          proposeCell(
            proposals,
            { values, offset: at + BOX_VALUES, classes, factor },
            minScore,
            () => {
              const { cx, cy, width, height } = cxcywhAt(values, at);
              if (inPixels) return cxcywhToXyxy({ cx, cy, width, height });
              return cxcywhToXyxy({
                cx: (cx + (cell % columns)) * stride,
                cy: (cy + Math.floor(cell / columns)) * stride,
                width: Math.exp(width) * stride,
                height: Math.exp(height) * stride,
              });
            },
          );
        }
      }
      return proposals;
    };
  },
});
