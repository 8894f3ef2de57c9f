import { cxcywhToXyxy, type ImageSize } from '../core/box.js';
import { classesOf, type DetectorCard } from '../formats/model-card.js';
import { cellCount, gridLevels } from './family.js';
import { cxcywhAt, headFor, headOfPhoto, roleMismatch, unitBoxAt, xyxyAt } from './heads.js';
import { type BatchOutputs, closedFamily, type Proposal, proposeCells } from './proposal.js';

/** Boxes of different sizes that YOLOv5 predicts in each cell. */
const ANCHORS_PER_CELL = 3;

/** Values of a row that is a whole detection: corners, score, class. */
const FINAL_VALUES = 6;

/**
 * YOLO as Ultralytics exports it: one output `predictions` with boxes in input pixels and scores in 0..1. Which of its forms
 * the output has is told by its shape.
 * @see https://docs.ultralytics.com/modes/export
 */
export const yolo = closedFamily({
  roles: (card) => ('predictions' in card.outputs ? ['predictions'] : ['boxes', 'scores']),

  propose(outputs) {
    const { card, raster, minScore } = outputs;
    if (!('predictions' in card.outputs)) return proposePairs(outputs);
    const head = headFor(outputs, 'predictions', [null, null]);
    const dims = head.dims.slice(1) as [number, number];
    const form = yoloForm(dims, raster, card);
    if (form === undefined) {
      const classes = classesOf(card).length;
      const expected = `[batch,${4 + classes},any], [batch,any,${5 + classes}] or [batch,any,6] for ${classes} labels`;
      throw roleMismatch(outputs, 'predictions', expected);
    }
    return (index) => READERS[form](headOfPhoto(head, index), dims, minScore, raster);
  },
});

/** YOLO-NAS: corners in input pixels, and scores in 0..1, each in an output. */
function proposePairs(outputs: BatchOutputs): (index: number) => Proposal[] {
  const { card, minScore } = outputs;
  const classes = classesOf(card).length;
  const scores = headFor(outputs, 'scores', [null, classes]);
  const boxes = headFor(outputs, 'boxes', [scores.dims[1]!, 4]);
  return (index) => {
    const sides = headOfPhoto(boxes, index);
    const cells = { values: headOfPhoto(scores, index), length: classes, classes };
    return proposeCells(cells, minScore, (row) => xyxyAt(sides, row * 4));
  };
}

/** The form of an output [batch, ...dims]; undefined where it is none of a detector with the card's labels. */
function yoloForm(
  [first, second]: readonly [number, number],
  raster: ImageSize,
  card: DetectorCard,
): keyof typeof READERS | undefined {
  const classes = classesOf(card).length;
  if (card.decoding.boxes === 'cxcywh-unit') return second === 4 + classes ? 'queries' : undefined;
  const cells = cellCount(gridLevels(raster, card.decoding.strides));
  if (second === 5 + classes && first === ANCHORS_PER_CELL * cells) return 'rows';
  if (first === 4 + classes) return 'columns';
  if (second === FINAL_VALUES) return 'final';
  return second === 5 + classes ? 'rows' : undefined;
}

type Reader = (
  values: Float32Array,
  dims: readonly [number, number],
  minScore: number,
  raster: ImageSize,
) => Proposal[];

/** By how the boxes of a graph lie in its output. */
const READERS = {
  /** [batch, 4 + classes, cells]: v8, v9, 11, 12; 26 without its end-to-end head. Memory is read in order, class by class. */
  columns(values, [length, cells], minScore) {
    const proposals: Proposal[] = [];
    for (let index = 4 * cells; index < length * cells; index++) {
      const score = values[index]!;
      if (!(score >= minScore)) continue;
      const cell = index % cells;
      const boxXyxy = cxcywhToXyxy({
        cx: values[cell]!,
        cy: values[cells + cell]!,
        width: values[2 * cells + cell]!,
        height: values[3 * cells + cell]!,
      });
      proposals.push({ boxXyxy, score, classIndex: Math.floor(index / cells) - 4 });
    }
    return proposals;
  },

  /** [batch, cells, 5 + classes] with an object score: v5, v7. */
  rows(values, [, length], minScore) {
    const cells = { values, length, classes: length - 5, scoresAt: 5, objectAt: 4 };
    return proposeCells(cells, minScore, (row) => cxcywhToXyxy(cxcywhAt(values, row * length)));
  },

  /** [batch, boxes, 6], suppressed within the graph: v10, 26, and exports with `nms=True`. Rows that are left over hold zeros. */
  final(values, [rows, length], minScore) {
    const proposals: Proposal[] = [];
    for (let at = 0; at < rows * length; at += length) {
      const score = values[at + 4]!;
      if (!(score >= minScore)) continue;
      const boxXyxy = xyxyAt(values, at);
      proposals.push({ boxXyxy, score, classIndex: Math.round(values[at + 5]!) });
    }
    return proposals;
  },

  /** [batch, queries, 4 + classes], boxes in units of the input, where the card says `cxcywh-unit`: RT-DETR. */
  queries(values, [, length], minScore, raster) {
    const cells = { values, length, classes: length - 4, scoresAt: 4 };
    return proposeCells(cells, minScore, (query) => unitBoxAt(values, query * length, raster));
  },
} satisfies Readonly<Record<string, Reader>>;
