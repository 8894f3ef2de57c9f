import type { DetectorCard } from '../formats/model-card.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { rasterSize } from '../geometry/letterbox.js';
import type { DecodedPhoto, DecodeOptions } from './family.js';
import { columnFor, outputsFor } from './heads.js';
import { finishProposals, type Proposal } from './proposal.js';
import type { NamedTensors } from './tensor.js';

/** Which roles hold the parts of a list of finished boxes, and how its boxes lie unless the card says so. */
export interface ListedForm {
  /** Role of the class numbers. */
  readonly classes: 'labels' | 'classes';
  readonly boxes: 'xyxy-pixels' | 'xyxy-unit' | 'yxyx-unit';
}

/** Outputs to fetch for a list of boxes. */
export function listedNames(card: DetectorCard, { classes }: ListedForm): string[] {
  return ['boxes', 'scores', classes, ...('count' in card.outputs ? ['count'] : [])].flatMap(
    (role) => outputsFor(card, role),
  );
}

/**
 * Boxes that the graph has finished: `boxes` [batch, rows, 4], `scores` and class numbers [batch, rows], and optionally
 * `count` [batch], the rows of each photo that hold a box.
 */
export function decodeListed(
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
