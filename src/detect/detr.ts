import { sigmoid } from '../core/math.js';
import { classesOf } from '../formats/model-card.js';
import { headFor, headOfPhoto, roleMismatch, unitBoxAt } from './heads.js';
import { closedFamily, type Proposal, proposeCell } from './proposal.js';

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
      const proposals: Proposal[] = [];
      const scores = new Float32Array(length);
      for (let query = 0; query < queries; query++) {
        const ofQuery = values.subarray(query * length, (query + 1) * length);
        if (softmax) bestOfSoftmax(ofQuery, scores);
        else for (let i = 0; i < length; i++) scores[i] = sigmoid(ofQuery[i]!);
        proposeCell(proposals, { values: scores, offset: 0, classes }, minScore, () =>
          unitBoxAt(sides, query * 4, raster),
        );
      }
      return proposals;
    };
  },
});

/** The softmax of the best class that is an object; all others are zero. */
function bestOfSoftmax(logits: Float32Array, scores: Float32Array): void {
  const objects = logits.length - 1;
  const highest = logits.reduce((a, b) => Math.max(a, b));
  let total = 0;
  let best = 0;
  for (let i = 0; i <= objects; i++) {
    total += Math.exp(logits[i]! - highest);
    if (i < objects && logits[i]! > logits[best]!) best = i;
  }
  scores.fill(0);
  scores[best] = Math.exp(logits[best]! - highest) / total;
}
