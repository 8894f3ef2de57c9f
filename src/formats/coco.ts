import { type BoxXywh, xyxyToXywh } from '../core/box.js';
import { NameTable } from '../core/name-table.js';
import { answerBoxes, type Bbox2d, type OutputLine } from './result-line.js';

/** A category of a label set. */
export interface Category {
  readonly id: number;
  readonly name: string;
}

/** Ids between 1 and 90 that COCO's detection task does not use. */
const UNUSED_IDS = new Set([12, 26, 29, 30, 45, 66, 68, 69, 71, 83]);

const NAMES = [
  'person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign',
  'parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella',
  'handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove',
  'skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple',
  'sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|potted plant|bed',
  'dining table|toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|sink',
  'refrigerator|book|clock|vase|scissors|teddy bear|hair drier|toothbrush',
].flatMap((row) => row.split('|'));

const IDS = Array.from({ length: 90 }, (_, index) => index + 1).filter((id) => !UNUSED_IDS.has(id));

/**
 * The 80 object categories of COCO with COCO's own ids 1..90, in the order in which models number their classes 0..79.
 * @see https://cocodataset.org, instances_val2017.json
 */
export const COCO_CATEGORIES: readonly Category[] = NAMES.map((name, index) => ({
  id: IDS[index]!,
  name,
}));

/** The same by COCO's own id: index 1 is person, index 90 toothbrush; indices that COCO does not use are empty. */
export const COCO_BY_ID: readonly (Category | undefined)[] = Array.from({ length: 91 }, (_, id) =>
  COCO_CATEGORIES.find((category) => category.id === id),
);

/** Opens the lines of a run from the start. COCO files name the images first, so the dataset reads them twice. */
export type ReadLines = () => AsyncIterable<OutputLine>;

/** Gives images their COCO ids. */
export interface ImageNumbering {
  /** The COCO file that the ids are taken from; null where they are counted. */
  readonly file: string | null;
  /** Undefined for a photo that has no place in the files. */
  idOf(image: string): number | undefined;
  /** Photos asked for that have none. */
  readonly leftOut: number;
}

/** The category of boxes that have no label of the detector's. */
const OBJECT = 'object';

/** Ids of a run's categories by label. */
export class CategoryIds {
  readonly categories: readonly Category[];
  readonly #byLabel: ReadonlyMap<string, number>;
  readonly #fallback: number;

  /** Boxes without a label of the detector belong to `object`, whose id follows the detector's highest. */
  constructor(categories: readonly Category[]) {
    const object = categories.find(({ name }) => name === OBJECT);
    this.#fallback = object?.id ?? Math.max(0, ...categories.map(({ id }) => id)) + 1;
    this.categories = object ? categories : [...categories, { id: this.#fallback, name: OBJECT }];
    this.#byLabel = new Map(this.categories.map(({ id, name }) => [name, id]));
  }

  idOf(label: string | undefined): number {
    return (label === undefined ? undefined : this.#byLabel.get(label)) ?? this.#fallback;
  }
}

/** The results list that pycocotools' `loadRes` takes, in pieces of text. */
export async function* cocoPredictions(
  read: ReadLines,
  images: ImageNumbering,
  categories: CategoryIds,
): AsyncGenerator<string> {
  let separator = '[\n';
  for await (const { imageId, boxXywh, score, categoryId } of boxesOf(read, images, categories)) {
    const entry = { image_id: imageId, category_id: categoryId, bbox: bboxOf(boxXywh), score };
    yield separator + JSON.stringify(entry);
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

/** A COCO dataset: images, annotations with ids from 1, categories. In pieces of text. */
export async function* cocoDataset(
  read: ReadLines,
  images: ImageNumbering,
  categories: CategoryIds,
): AsyncGenerator<string> {
  yield `{"info":{"description":"made by vgr"},"licenses":[],\n"categories":${JSON.stringify(categories.categories)},\n"images":[`;
  const listed = new NameTable();
  let separator = '\n';
  for await (const line of read()) {
    const id = imageIdOf(line, images);
    if (id === undefined || line.type === 'error' || !listed.add(String(id))) continue;
    const { image, width, height } = line;
    yield separator + JSON.stringify({ id, file_name: image, width, height });
    separator = ',\n';
  }
  yield '],\n"annotations":[';
  let id = 0;
  for await (const box of boxesOf(read, images, categories)) {
    const { imageId, boxXywh, score, categoryId, about } = box;
    id += 1;
    // No `segmentation`: importers (Label Studio's, for one) take an empty one for a polygon.
    const entry = {
      id,
      image_id: imageId,
      category_id: categoryId,
      bbox: bboxOf(boxXywh),
      area: Number((boxXywh.width * boxXywh.height).toFixed(2)),
      iscrowd: 0,
      score,
      ...about,
    };
    yield (id === 1 ? '\n' : ',\n') + JSON.stringify(entry);
  }
  yield ']}\n';
}

function imageIdOf(line: OutputLine, images: ImageNumbering): number | undefined {
  if (line.type === 'error' || line.image === undefined) return undefined;
  return images.idOf(line.image);
}

/** Every box that a run gives of photos with an id. `about`: fields that only the dataset has. */
async function* boxesOf(read: ReadLines, images: ImageNumbering, categories: CategoryIds) {
  for await (const line of read()) {
    const imageId = imageIdOf(line, images);
    if (imageId === undefined || line.type === 'error') continue;
    if (line.type === 'detections') {
      for (const { bbox_2d, score, category_id: categoryId } of line.detections) {
        yield { imageId, boxXywh: xywhOf(bbox_2d), score, categoryId, about: {} };
      }
      continue;
    }
    const { answer, tool, id, query } = line;
    const about = {
      query_id: id,
      caption: query,
      tool_bbox: tool.bbox_2d && bboxOf(xywhOf(tool.bbox_2d)),
      decision: answer.decision,
    };
    for (const { bbox_2d, score, label } of answerBoxes(answer)) {
      const categoryId = categories.idOf(label);
      yield { imageId, boxXywh: xywhOf(bbox_2d), score, categoryId, about };
    }
  }
}

function xywhOf([x1, y1, x2, y2]: Bbox2d): BoxXywh {
  return xyxyToXywh({ x1, y1, x2, y2 });
}

/** `[x, y, width, height]`; differences of two-decimal numbers are rounded back to two decimals. */
function bboxOf({ x, y, width, height }: BoxXywh): [number, number, number, number] {
  return [x, y, Number(width.toFixed(2)), Number(height.toFixed(2))];
}
