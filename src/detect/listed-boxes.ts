import { type BoxXyxy, type ImageSize, scaleXyxy } from '../core/box.js';
import { CardMismatch } from './family.js';
import { columnFor, outputsFor, xyxyAt } from './heads.js';
import { type BatchOutputs, closedFamily, type Proposal } from './proposal.js';

/** How corners lie in a list of boxes: their order, and in which unit. */
type Layout = 'xyxy-pixels' | 'xyxy-unit' | 'yxyx-unit';

const BOX_READERS: Readonly<
  Record<Layout, (values: ArrayLike<number>, at: number, raster: ImageSize) => BoxXyxy>
> = {
  'xyxy-pixels': xyxyAt,
  'xyxy-unit': (values, at, { width, height }) => scaleXyxy(xyxyAt(values, at), width, height),
  'yxyx-unit': (values, at, { width, height }) => ({
    x1: values[at + 1]! * width,
    y1: values[at]! * height,
    x2: values[at + 3]! * width,
    y2: values[at + 2]! * height,
  }),
};

const ROW_VALUES = 7;

/**
 * Rows of seven numbers: [n, 7] number of the photo, corners, class, score (YOLOv7); [1, 1, n, 7] number of the photo, class, score,
 * corners (Caffe, OpenVINO), where a row that is left over has a number below 0.
 */
function proposeRows(
  { outputs, card, batch, minScore }: BatchOutputs,
  boxAt: (values: ArrayLike<number>, at: number) => BoxXyxy,
): (index: number) => Proposal[] {
  const name = outputsFor(card, 'rows')[0]!;
  const { data, dims } = outputs[name] ?? { data: [], dims: [] };
  if (!(data instanceof Float32Array) || dims.at(-1) !== ROW_VALUES) {
    throw new CardMismatch(`${card.name}: expected rows of 7 float32 numbers in ${name}`);
  }
  const isFlat = dims.length === 2;
  const [classAt, scoreAt, boxStart] = isFlat ? [5, 6, 1] : [1, 2, 3];
  const { firstClass = 0 } = card.decoding;
  return (index) => {
    const proposals: Proposal[] = [];
    for (let at = 0; at < data.length; at += ROW_VALUES) {
      const score = data[at + scoreAt]!;
      const photo = Math.round(data[at]!);
      if (!(score >= minScore) || photo < 0 || (batch > 1 && photo !== index)) continue;
      const classIndex = Math.round(data[at + classAt]!) - firstClass;
      proposals.push({ boxXyxy: boxAt(data, at + boxStart), score, classIndex });
    }
    return proposals;
  };
}

/**
 * Boxes that the graph has finished: `boxes` [batch, rows, 4], `scores` and class numbers [batch, rows], or `boxes` [batch, rows, 5] with
 * the score behind the corners; and optionally
 * `count` [batch], the rows of each photo that hold a box. The card's `boxes` and `firstClass` describe exports that differ.
 * @param classes role of the class numbers
 * @param usual how boxes lie unless the card says so
 */
function listedBoxes(classes: 'labels' | 'classes', usual: Layout) {
  return closedFamily({
    roles: ({ outputs }) =>
      'rows' in outputs
        ? ['rows']
        : ['boxes', 'scores', classes, 'count'].filter((role) => role in outputs),

    propose(outputs) {
      const { card, batch, raster, minScore } = outputs;
      const { firstClass = 0, boxes: layout } = card.decoding;
      const boxAt = BOX_READERS[layout && layout in BOX_READERS ? (layout as Layout) : usual];
      if ('rows' in card.outputs) {
        return proposeRows(outputs, (values, at) => boxAt(values, at, raster));
      }
      const scores = 'scores' in card.outputs ? columnFor(outputs, 'scores', null) : undefined;
      const labels = columnFor(outputs, classes, scores?.length ?? null);
      const rows = labels.length;
      // Of a box with five numbers the last is its score.
      const step = scores ? 4 : 5;
      const boxes = columnFor(outputs, 'boxes', rows, step);
      const counts =
        'count' in card.outputs
          ? columnFor({ ...outputs, batch: 1 }, 'count', batch).ofPhoto(0)
          : undefined;
      return (index) => {
        const [ofLabels, ofBoxes] = [labels.ofPhoto(index), boxes.ofPhoto(index)];
        const ofScores = scores?.ofPhoto(index);
        const count = Math.min(rows, Math.round(counts?.[index] ?? rows));
        const proposals: Proposal[] = [];
        for (let row = 0; row < count; row++) {
          const score = ofScores ? ofScores[row]! : ofBoxes[row * step + 4]!;
          if (!(score >= minScore)) continue;
          const classIndex = Math.round(ofLabels[row]!) - firstClass;
          proposals.push({ boxXyxy: boxAt(ofBoxes, row * step, raster), score, classIndex });
        }
        return proposals;
      };
    },
  });
}

/**
 * Single-shot detectors with suppression inside the graph, as the TensorFlow Object Detection API exports them: boxes are y1, x1,
 * y2, x2 in units of the input.
 * @see Liu et al., SSD: Single Shot MultiBox Detector, arXiv 1512.02325
 */
export const ssd = listedBoxes('classes', 'yxyx-unit');

/**
 * Detection transformers exported with their post-processing, as the repositories of DEIM, D-FINE and RT-DETR do it. Corners are
 * pixels of the size that goes in as `orig_target_sizes`; it is given the raster's own size, so that they are raster pixels.
 * @see Huang et al., DEIM, arXiv 2412.04234; Peng et al., D-FINE, arXiv 2410.13842
 */
export const deim = listedBoxes('labels', 'xyxy-pixels');
