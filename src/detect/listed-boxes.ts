import type { BoxXyxy, ImageSize } from '../core/box.js';
import { rasterSize } from '../core/raster.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { DecodedPhoto, DecodeOptions, DetectorFamily, NamedTensors } from './family.js';
import { columnFor, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal } from './proposal.js';

/** Which roles hold the parts of a list of finished boxes, and how its boxes lie unless the card says so. */
export interface ListedForm {
  /** Role of the class numbers. */
  readonly classes: 'labels' | 'classes';
  readonly boxes: 'xyxy-pixels' | 'xyxy-unit' | 'yxyx-unit';
}

/** Outputs to fetch for a list of boxes. */
function listedNames(card: DetectorCard, { classes }: ListedForm): string[] {
  return ['boxes', 'scores', classes, ...('count' in card.outputs ? ['count'] : [])].flatMap(
    (role) => outputsFor(card, role),
  );
}

/**
 * Boxes that the graph has finished: `boxes` [batch, rows, 4], `scores` and class numbers [batch, rows], and optionally
 * `count` [batch], the rows of each photo that hold a box.
 */
function decodeListed(
  outputs: NamedTensors,
  images: readonly ImageSize[],
  card: DetectorCard,
  options: DecodeOptions,
  form: ListedForm,
): DecodedPhoto[] {
  const batch = images.length;
  const { firstClass = 0 } = card.decoding;
  const scores = columnFor(outputs, card, 'scores', batch, null);
  const rows = scores.length;
  const labels = columnFor(outputs, card, form.classes, batch, rows);
  const boxes = columnFor(outputs, card, 'boxes', batch, rows, 4);
  const counts = 'count' in card.outputs ? countsOf(outputs, card, batch) : undefined;
  const boxAt = BOX_READERS[layoutOf(card, form)];
  const raster = rasterSize(images[0]!, card.input);
  return images.map((image, index) => {
    const [ofScores, ofLabels, ofBoxes] = [scores, labels, boxes].map((column) =>
      column.ofPhoto(index),
    ) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>];
    const held = Math.min(rows, counts?.[index] ?? rows);
    const proposals: Proposal[] = [];
    for (let row = 0; row < held; row++) {
      const score = ofScores[row]!;
      if (!(score >= options.minScore)) continue;
      const classIndex = Math.round(ofLabels[row]!) - firstClass;
      proposals.push({ boxXyxy: boxAt(ofBoxes, row * 4, raster), score, classIndex });
    }
    return { detections: finishProposals(proposals, image, card, options) };
  });
}

function countsOf(outputs: NamedTensors, card: DetectorCard, batch: number): number[] {
  const column = columnFor(outputs, card, 'count', 1, batch);
  return Array.from(column.ofPhoto(0), (count) => Math.round(count));
}

function layoutOf(card: DetectorCard, form: ListedForm): ListedForm['boxes'] {
  const { boxes } = card.decoding;
  return boxes === 'xyxy-pixels' || boxes === 'xyxy-unit' || boxes === 'yxyx-unit'
    ? boxes
    : form.boxes;
}

type BoxReader = (values: ArrayLike<number>, at: number, input: ImageSize) => BoxXyxy;

const BOX_READERS: Readonly<Record<ListedForm['boxes'], BoxReader>> = {
  'xyxy-pixels': (values, at) => ({
    x1: values[at]!,
    y1: values[at + 1]!,
    x2: values[at + 2]!,
    y2: values[at + 3]!,
  }),
  'xyxy-unit': (values, at, { width, height }) => ({
    x1: values[at]! * width,
    y1: values[at + 1]! * height,
    x2: values[at + 2]! * width,
    y2: values[at + 3]! * height,
  }),
  'yxyx-unit': (values, at, { width, height }) => ({
    x1: values[at + 1]! * width,
    y1: values[at]! * height,
    x2: values[at + 3]! * width,
    y2: values[at + 2]! * height,
  }),
};

const SSD_FORM: ListedForm = { classes: 'classes', boxes: 'yxyx-unit' };

/**
 * Single-shot detectors with suppression inside the graph, as the TensorFlow Object Detection API exports them: `boxes`
 * [batch, boxes, 4] as y1, x1, y2, x2 in units of the input, `scores` and `classes` [batch, boxes], and optionally `count`
 * [batch]. The card's `boxes` and `firstClass` describe exports that differ.
 * @see Liu et al., SSD: Single Shot MultiBox Detector, arXiv 1512.02325
 */
export const ssd: DetectorFamily = {
  pack: packRasters,
  outputNames: (card) => listedNames(card, SSD_FORM),
  decode: (outputs, images, card, options) =>
    decodeListed(outputs, images, card, options, SSD_FORM),
};

const DEIM_FORM: ListedForm = { classes: 'labels', boxes: 'xyxy-pixels' };

/**
 * Detection transformers exported with their post-processing, as the repositories of DEIM, D-FINE and RT-DETR do it: `labels`
 * [batch, boxes], `boxes` [batch, boxes, 4] as corners, `scores` [batch, boxes]. Corners are pixels of the size that goes in
 * as `orig_target_sizes`; it is given the raster's own size, so that they are raster pixels.
 * @see Huang et al., DEIM, arXiv 2412.04234; Peng et al., D-FINE, arXiv 2410.13842
 */
export const deim: DetectorFamily = {
  pack: packRasters,
  outputNames: (card) => listedNames(card, DEIM_FORM),
  decode: (outputs, images, card, options) =>
    decodeListed(outputs, images, card, options, DEIM_FORM),
};
