import { quoted, VgrError } from '../core/error.js';
import { readTextChunks } from '../core/files.js';
import { NameTable } from '../core/name-table.js';
import { PhotoIndex, plainPath } from '../core/photo-path.js';
import type { ImageNumbering } from '../formats/coco.js';
import type { CocoImage } from '../formats/coco-records.js';
import {
  type CocoId,
  ForeignRecord,
  type JsonText,
  jsonElements,
} from '../formats/foreign-json.js';

/**
 * The ids of images in COCO files.
 * @param file of `--image-ids`; without it ids are counted
 * @throws VgrError INPUT_MISSING, INPUT_UNREADABLE, INPUT_INVALID
 */
export async function imageNumbering(file: string | undefined): Promise<ImageNumbering> {
  return file === undefined ? countingImages() : imagesOfCocoFile(readTextChunks(file), file);
}

/** Ids from 1 in the order in which images are first asked for. A photo has one id, however its path is spelled. */
export function countingImages(): ImageNumbering {
  const numbers = new NameTable();
  return {
    file: null,
    leftOut: 0,
    notes: () => [],
    expect: () => undefined,
    // Two photos of one spelling may lie beside each other: their contents tell them apart.
    idOf: (image, sha256 = '') => numbers.numberOf(`${plainPath(image)}\n${sha256}`),
  };
}

/** An image of the file, and what photos of the run ask for it. */
interface ListedImage extends CocoImage {
  /** Whether a photo is it for sure; of others, as many as only look like it. */
  isTaken: boolean;
  alike: number;
}

/**
 * The ids of a COCO file, by `file_name` in any spelling, or by the part of it that photo and file have both, if nothing contradicts.
 * Holds names and ids alone, and the categories.
 * @param file for messages
 * @throws VgrError INPUT_INVALID if it is not a COCO dataset
 */
export async function imagesOfCocoFile(text: JsonText, file: string): Promise<ImageNumbering> {
  const index = new PhotoIndex<ListedImage>();
  const categories = new Map<string, CocoId>();
  let count = 0;
  const hint = 'give `--image-ids` the annotation file, such as instances_val2017.json';
  for await (const { section, index: element, value } of jsonElements(text, file)) {
    if (element < 0 || !['images', 'categories'].includes(section)) continue;
    const record = new ForeignRecord(value, { source: file, section, element });
    if (section === 'categories') {
      const name = record.optionalString('name');
      if (name !== undefined) categories.set(name.toLowerCase(), record.id('id'));
      continue;
    }
    count += 1;
    const image = { id: record.id('id'), size: record.optionalSize(), isTaken: false, alike: 0 };
    index.add(record.string('file_name'), image);
  }
  if (count === 0) {
    const expected = 'expected a COCO dataset with `images` of `id` and `file_name`';
    throw new VgrError('INPUT_INVALID', `${quoted(file)}: ${expected}`, { hint });
  }
  const seen = new NameTable();
  const unlisted = new NameTable();
  let [leftOut, otherSize] = [0, 0];
  const imageOf = (image: string): ListedImage | undefined => {
    const found = index.find(image);
    if (!found) return undefined;
    const { thing, isSure } = found;
    return isSure || (!thing.isTaken && thing.alike <= 1) ? thing : undefined;
  };
  return {
    file,
    categories: categories.size > 0 ? categories : undefined,
    get leftOut() {
      return leftOut;
    },
    notes: () =>
      otherSize === 0 ? [] : [`${otherSize} photos have another size than ${quoted(file)} states`],
    expect(image, size) {
      const found = index.find(image);
      if (!found || !seen.add(plainPath(image))) return;
      if (found.isSure) found.thing.isTaken = true;
      else found.thing.alike += 1;
      const stated = found.thing.size;
      const isOther = stated && (stated.width !== size.width || stated.height !== size.height);
      if (isOther) otherSize += 1;
    },
    idOf(image) {
      const id = imageOf(image)?.id;
      if (id === undefined && unlisted.add(image)) leftOut += 1;
      return id;
    },
  };
}
