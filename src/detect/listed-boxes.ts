import { type BoxXyxy, type ImageSize, scaleXyxy } from '../core/box.js';
import { columnFor, xyxyAt } from './heads.js';
import { closedFamily, type Proposal } from './proposal.js';

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

/**
 * Boxes that the graph has finished: `boxes` [batch, rows, 4], `scores` and class numbers [batch, rows], and optionally
 * `count` [batch], the rows of each photo that hold a box. The card's `boxes` and `firstClass` describe exports that differ.
 * @param classes role of the class numbers
 * @param usual how boxes lie unless the card says so
 */
function listedBoxes(classes: 'labels' | 'classes', usual: Layout) {
  return closedFamily({
    roles: ({ outputs }) => ['boxes', 'scores', classes, ...('count' in outputs ? ['count'] : [])],

    propose(outputs) {
      const { card, batch, raster, minScore } = outputs;
      const { firstClass = 0, boxes: layout } = card.decoding;
      const scores = columnFor(outputs, 'scores', null);
      const rows = scores.length;
      const labels = columnFor(outputs, classes, rows);
      const boxes = columnFor(outputs, 'boxes', rows, 4);
      const counts =
        'count' in card.outputs
          ? columnFor({ ...outputs, batch: 1 }, 'count', batch).ofPhoto(0)
          : undefined;
      const boxAt = BOX_READERS[layout && layout in BOX_READERS ? (layout as Layout) : usual];
      return (index) => {
        const [ofScores, ofLabels, ofBoxes] = [scores, labels, boxes].map((column) =>
          column.ofPhoto(index),
        ) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>];
        const count = Math.min(rows, Math.round(counts?.[index] ?? rows));
        const proposals: Proposal[] = [];
        for (let row = 0; row < count; row++) {
          const score = ofScores[row]!;
          if (!(score >= minScore)) continue;
          const classIndex = Math.round(ofLabels[row]!) - firstClass;
          proposals.push({ boxXyxy: boxAt(ofBoxes, row * 4, raster), score, classIndex });
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
