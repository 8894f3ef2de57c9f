import { cxcywhToXyxy, scaleXyxy } from '../core/box.js';
import { sigmoid } from '../core/math.js';
import { rasterSize } from '../core/raster.js';
import { classesOf } from '../formats/model-card.js';
import type { DetectorFamily } from './family.js';
import { cxcywhAt, headOfPhoto, headsFor, mismatch, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal, proposeCell } from './proposal.js';

/**
 * Detection transformers: `logits` [batch, queries, classes] and `boxes` [batch, queries, 4], centre and size in units of the
 * input. With `sigmoid` each class has a score of its own (RT-DETR, D-FINE, RF-DETR, Deformable DETR); with `softmax` a last
 * class stands for no object, and a query has one label (DETR, YOLOS, Table Transformer).
 * @see Carion et al., End-to-End Object Detection with Transformers, arXiv 2005.12872
 * @see Zhao et al., DETRs Beat YOLOs on Real-time Object Detection, arXiv 2304.08069
 */
export const detr: DetectorFamily = {
  pack: packRasters,

  outputNames: (card) => [...outputsFor(card, 'logits'), ...outputsFor(card, 'boxes')],

  decode(outputs, images, card, options) {
    const batch = images.length;
    const classes = classesOf(card).length;
    const softmax = card.decoding.activation === 'softmax';
    const [logits] = headsFor(outputs, card, 'logits', batch, [null, null]);
    const [, queries, length] = logits!.dims as [number, number, number];
    if (softmax ? length !== classes + 1 : length < classes) {
      const name = outputsFor(card, 'logits')[0]!;
      const expected = `${classes}${softmax ? ' + 1' : ''} logits for ${classes} labels`;
      throw mismatch(card, name, expected, outputs[name]);
    }
    const [boxes] = headsFor(outputs, card, 'boxes', batch, [queries, 4]);
    const { width, height } = rasterSize(images[0]!, card.input);
    return images.map((image, index) => {
      const values = headOfPhoto(logits!, index);
      const sides = headOfPhoto(boxes!, index);
      const proposals: Proposal[] = [];
      const scores = new Float32Array(length);
      for (let query = 0; query < queries; query++) {
        const of = values.subarray(query * length, (query + 1) * length);
        if (softmax) bestOfSoftmax(of, scores);
        else sigmoidOf(of, scores);
        proposeCell(proposals, { values: scores, offset: 0, classes }, options.minScore, () => {
          const box = cxcywhAt(sides, query * 4);
          return scaleXyxy(cxcywhToXyxy(box), width, height);
        });
      }
      return { detections: finishProposals(proposals, image, card, options) };
    });
  },
};

function sigmoidOf(logits: Float32Array, scores: Float32Array): void {
  for (let i = 0; i < logits.length; i++) scores[i] = sigmoid(logits[i]!);
}

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
