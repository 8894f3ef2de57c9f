import { type BoxCxcywh, cxcywhToXyxy } from '../core/box.js';
import { rasterSize } from '../core/raster.js';
import { classesOf } from '../formats/model-card.js';
import { cellCount, type DetectorFamily, gridLevels } from './family.js';
import { cxcywhAt, headOfPhoto, headsFor, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal, proposeCell } from './proposal.js';

/** Values before the class scores: centre x and y, logarithms of width and height, probability of any object. */
const BOX_VALUES = 5;

/**
 * YOLOX: one output `predictions` [batch, cells, 5 + classes]; centres are offsets in strides from the cell's top left corner,
 * sizes are logarithms of strides, the score is object times class. Where the card says `cxcywh-pixels`, the graph has made
 * pixels of them itself (`--decode_in_inference`).
 * @see Ge et al., YOLOX, arXiv 2107.08430
 */
export const yolox: DetectorFamily = {
  pack: packRasters,

  outputNames: (card) => [...outputsFor(card, 'predictions')],

  decode(outputs, images, card, options) {
    const classes = classesOf(card).length;
    const length = BOX_VALUES + classes;
    const inPixels = card.decoding.boxes === 'cxcywh-pixels';
    const levels = gridLevels(rasterSize(images[0]!, card.input), card.decoding.strides);
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
          if (!(scores.factor >= options.minScore)) continue;
          proposeCell(proposals, scores, options.minScore, () =>
            cxcywhToXyxy(
              inPixels
                ? cxcywhAt(values, offset)
                : cellBox(values, offset, stride, cell % columns, Math.floor(cell / columns)),
            ),
          );
        }
      }
      return { detections: finishProposals(proposals, image, card, options) };
    });
  },
};

function cellBox(
  values: Float32Array,
  at: number,
  stride: number,
  column: number,
  row: number,
): BoxCxcywh {
  return {
    cx: (values[at]! + column) * stride,
    cy: (values[at + 1]! + row) * stride,
    width: Math.exp(values[at + 2]!) * stride,
    height: Math.exp(values[at + 3]!) * stride,
  };
}
