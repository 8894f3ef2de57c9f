import { sigmoid } from '../core/math.js';
import { classesOf } from '../formats/model-card.js';
import { headFor, headOfPhoto, roleMismatch, unitBoxAt } from './heads.js';
import { closedFamily, proposeCells } from './proposal.js';

/**
 * Detection transformers: `logits` [batch, queries, classes] and `boxes` [batch, queries, 4], centre and size in units of the
 * input. With `sigmoid` each class has a score of its own (RT-DETR, D-FINE, RF-DETR, Deformable DETR); with `softmax` a last
 * class stands for no object, and a query has one label (DETR, YOLOS, Table Transformer).
 * @see Carion et al., End-to-End Object Detection with Transformers, arXiv 2005.12872
 * @see Zhao et al., DETRs Beat YOLOs on Real-time Object Detection, arXiv 2304.08069
 */
export const detr = closedFamily({
  roles: () => ['logits', 'boxes'],

  propose(outputs) {
    const { card, raster, minScore } = outputs;
    const classes = classesOf(card).length;
    const softmax = card.decoding.activation === 'softmax';
    const logits = headFor(outputs, 'logits', [null, null]);
    const [, queries, length] = logits.dims as [number, number, number];
    if (softmax ? length !== classes + 1 : length < classes) {
      const expected = `${classes}${softmax ? ' + 1' : ''} logits for ${classes} labels`;
      throw roleMismatch(outputs, 'logits', expected);
    }
    const boxes = headFor(outputs, 'boxes', [queries, 4]);
    return (index) => {
      const values = headOfPhoto(logits, index);
      const sides = headOfPhoto(boxes, index);
      const scores = softmax ? bestOfSoftmax(values, length) : values.map(sigmoid);
      return proposeCells({ values: scores, length, classes }, minScore, (query) =>
        unitBoxAt(sides, query * 4, raster),
      );
    };
  },
});

/** In each row of `length` the softmax of the best class that is an object; all others are zero. */
function bestOfSoftmax(logits: Float32Array, length: number): Float32Array {
  const scores = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += length) {
    const row = logits.subarray(start, start + length);
    const highest = row.reduce((a, b) => Math.max(a, b));
    const total = row.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
    const objects = row.subarray(0, length - 1);
    const best = objects.reduce((top, logit, at) => (logit > objects[top]! ? at : top), 0);
    scores[start + best] = Math.exp(row[best]! - highest) / total;
  }
  return scores;
}
