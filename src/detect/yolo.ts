import { cxcywhToXyxy, type ImageSize, scaleXyxy } from '../core/box.js';
import { rasterSize } from '../core/raster.js';
import { classesOf, type DetectorCard } from '../formats/model-card.js';
import { cellCount, type DetectorFamily, gridLevels } from './family.js';
import { cxcywhAt, headOfPhoto, headsFor, mismatch, outputsFor } from './heads.js';
import { packRasters } from './packing.js';
import { finishProposals, type Proposal, proposeCell } from './proposal.js';

/** Boxes of different sizes that YOLOv5 predicts in each cell. */
const ANCHORS_PER_CELL = 3;

/** Values of a row that is a whole detection: corners, score, class. */
const FINAL_VALUES = 6;

/** How the boxes of a YOLO graph lie in its output. */
type YoloForm =
  /** [batch, 4 + classes, cells]: v8, v9, 11, 12; 26 without its end-to-end head. */
  | 'columns'
  /** [batch, cells, 5 + classes] with an object score: v5, v7. */
  | 'rows'
  /** [batch, boxes, 6], suppressed within the graph: v10, 26, and exports with `nms=True`. */
  | 'final'
  /** [batch, queries, 4 + classes], boxes in units of the input, where the card says `cxcywh-unit`: RT-DETR. */
  | 'queries';

/**
 * YOLO as Ultralytics exports it: one output `predictions` with boxes in input pixels and scores in 0..1. Which of its forms
 * the output has is told by its shape.
 * @see https://docs.ultralytics.com/modes/export
 */
export const yolo: DetectorFamily = {
  pack: packRasters,

  outputNames: (card) => [...outputsFor(card, 'predictions')],

  decode(outputs, images, card, options) {
    const [head] = headsFor(outputs, card, 'predictions', images.length, [null, null]);
    const [, first, second] = head!.dims as [number, number, number];
    const raster = rasterSize(images[0]!, card.input);
    const form = yoloForm([first, second], raster, card);
    if (form === undefined) {
      const classes = classesOf(card).length;
      const name = outputsFor(card, 'predictions')[0]!;
      const expected = `[batch,${4 + classes},any], [batch,any,${5 + classes}] or [batch,any,6] for ${classes} labels`;
      throw mismatch(card, name, expected, outputs[name]);
    }
    return images.map((image, index) => {
      const proposals = READERS[form](
        headOfPhoto(head!, index),
        [first, second],
        options.minScore,
        raster,
      );
      return { detections: finishProposals(proposals, image, card, options) };
    });
  },
};

/** The form of an output [batch, ...dims]; undefined where it is none of a detector with the card's labels. */
function yoloForm(
  [first, second]: readonly [number, number],
  raster: ImageSize,
  card: DetectorCard,
): YoloForm | undefined {
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
  input: ImageSize,
) => Proposal[];

const READERS: Readonly<Record<YoloForm, Reader>> = {
  columns: readColumns,
  rows: readRows,
  final: readFinal,
  queries: readQueries,
};

/** Class by class, so that memory is read in order. */
function readColumns(
  values: Float32Array,
  [length, cells]: readonly [number, number],
  minScore: number,
): Proposal[] {
  const proposals: Proposal[] = [];
  const start = 4 * cells;
  const end = length * cells;
  for (let place = start; place < end; place++) {
    const score = values[place]!;
    if (!(score >= minScore)) continue;
    const cell = place % cells;
    const boxXyxy = cxcywhToXyxy({
      cx: values[cell]!,
      cy: values[cells + cell]!,
      width: values[2 * cells + cell]!,
      height: values[3 * cells + cell]!,
    });
    proposals.push({ boxXyxy, score, classIndex: Math.floor(place / cells) - 4 });
  }
  return proposals;
}

function readRows(
  values: Float32Array,
  [rows, length]: readonly [number, number],
  minScore: number,
): Proposal[] {
  const proposals: Proposal[] = [];
  for (let row = 0; row < rows; row++) {
    const at = row * length;
    const factor = values[at + 4]!;
    // No class score is above 1.
    if (!(factor >= minScore)) continue;
    const scores = { values, offset: at + 5, classes: length - 5, factor };
    proposeCell(proposals, scores, minScore, () => cxcywhToXyxy(cxcywhAt(values, at)));
  }
  return proposals;
}

/** Rows that are left over hold zeros. */
function readFinal(
  values: Float32Array,
  [rows, length]: readonly [number, number],
  minScore: number,
): Proposal[] {
  const proposals: Proposal[] = [];
  for (let row = 0; row < rows; row++) {
    const at = row * length;
    const score = values[at + 4]!;
    if (!(score >= minScore)) continue;
    const boxXyxy = {
      x1: values[at]!,
      y1: values[at + 1]!,
      x2: values[at + 2]!,
      y2: values[at + 3]!,
    };
    proposals.push({ boxXyxy, score, classIndex: Math.round(values[at + 5]!) });
  }
  return proposals;
}

function readQueries(
  values: Float32Array,
  [queries, length]: readonly [number, number],
  minScore: number,
  { width, height }: ImageSize,
): Proposal[] {
  const proposals: Proposal[] = [];
  for (let query = 0; query < queries; query++) {
    const at = query * length;
    proposeCell(proposals, { values, offset: at + 4, classes: length - 4 }, minScore, () =>
      scaleXyxy(cxcywhToXyxy(cxcywhAt(values, at)), width, height),
    );
  }
  return proposals;
}
