import { quoted, VgrError } from '../core/error.js';
import { readTextChunks } from '../core/files.js';
import { NameTable } from '../core/name-table.js';
import { type Match, PhotoIndex } from '../core/photo-path.js';
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

/** Ids from 1 in the order in which photos are first asked for. */
export function countingImages(): ImageNumbering {
  const numbers = new NameTable();
  return {
    file: null,
    leftOut: 0,
    notes: () => [],
    expect: () => undefined,
    idOf: (_image, photo) => numbers.numberOf(photo),
  };
}

/** What is read of a COCO file for its ids. */
const SECTIONS = ['images', 'categories'];

/** An image of the file, and the photo of the run that agrees with it best: undefined where there is none, null where several do. */
interface ListedImage extends CocoImage {
  photo?: string | null;
  match?: Match;
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
  const ids = new NameTable();
  let count = 0;
  const hint = 'give `--image-ids` the annotation file, such as instances_val2017.json';
  for await (const { section, index: element, value } of jsonElements(text, file, SECTIONS)) {
    if (element < 0 || !SECTIONS.includes(section)) continue;
    const record = new ForeignRecord(value, { source: file, section, element });
    if (section === 'categories') {
      const name = record.optionalString('name');
      if (name !== undefined) categories.set(name.toLowerCase(), record.id('id'));
      continue;
    }
    count += 1;
    const image = { id: record.id('id'), size: record.optionalSize() };
    if (!ids.add(String(image.id))) record.refuse('id', 'an id that no other image has');
    index.add(record.string('file_name'), image);
  }
  if (count === 0) {
    const expected = 'expected a COCO dataset with `images` of `id` and `file_name`';
    throw new VgrError('INPUT_INVALID', `${quoted(file)}: ${expected}`, { hint });
  }
  const seen = new NameTable();
  const unlisted = new NameTable();
  let [leftOut, otherSize] = [0, 0];
  return {
    file,
    categories: categories.size > 0 ? categories : undefined,
    get leftOut() {
      return leftOut;
    },
    notes: () =>
      otherSize === 0 ? [] : [`${otherSize} photos have another size than ${quoted(file)} states`],
    expect(image, photo, size) {
      const found = index.find(image);
      if (!found) return;
      const { thing, match } = found;
      if (thing.match === undefined || match < thing.match) Object.assign(thing, { photo, match });
      else if (match === thing.match && photo !== thing.photo) thing.photo = null;
      const stated = thing.size;
      const isOther = stated && (stated.width !== size.width || stated.height !== size.height);
      if (isOther && seen.add(photo)) otherSize += 1;
    },
    idOf(image, photo) {
      const listed = index.find(image)?.thing;
      if (listed && (listed.photo ?? photo) === photo && listed.photo !== null) return listed.id;
      if (unlisted.add(photo)) leftOut += 1;
      return undefined;
    },
  };
}
