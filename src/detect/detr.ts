import { sigmoid } from '../core/math.js';
import { classesOf } from '../formats/model-card.js';
import { headFor, roleMismatch, unitBoxAt } from './heads.js';
import { closedFamily, proposeRows } from './proposal.js';

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
      const sides = boxes.ofPhoto(index);
      const ofPhoto = logits.ofPhoto(index);
      const values = softmax ? bestOfSoftmax(ofPhoto, length) : ofPhoto.map(sigmoid);
      return proposeRows({ values, length, first: 0, classes }, minScore, (query) =>
        unitBoxAt(sides, query * 4, raster),
      );
    };
  },
});

/** For each query the softmax of the best class that is an object; all others are zero. */
function bestOfSoftmax(logits: Float32Array, length: number): Float32Array {
  const scores = new Float32Array(logits.length);
  for (let at = 0; at < logits.length; at += length) {
    const ofQuery = logits.subarray(at, at + length);
    const highest = ofQuery.reduce((a, b) => Math.max(a, b));
    const total = ofQuery.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
    const best = ofQuery
      .subarray(0, -1)
      .reduce((top, logit, index) => (logit > ofQuery[top]! ? index : top), 0);
    scores[at + best] = Math.exp(ofQuery[best]! - highest) / total;
  }
  return scores;
}
