import { cxcywhToXyxy } from '../core/box.js';
import { classesOf } from '../formats/model-card.js';
import { gridCells } from './family.js';
import { cxcywhAt, headFor } from './heads.js';
import { closedFamily, proposeRows } from './proposal.js';

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
    const cells = gridCells(raster, card.decoding.strides);
    const head = headFor(outputs, 'predictions', [cells.length, length]);
    return (index) => {
      const values = head.ofPhoto(index);
      const rows = { values, length, first: BOX_VALUES, classes, objectness: BOX_VALUES - 1 };
      return proposeRows(rows, minScore, (row) => {
        const { cx, cy, width, height } = cxcywhAt(values, row * length);
        if (inPixels) return cxcywhToXyxy({ cx, cy, width, height });
        const { stride, column, row: gridRow } = cells[row]!;
        return cxcywhToXyxy({
          cx: (cx + column) * stride,
          cy: (cy + gridRow) * stride,
          width: Math.exp(width) * stride,
          height: Math.exp(height) * stride,
        });
      });
    };
  },
});
