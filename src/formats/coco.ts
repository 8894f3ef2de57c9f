import { type BoxXywh, type ImageSize, xyxyToXywh } from '../core/box.js';
import { exactJson } from '../core/exact-json.js';
import { NameTable } from '../core/name-table.js';
import { loosePath, plainPath } from '../core/photo-path.js';
import type { CocoId } from './foreign-json.js';
import { answerBoxes, type Bbox2d, type MadeOf, type OutputLine } from './result-line.js';

/** A category of a label set. */
export interface Category {
  readonly id: number;
  readonly name: string;
}

/** Ids between 1 and 90 that COCO's detection task does not use. */
const UNUSED_IDS = new Set([12, 26, 29, 30, 45, 66, 68, 69, 71, 83]);

/** By supercategory, in COCO's order. */
const NAMES = [
  ['person', 'person'],
  ['vehicle', 'bicycle|car|motorcycle|airplane|bus|train|truck|boat'],
  ['outdoor', 'traffic light|fire hydrant|stop sign|parking meter|bench'],
  ['animal', 'bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe'],
  ['accessory', 'backpack|umbrella|handbag|tie|suitcase'],
  [
    'sports',
    'frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|tennis racket',
  ],
  ['kitchen', 'bottle|wine glass|cup|fork|knife|spoon|bowl'],
  ['food', 'banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake'],
  ['furniture', 'chair|couch|potted plant|bed|dining table|toilet'],
  ['electronic', 'tv|laptop|mouse|remote|keyboard|cell phone'],
  ['appliance', 'microwave|oven|toaster|sink|refrigerator'],
  ['indoor', 'book|clock|vase|scissors|teddy bear|hair drier|toothbrush'],
].flatMap(([above, row]) => row!.split('|').map((name) => [name, above!] as const));
const ABOVE: ReadonlyMap<string, string> = new Map(NAMES);

const IDS = Array.from({ length: 90 }, (_, index) => index + 1).filter((id) => !UNUSED_IDS.has(id));

/**
 * The 80 object categories of COCO with COCO's own ids 1..90, in the order in which models number their classes 0..79.
 * @see https://cocodataset.org, instances_val2017.json
 */
export const COCO_CATEGORIES: readonly Category[] = NAMES.map(([name], index) => ({
  id: IDS[index]!,
  name,
}));

/** The same by COCO's own id: index 1 is person, index 90 toothbrush; indices that COCO does not use are empty. */
export const COCO_BY_ID: readonly (Category | undefined)[] = Array.from({ length: 91 }, (_, id) =>
  COCO_CATEGORIES.find((category) => category.id === id),
);

/**
 * Opens the lines of a run from the start. The dataset names the images first, with sizes that
 * only all lines together tell, so it reads them three times.
 */
export type ReadLines = () => AsyncIterable<MadeLine>;

type MadeLine = OutputLine & { readonly made_of?: MadeOf };

/** Gives images their COCO ids. */
export interface ImageNumbering {
  /** The COCO file that the ids are taken from; null where they are counted. */
  readonly file: string | null;
  /** The ids of that file's categories by their names in small letters. */
  readonly categories?: ReadonlyMap<string, CocoId>;
  /**
   * Told of every photo, with its size, before any is asked for: two photos must not share an entry of the file.
   * @param photo tells photos apart, whatever the path is called
   */
  expect(image: string, photo: string, size: ImageSize): void;
  /** Undefined for a photo that has no place in the files. */
  idOf(image: string, photo: string): CocoId | undefined;
  /** Photos asked for that have none. */
  readonly leftOut: number;
  /** What the user should know about the file. */
  notes(): readonly string[];
}

/** The category of boxes that have no label of the detector's. */
const OBJECT = 'object';

/** Ids of a run's categories by label. */
export class CategoryIds {
  /** Of the run. */
  readonly categories: readonly Category[];
  readonly #ids: ReadonlyMap<string, CocoId>;
  readonly #fallback: CocoId;
  /** Labels that the file of ids does not list. */
  readonly unlisted = new Set<string>();

  /**
   * Boxes without a label of the detector belong to `object`, whose id follows the highest.
   * @param listed ids of a file by names in small letters, which count in place of the detector's
   */
  constructor(
    categories: readonly Category[],
    private readonly listed?: ReadonlyMap<string, CocoId>,
  ) {
    const object = categories.find(({ name }) => name === OBJECT);
    const highest = [...(listed?.values() ?? categories.map(({ id }) => id))].map(Number);
    const free = Math.max(0, ...highest.filter(Number.isSafeInteger)) + 1;
    this.#fallback = listed?.get(OBJECT) ?? (listed ? free : (object?.id ?? free));
    const named = categories.filter(({ name }) => name !== OBJECT);
    this.categories = [...named, { id: object?.id ?? free, name: OBJECT }];
    this.#ids = new Map([
      ...named.flatMap(({ id, name }): [string, CocoId][] => {
        const own = listed ? listed.get(name.toLowerCase()) : id;
        return own === undefined ? [] : [[name, own]];
      }),
      [OBJECT, this.#fallback],
    ]);
  }

  /** The categories as COCO files list them. */
  get entries() {
    return [...this.#ids].map(([name, id]) => ({
      id,
      name,
      supercategory: ABOVE.get(name) ?? OBJECT,
    }));
  }

  /** Of an answer: one without a known label is an `object`. */
  idOf(label: string | undefined): CocoId {
    return (label === undefined ? undefined : this.#ids.get(label)) ?? this.#fallback;
  }

  /** Of a detection; undefined where a file of ids does not list it. */
  listedIdOf(label: string): CocoId | undefined {
    const id = this.#ids.get(label);
    if (id === undefined && this.listed) this.unlisted.add(label);
    return this.listed ? id : this.idOf(label);
  }
}

/** What the entries of COCO files are made of. */
export interface CocoOptions {
  readonly images: ImageNumbering;
  readonly categories: CategoryIds;
  /** Whether each box is a polygon, too, for importers that take nothing else. */
  readonly polygons?: boolean;
}

/** The results list that pycocotools' `loadRes` takes, in pieces of text. */
export async function* cocoPredictions(
  read: ReadLines,
  options: CocoOptions,
): AsyncGenerator<string> {
  let separator = '[\n';
  for await (const { imageId, boxXywh, score, categoryId } of boxesOf(read, options)) {
    const entry = { image_id: imageId, category_id: categoryId, bbox: bboxOf(boxXywh), score };
    yield separator + exactJson(entry);
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

/**
 * A COCO dataset: images, annotations with ids from 1, categories. In pieces of text. Sizes are whole pixels: of a photo without
 * file the least that holds the sizes and boxes of all of its lines.
 */
export async function* cocoDataset(read: ReadLines, options: CocoOptions): AsyncGenerator<string> {
  const { images, categories, polygons = false } = options;
  yield `{"info":{"description":"made by vgr"},"licenses":[],\n"categories":${exactJson(categories.entries)},\n"images":[`;
  const sizes = await imageSizes(read, images);
  const listed = new NameTable();
  let separator = '\n';
  for await (const line of read()) {
    const id = imageIdOf(line, images);
    if (id === undefined || line.type === 'error' || !listed.add(String(id))) continue;
    const { width, height } = sizes(id);
    yield separator + exactJson({ id, file_name: line.image, width, height });
    separator = ',\n';
  }
  yield '],\n"annotations":[';
  let id = 0;
  for await (const box of boxesOf(read, options)) {
    const { imageId, boxXywh, score, categoryId, about } = box;
    id += 1;
    const bbox = bboxOf(boxXywh);
    // An empty `segmentation` would be a polygon of nothing to importers, Label Studio's for one.
    const segmentation = polygons ? { segmentation: [cornersOf(bbox)] } : {};
    const entry = {
      id,
      image_id: imageId,
      category_id: categoryId,
      bbox,
      area: Number((boxXywh.width * boxXywh.height).toFixed(2)),
      ...segmentation,
      iscrowd: 0,
      score,
      ...about,
    };
    yield (id === 1 ? '\n' : ',\n') + exactJson(entry);
  }
  yield ']}\n';
}

/** The sizes of all images, whole pixels. Takes 16 bytes an image beside its name. */
async function imageSizes(read: ReadLines, images: ImageNumbering) {
  const ids = new NameTable();
  const sides: number[] = [];
  for await (const line of read()) {
    const id = imageIdOf(line, images);
    if (id === undefined || line.type === 'error') continue;
    const at = 2 * ids.numberOf(String(id));
    sides[at] = Math.max(sides[at] ?? 0, Math.ceil(line.width));
    sides[at + 1] = Math.max(sides[at + 1] ?? 0, Math.ceil(line.height));
  }
  return (id: CocoId): ImageSize => {
    const at = 2 * ids.get(String(id));
    return { width: sides[at]!, height: sides[at + 1]! };
  };
}

/** Tells the numbering of every photo of a run. */
export async function expectImages(read: ReadLines, images: ImageNumbering): Promise<void> {
  for await (const line of read()) {
    if (line.type === 'error' || line.image === undefined) continue;
    images.expect(line.image, photoOf(line, line.image), line);
  }
}

function imageIdOf(line: MadeLine, images: ImageNumbering): CocoId | undefined {
  if (line.type === 'error' || line.image === undefined) return undefined;
  return images.idOf(line.image, photoOf(line, line.image));
}

/**
 * What tells photos apart. A listing names each photo once; queries may spell its path in several ways, and two photos may lie
 * beside each other under one spelling, which their contents tell.
 */
function photoOf(line: MadeLine, image: string): string {
  if (line.type === 'detections') return image;
  const sha256 = line.made_of?.sha256;
  return sha256 === undefined ? plainPath(image) : `${loosePath(image)}\n${sha256}`;
}

/** Every box that a run gives of photos with an id. `about`: fields that only the dataset has. */
async function* boxesOf(read: ReadLines, { images, categories }: CocoOptions) {
  for await (const line of read()) {
    const imageId = imageIdOf(line, images);
    if (imageId === undefined || line.type === 'error') continue;
    if (line.type === 'detections') {
      for (const { bbox_2d, score, label } of line.detections) {
        const categoryId = categories.listedIdOf(label);
        if (categoryId === undefined) continue;
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

/** The corners of a box as a polygon, clockwise from the first. */
function cornersOf([x, y, width, height]: readonly [number, number, number, number]): number[] {
  const [right, bottom] = [x + width, y + height].map((side) => Number(side.toFixed(2)));
  return [x, y, right!, y, right!, bottom!, x, bottom!];
}

function xywhOf([x1, y1, x2, y2]: Bbox2d): BoxXywh {
  return xyxyToXywh({ x1, y1, x2, y2 });
}

/** `[x, y, width, height]`; differences of two-decimal numbers are rounded back to two decimals. */
function bboxOf({ x, y, width, height }: BoxXywh): [number, number, number, number] {
  return [x, y, Number(width.toFixed(2)), Number(height.toFixed(2))];
}
