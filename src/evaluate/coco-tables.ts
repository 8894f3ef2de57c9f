import type { BoxXywh } from '../core/box.js';
import { VgrError } from '../core/error.js';
import type { Category } from '../formats/coco.js';
import type { CocoAnnotation, CocoDetection, CocoEntry } from '../formats/coco-records.js';
import type { TruthColumns } from './coco-matching.js';
import { DoubleColumn } from './column.js';

/** The ground truth of a COCO file. Its sections may come in any order. */
export class CocoGroundTruth {
  readonly boxes = new BoxTable();
  readonly #area = new DoubleColumn();
  readonly #crowd = new DoubleColumn();
  readonly #zeroId = new DoubleColumn();
  readonly #imageIds = new Set<number>();
  readonly #annotationIds = new Set<number>();
  readonly #categoryNames = new Map<number, string>();

  /** @throws VgrError INPUT_INVALID for an annotation id that comes twice */
  add(entry: CocoEntry): void {
    if (entry.kind === 'image') this.addImage(entry.image.id);
    else if (entry.kind === 'category') this.addCategory(entry.category);
    else this.addAnnotation(entry.annotation);
  }

  addImage(id: number): void {
    this.#imageIds.add(id);
  }

  addCategory({ id, name }: Category): void {
    this.#categoryNames.set(id, name);
  }

  /** @throws VgrError INPUT_INVALID for an id that comes twice */
  addAnnotation({ id, imageId, categoryId, boxXywh, area, crowd }: CocoAnnotation): void {
    if (this.#annotationIds.has(id)) {
      throw new VgrError(
        'INPUT_INVALID',
        `ground truth: annotation id ${id} comes twice; expected every id once`,
      );
    }
    this.#annotationIds.add(id);
    this.boxes.push(imageId, categoryId, boxXywh);
    this.#area.push(area);
    this.#crowd.push(crowd ? 1 : 0);
    this.#zeroId.push(id === 0 ? 1 : 0);
  }

  /** Rising. */
  get imageIds(): number[] {
    return [...this.#imageIds].sort((a, b) => a - b);
  }

  hasImage(id: number): boolean {
    return this.#imageIds.has(id);
  }

  /** By rising id. */
  get categories(): Category[] {
    return [...this.#categoryNames].map(([id, name]) => ({ id, name })).sort((a, b) => a.id - b.id);
  }

  columns(): TruthColumns {
    return {
      xywh: this.boxes.xywh,
      areas: this.#area.view(),
      crowds: this.#crowd.view(),
      zeroIds: this.#zeroId.view(),
    };
  }
}

/** The detections of a COCO results file. */
export class CocoDetections {
  readonly boxes = new BoxTable();
  readonly #score = new DoubleColumn();

  add({ imageId, categoryId, boxXywh, score }: CocoDetection): void {
    this.boxes.push(imageId, categoryId, boxXywh);
    this.#score.push(score);
  }

  /** One a row. */
  get scores(): Float64Array {
    return this.#score.view();
  }
}

/** Boxes of many images and categories as columns, one row a box, in the order in which they were added. */
export class BoxTable {
  readonly #imageId = new DoubleColumn();
  readonly #categoryId = new DoubleColumn();
  readonly #xywh = new DoubleColumn();

  get length(): number {
    return this.#imageId.length;
  }

  push(imageId: number, categoryId: number, { x, y, width, height }: BoxXywh): void {
    this.#imageId.push(imageId);
    this.#categoryId.push(categoryId);
    this.#xywh.push(x);
    this.#xywh.push(y);
    this.#xywh.push(width);
    this.#xywh.push(height);
  }

  get imageIds(): Float64Array {
    return this.#imageId.view();
  }

  get categoryIds(): Float64Array {
    return this.#categoryId.view();
  }

  /** Four numbers a row: x, y, width, height. */
  get xywh(): Float64Array {
    return this.#xywh.view();
  }
}

/** The boxes of one image within one category. */
export interface ImageRun {
  /** Place among the known images. */
  readonly image: number;
  /** Rows of the table. */
  readonly rows: Uint32Array;
}

/** Rows of a table grouped by category, and in a category by image. Rows of unknown images or categories are left out. */
export class BoxOrder {
  readonly #image: Int32Array;
  readonly #category: Int32Array;
  readonly #ranked: Uint32Array;
  readonly #grouped: Uint32Array;
  /** Where the rows of each category begin, in both orders; one entry more than categories. */
  readonly #starts: Uint32Array;

  /**
   * @param imageIds the known images in the order in which they are looked at
   * @param categoryIds the known categories
   * @param scores where given, rows go by falling score, and rows of equal score by image and then by row; otherwise by row
   */
  constructor(
    table: BoxTable,
    imageIds: readonly number[],
    categoryIds: readonly number[],
    scores?: Float64Array,
  ) {
    const image = placesOf(table.imageIds, imageIds);
    this.#image = image;
    this.#category = placesOf(table.categoryIds, categoryIds);
    const rows = Uint32Array.from({ length: table.length }, (_, row) => row);
    if (scores) {
      rows.sort((a, b) => scores[b]! - scores[a]! || image[a]! - image[b]! || a - b);
    }
    const known = rows.filter((row) => image[row]! >= 0 && this.#category[row]! >= 0);
    const byImage = stableOrder(known, image, imageIds.length);
    this.#ranked = stableOrder(known, this.#category, categoryIds.length);
    this.#grouped = stableOrder(byImage, this.#category, categoryIds.length);
    this.#starts = new Uint32Array(categoryIds.length + 1);
    for (const row of known) this.#starts[this.#category[row]! + 1]!++;
    for (let place = 1; place < this.#starts.length; place++) {
      this.#starts[place]! += this.#starts[place - 1]!;
    }
  }

  /** How many rows have a known image and category. */
  get length(): number {
    return this.#grouped.length;
  }

  /** The rows of a category over all images. */
  ranked(category: number): Uint32Array {
    return this.#ranked.subarray(this.#starts[category]!, this.#starts[category + 1]!);
  }

  /** The rows of a category image by image, in the order of the images; images without a row are passed by. */
  *imageRuns(category: number): Generator<ImageRun> {
    const end = this.#starts[category + 1]!;
    for (let start = this.#starts[category]!; start < end; ) {
      const image = this.#image[this.#grouped[start]!]!;
      let stop = start + 1;
      while (stop < end && this.#image[this.#grouped[stop]!] === image) stop++;
      yield { image, rows: this.#grouped.subarray(start, stop) };
      start = stop;
    }
  }
}

/** For each of `ids`, its place among `known`, or -1. */
function placesOf(ids: Float64Array, known: readonly number[]): Int32Array {
  const places = new Map(known.map((id, place) => [id, place]));
  return Int32Array.from(ids, (id) => places.get(id) ?? -1);
}

/** The rows by rising key, rows of equal key in the order they had: a counting sort, in linear time. */
function stableOrder(rows: Uint32Array, keys: Int32Array, keyCount: number): Uint32Array {
  const next = new Uint32Array(keyCount + 1);
  for (const row of rows) next[keys[row]! + 1]!++;
  for (let key = 1; key <= keyCount; key++) next[key]! += next[key - 1]!;
  const sorted = new Uint32Array(rows.length);
  for (const row of rows) sorted[next[keys[row]!]!++] = row;
  return sorted;
}
