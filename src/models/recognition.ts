import type { ImageSize } from '../core/box.js';
import { cellCount, gridLevels, type Tensor } from '../detect/family.js';
import type {
  ClosedFamilyName,
  DetectorCard,
  GraphFamilyName,
  PromptedFamilyName,
} from '../formats/model-card.js';

/** An output as a run of the graph on one photo gave it. */
export type ObservedOutput = Tensor & { readonly name: string };

/** A graph after one run, with what is known of it. */
export interface ObservedGraph {
  readonly outputs: readonly ObservedOutput[];
  /** The raster it was run on. */
  readonly input: ImageSize;
  /** Whether it takes a size or a scale beside the photo. */
  readonly takesSize: boolean;
  /** Operators within it. */
  readonly operators: ReadonlySet<string>;
  /** Number of labels, where a file or the graph names them. */
  readonly labels?: number;
}

/** A family that fits, with what its card needs. */
export interface Recognition {
  readonly family: GraphFamilyName;
  readonly outputs: DetectorCard['outputs'];
  readonly strides: readonly number[];
  /** Number of classes by the shape of the outputs; undefined where they do not tell. */
  readonly classes: number | undefined;
  readonly boxes?: NonNullable<DetectorCard['decoding']['boxes']>;
  readonly activation?: NonNullable<DetectorCard['decoding']['activation']>;
  /** The number of the first class, where the outputs list finished boxes and their names tell. */
  readonly countsFrom?: 0 | 1;
}

/** What is recognised of a graph for one family; undefined where its outputs are not of that family. */
type Found = Omit<Recognition, 'family'> | undefined;

/** Strides of the heads, as the families' own configurations have them. */
const THREE = [8, 16, 32];
const FOUR = [8, 16, 32, 64];
const FINE = [4, 8, 16, 32];

/** What each family's outputs look like, for the message about a graph that fits none. */
export const FAMILY_SHAPES: Readonly<Record<GraphFamilyName, string>> = {
  centernet:
    '[batch, labels, rows, columns] and [batch, 4, rows, columns], scores and distances to the sides',
  'nanodet-plus': '[batch, cells, labels + 32] with the cells of strides 8, 16, 32, and perhaps 64',
  picodet:
    'for each of the strides 8, 16, 32, 64 [batch, cells, labels] and [batch, cells, 32]; or [boxes, 6] with an input scale_factor',
  yolox: '[batch, cells, 5 + labels] with the cells of strides 8, 16, 32',
  yolo: '[batch, 4 + labels, cells], [batch, 3 x cells, 5 + labels], [batch, boxes, 6], or [batch, boxes, 4] and [batch, boxes, labels]',
  detr: '[batch, queries, logits] and [batch, queries, 4]',
  deim: '[batch, boxes] labels, [batch, boxes, 4], [batch, boxes] scores, with an input orig_target_sizes',
  ssd: '[batch, boxes, 4], [batch, boxes] scores, [batch, boxes] classes, and perhaps [batch] counts; [batch, boxes, 5] and classes; rows of 7',
  'grounding-dino':
    '[prompts, queries, tokens] logits and [prompts, queries, 4], with inputs input_ids, attention_mask, token_type_ids',
  owlv2: '[1, patches, prompts] logits and [1, patches, 4], with inputs input_ids, attention_mask',
  owlvit: 'the same as owlv2',
};

/** The families with labels of their own whose shapes the graph has; the likeliest first. */
export function recogniseDetector(graph: ObservedGraph): Recognition[] {
  return (Object.keys(RECOGNISERS) as ClosedFamilyName[]).flatMap((family) => {
    const found = RECOGNISERS[family](graph);
    return found ? [{ family, ...found }] : [];
  });
}

/** Families that share a shape are told apart by the number of cells, so those with more conditions come first. */
const RECOGNISERS: Readonly<Record<ClosedFamilyName, (graph: ObservedGraph) => Found>> = {
  'nanodet-plus': (graph) => {
    const output = onlyOutput(graph);
    const [, cells, length = 0] = output?.dims ?? [];
    const strides = [FOUR, THREE].find((each) => cells === cellsOf(graph, each));
    const classes = length - 32;
    if (!output || !strides || classes < 1 || !fitsLabels(graph, classes)) return undefined;
    if (!areShares(output, 0, classes)) return undefined;
    // With three strides the cells are those of YOLOX: its columns are all shares, these end in logits.
    if (strides === THREE && areShares(output, classes, length)) return undefined;
    return { outputs: { predictions: [output.name] }, strides, classes };
  },
  picodet: recognisePicodet,
  yolox: (graph) => {
    const output = onlyOutput(graph);
    const [, cells, length = 0] = output?.dims ?? [];
    if (!output || cells !== cellsOf(graph, THREE) || length <= 5) return undefined;
    if (!areShares(output, 4, length) || !fitsLabels(graph, length - 5)) return undefined;
    const decoded = graph.operators.has('Exp') || hasPixelSizes(output, length);
    return {
      outputs: { predictions: [output.name] },
      strides: THREE,
      classes: length - 5,
      ...(decoded && { boxes: 'cxcywh-pixels' as const }),
    };
  },
  yolo: recogniseYolo,
  // Lists of finished boxes come first: TensorFlow's exports hold the raw ones beside them.
  deim: (graph) => (graph.takesSize ? recogniseListed(graph, 'labels') : undefined),
  ssd: (graph) => (graph.takesSize ? undefined : recogniseListed(graph, 'classes')),
  detr: recogniseDetr,
  centernet: (graph) => {
    const maps = graph.outputs.filter(({ dims }) => dims.length === 4);
    const sides = maps.find(({ dims }) => dims[1] === 4);
    const scores = maps.find(
      (map) => map !== sides && map.dims[2] === sides?.dims[2] && map.dims[3] === sides?.dims[3],
    );
    const [, classes, rows = 1, columns = 1] = scores?.dims ?? [];
    const stride = Math.round(graph.input.width / columns);
    if (!sides || !scores || stride !== Math.round(graph.input.height / rows)) return undefined;
    return {
      outputs: { scores: [scores.name], sides: [sides.name] },
      strides: [stride],
      classes,
    };
  },
};

/** Where the labels are known, a shape that has another number of classes is that of another family. */
function fitsLabels({ labels }: ObservedGraph, classes: number): boolean {
  return labels === undefined || labels === classes;
}

/** Whether the values of these columns of [batch, cells, length] are scores of 0 to 1. */
function areShares({ data, dims }: Tensor, from: number, to: number): boolean {
  const length = dims.at(-1)!;
  return data.every((value: number | bigint, index: number) => {
    const column = index % length;
    return column < from || column >= to || (value >= -ROUNDING && value <= 1 + ROUNDING);
  });
}

const ROUNDING = 1e-3;

/** No logarithm of a size in strides is above this: exp(10) strides of 8 are 176,000 pixels. */
const LARGEST_LOG_SIZE = 10;

/** Whether widths or heights of [batch, cells, length] are pixels: a graph may decode without an exponential of its own. */
function hasPixelSizes({ data }: Tensor, length: number): boolean {
  return data.some((value: number | bigint, index: number) => {
    const column = index % length;
    return (column === 2 || column === 3) && value > LARGEST_LOG_SIZE;
  });
}

function cellsOf({ input }: ObservedGraph, strides: readonly number[]): number {
  return cellCount(gridLevels(input, strides));
}

function onlyOutput({ outputs }: Pick<ObservedGraph, 'outputs'>): ObservedOutput | undefined {
  return outputs.length === 1 && outputs[0]!.dims.length === 3 ? outputs[0] : undefined;
}

function recognisePicodet(graph: ObservedGraph): Found {
  const rows = graph.outputs.find(({ dims }) => dims.length === 2 && dims[1] === 6);
  if (rows && graph.takesSize) {
    return { outputs: { rows: [rows.name] }, strides: FOUR, classes: undefined };
  }
  const heads = gridLevels(graph.input, FOUR).map(({ rows: down, columns }) => {
    const at = graph.outputs.filter(({ dims }) => dims[1] === down * columns);
    const distances = at.find(({ dims }) => dims[2] === 32 && dims.length === 3);
    return { distances, scores: at.find((output) => output !== distances) };
  });
  const scores = heads.flatMap((head) => head.scores?.name ?? []);
  const distances = heads.flatMap((head) => head.distances?.name ?? []);
  if (scores.length < FOUR.length || distances.length < FOUR.length) return undefined;
  const classes = heads[0]?.scores?.dims[2];
  return { outputs: { scores, distances }, strides: FOUR, classes };
}

function recogniseYolo(graph: ObservedGraph): Found {
  // Exports of YOLOv5 up to 6.1 list the raw heads [batch, anchors, rows, columns, values] beside what is made of them.
  const lists = graph.outputs.filter(({ dims }) => dims.length !== 5);
  const output = onlyOutput({ outputs: lists });
  if (!output) return recogniseYoloNas(lists);
  const [, first = 0, second = 0] = output.dims;
  const outputs = { predictions: [output.name] };
  for (const strides of [THREE, FOUR, FINE]) {
    const cells = cellsOf(graph, strides);
    if (second === cells && first > 4) return { outputs, strides, classes: first - 4 };
    if (first === 3 * cells && second > 5) return { outputs, strides, classes: second - 5 };
  }
  // Ultralytics' RT-DETR: a row for each query, boxes in units of the input.
  const labels = graph.labels ?? (isUnit(output, second) ? COCO_LABELS : undefined);
  const isQueries = labels !== undefined && second === 4 + labels;
  if (isQueries && (second !== FINAL_VALUES || isUnit(output, second))) {
    return { outputs, strides: THREE, classes: labels, boxes: 'cxcywh-unit' };
  }
  return second === FINAL_VALUES ? { outputs, strides: THREE, classes: undefined } : undefined;
}

/** YOLO-NAS: corners in pixels and scores of 0 to 1, in two outputs. */
function recogniseYoloNas(outputs: readonly ObservedOutput[]): Found {
  const boxes = outputs.find(({ dims }) => dims.length === 3 && dims[2] === 4);
  const scores = outputs.find((output) => output !== boxes && output.dims[1] === boxes?.dims[1]);
  const classes = scores?.dims[2];
  if (!boxes || !scores || classes === undefined || !areShares(scores, 0, classes))
    return undefined;
  if (!boxes.data.some((value: number | bigint) => value > LEAST_PIXEL)) return undefined;
  return { outputs: { boxes: [boxes.name], scores: [scores.name] }, strides: THREE, classes };
}

/** A graph without names is taken for one of these where its boxes are in units. */
const COCO_LABELS = 80;

/** Values of a row that is a whole detection: corners, score, class. */
const FINAL_VALUES = 6;

/** Whether all boxes at the starts of rows are within the input, told in units of it. */
function isUnit({ data }: Tensor, length: number): boolean {
  return data.every((value: number | bigint, index: number) => index % length > 3 || value <= 1);
}

function recogniseDetr(graph: ObservedGraph): Found {
  const lists = graph.outputs.filter(({ dims }) => dims.length === 3);
  const fours = lists.filter(({ dims }) => dims[2] === 4);
  const boxes = fours.find(({ name }) => /box|det/i.test(name)) ?? fours[0];
  const candidates = lists.filter(
    (output) => output !== boxes && output.dims[1] === boxes?.dims[1],
  );
  const logits = candidates.find(({ name }) => /logit|label|class/i.test(name)) ?? candidates[0];
  const length = logits?.dims[2];
  if (!boxes || !logits || length === undefined || length < 1) return undefined;
  // Centres and sizes in units of the input may reach over its border, but are no pixels.
  if (boxes.data.some((value: number | bigint) => Math.abs(Number(value)) > FURTHEST_UNIT))
    return undefined;
  const softmax = length > 1 && hasNoObject(logits, length, graph.labels);
  return {
    outputs: { logits: [logits.name], boxes: [boxes.name] },
    strides: [],
    classes: softmax ? length - 1 : length,
    activation: softmax ? 'softmax' : 'sigmoid',
  };
}

const FURTHEST_UNIT = 4;
/** Some corner of a box in pixels is further away than this. */
const LEAST_PIXEL = 16;
/** COCO's ids reach to 90: 91 logits are those ids, 92 those and no object. */
const COCO_IDS = 91;

/**
 * Whether the last logit stands for no object. A softmax head puts most queries there; for a sigmoid head no class is likely
 * for most of them.
 */
function hasNoObject({ data }: Tensor, length: number, labels: number | undefined): boolean {
  if (length === COCO_IDS || length === labels) return false;
  if (length === COCO_IDS + 1) return true;
  let none = 0;
  const queries = data.length / length;
  for (let query = 0; query < queries; query++) {
    const logits = Float64Array.from(data.subarray(query * length, (query + 1) * length), Number);
    const last = logits.at(-1)!;
    none += 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - last), 0);
  }
  return none / queries > 0.5;
}

function recogniseListed({ outputs }: ObservedGraph, role: 'labels' | 'classes'): Found {
  const rows = outputs.length === 1 && outputs[0]!.dims.at(-1) === 7 ? outputs[0] : undefined;
  if (rows && role === 'classes') return sevenNumbers(rows);
  const scored = outputs.find(({ dims }) => dims.length === 3 && dims[2] === 5);
  if (scored && role === 'classes') return scoredBoxes(scored, outputs);
  const fours = outputs.filter(({ dims }) => [2, 3].includes(dims.length) && dims.at(-1) === 4);
  const boxes = fours.find(({ name }) => /^(?!raw).*box/i.test(name)) ?? fours[0];
  const columns = outputs.filter(
    (output) =>
      output !== boxes &&
      [1, 2].includes(output.dims.length) &&
      output.data.length * 4 === boxes?.data.length,
  );
  const scores = columns.find(({ name }) => /score|conf/i.test(name));
  const labels =
    columns.find(({ name }) => /label|class/i.test(name)) ??
    columns.find((output) => output !== scores && output.type !== 'float32');
  if (!boxes || !scores || !labels) return undefined;
  const count = outputs.find(({ name, data }) => /num/i.test(name) && data.length === 1);
  return {
    outputs: {
      boxes: [boxes.name],
      scores: [scores.name],
      [role]: [labels.name],
      ...(role === 'classes' && count && { count: [count.name] }),
    },
    strides: [],
    classes: undefined,
    ...(role === 'classes' && listedBoxes(boxes)),
  };
}

/** MMDeploy: `dets` [batch, boxes, 5] with the score behind the corners, and `labels` from 0. */
function scoredBoxes(boxes: ObservedOutput, outputs: readonly ObservedOutput[]): Found {
  const classes = outputs.find(({ data }) => data.length * 5 === boxes.data.length);
  if (!classes) return undefined;
  return {
    outputs: { boxes: [boxes.name], classes: [classes.name] },
    strides: [],
    classes: undefined,
    boxes: 'xyxy-pixels',
    countsFrom: 0,
  };
}

/** Rows of seven numbers: [n, 7] of YOLOv7's end-to-end export, or [1, 1, n, 7] of Caffe and OpenVINO, in units. */
function sevenNumbers({ name, dims }: ObservedOutput): Found {
  const isFlat = dims.length === 2;
  if (!isFlat && dims.length !== 4) return undefined;
  return {
    outputs: { rows: [name] },
    strides: [],
    classes: undefined,
    boxes: isFlat ? 'xyxy-pixels' : 'xyxy-unit',
    countsFrom: isFlat ? 0 : 1,
  };
}

/**
 * TensorFlow's exports name their boxes so, put y first and count from 1; torchvision's have no batch and count from 1; exports
 * with suppression by TensorRT (YOLOv7) and those of YOLO-NAS count from 0. Others put x first, in pixels or units.
 */
function listedBoxes({
  name,
  data,
  dims,
}: ObservedOutput): Pick<Recognition, 'boxes' | 'countsFrom'> {
  if (/^detection_boxes/.test(name)) return { boxes: 'yxyx-unit', countsFrom: 1 };
  const countsFrom = dims.length === 2 ? 1 : /(?:^|_)(?:det|pred)_boxes/.test(name) ? 0 : undefined;
  // Without boxes in the photo, a list without a batch is torchvision's, in pixels.
  if (data.length === 0) return { boxes: 'xyxy-pixels', countsFrom };
  const furthest = Array.from(data, Number).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return { boxes: furthest > 2 ? 'xyxy-pixels' : 'xyxy-unit', countsFrom };
}

/**
 * Which outputs hold what, after one run.
 * @param prompts that went in
 * @returns undefined where the shapes are not the family's
 */
export function recognisePrompted(
  family: PromptedFamilyName,
  outputs: readonly ObservedOutput[],
  prompts: number,
): DetectorCard['outputs'] | undefined {
  const lists = outputs.filter(({ dims }) => dims.length === 3);
  const boxes = lists.find(({ name, dims }) => dims[2] === 4 && /box/i.test(name));
  const logits = lists.find(
    ({ name, dims }) => dims[1] === boxes?.dims[1] && /logit/i.test(name) && !/object/i.test(name),
  );
  if (!boxes || !logits) return undefined;
  const perPrompt = logits.dims[family === 'grounding-dino' ? 0 : 2];
  return perPrompt === prompts ? { logits: [logits.name], boxes: [boxes.name] } : undefined;
}
