import { cxcywhToXyxy } from '../core/box.js';
import { classesOf } from '../formats/model-card.js';
import { cellAt, cellCount, gridLevels } from './family.js';
import { cxcywhAt, headFor, headOfPhoto } from './heads.js';
import { closedFamily, proposeCells } from './proposal.js';

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
      const cells = { values, length, classes, scoresAt: BOX_VALUES, objectAt: 4 };
      return proposeCells(cells, minScore, (cell) => {
        const box = cxcywhAt(values, cell * length);
        if (inPixels) return cxcywhToXyxy(box);
        const { stride, x, y } = cellAt(levels, cell);
        return cxcywhToXyxy({
          cx: (box.cx + x) * stride,
          cy: (box.cy + y) * stride,
          width: Math.exp(box.width) * stride,
          height: Math.exp(box.height) * stride,
        });
      });
    };
  },
});
