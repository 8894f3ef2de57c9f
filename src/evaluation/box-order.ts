import type { BoxTable } from './box-table.js';

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
