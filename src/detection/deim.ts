import type { DetectorFamily } from './family.js';
import { decodeListed, type ListedForm, listedNames } from './listed-boxes.js';
import { packRasters } from './packing.js';

const FORM: ListedForm = { classes: 'labels', boxes: 'xyxy-pixels' };

/**
 * Detection transformers exported with their post-processing, as the repositories of DEIM, D-FINE and RT-DETR do it: `labels`
 * [batch, boxes], `boxes` [batch, boxes, 4] as corners, `scores` [batch, boxes]. Corners are pixels of the size that goes in
 * as `orig_target_sizes`; it is given the raster's own size, so that they are raster pixels.
 * @see Huang et al., DEIM, arXiv 2412.04234; Peng et al., D-FINE, arXiv 2410.13842
 */
export const deim: DetectorFamily = {
  pack: packRasters,
  outputNames: (card) => listedNames(card, FORM),
  decode: (outputs, images, card, options) => decodeListed(outputs, images, card, options, FORM),
};
