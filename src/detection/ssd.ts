import type { DetectorFamily } from './family.js';
import { decodeListed, type ListedForm, listedNames } from './listed-boxes.js';
import { packRasters } from './packing.js';

const FORM: ListedForm = { classes: 'classes', boxes: 'yxyx-unit' };

/**
 * Single-shot detectors with suppression inside the graph, as the TensorFlow Object Detection API exports them: `boxes`
 * [batch, boxes, 4] as y1, x1, y2, x2 in units of the input, `scores` and `classes` [batch, boxes], and optionally `count`
 * [batch]. The card's `boxes` and `firstClass` describe exports that differ.
 * @see Liu et al., SSD: Single Shot MultiBox Detector, arXiv 1512.02325
 */
export const ssd: DetectorFamily = {
  pack: packRasters,
  outputNames: (card) => listedNames(card, FORM),
  decode: (outputs, images, card, options) => decodeListed(outputs, images, card, options, FORM),
};
