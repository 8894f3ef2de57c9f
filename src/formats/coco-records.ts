import type { BoxXywh, ImageSize } from '../core/box.js';
import { exactText } from '../core/exact-json.js';
import {
  type CocoId,
  ForeignRecord,
  type JsonElement,
  type JsonText,
  jsonElements,
  listRecords,
  recordError,
} from './foreign-json.js';

/** A ground-truth box. */
export interface CocoAnnotation {
  readonly id: CocoId;
  readonly imageId: CocoId;
  readonly categoryId: CocoId;
  /** Absolute pixels. */
  readonly boxXywh: BoxXywh;
  /** Square pixels, of the object's mask where the file gives it; decides which area range the object is in. */
  readonly area: number;
  /** A box around many objects that are not told apart. */
  readonly crowd: boolean;
}

/** One entry of a COCO results list. */
export interface CocoDetection {
  readonly imageId: CocoId;
  readonly categoryId: CocoId;
  /** Absolute pixels. */
  readonly boxXywh: BoxXywh;
  readonly score: number;
}

export interface CocoImage {
  readonly id: CocoId;
  /** Files that are only evaluated may have no names. */
  readonly fileName?: string;
  /** Where the file states it. */
  readonly size?: ImageSize;
}

export interface CocoCategory {
  readonly id: CocoId;
  readonly name: string;
}

/** What a COCO dataset holds, in the order of the file. */
export type CocoEntry =
  | { readonly kind: 'image'; readonly image: CocoImage }
  | { readonly kind: 'annotation'; readonly annotation: CocoAnnotation }
  | { readonly kind: 'category'; readonly category: CocoCategory };

const SECTIONS = ['images', 'annotations', 'categories'];

/**
 * Reads a COCO dataset of boxes entry by entry; other sections are left out.
 * @param source name of the file, for messages
 * @throws VgrError INPUT_INVALID that names file, element and field
 */
export async function* cocoEntries(text: JsonText, source: string): AsyncGenerator<CocoEntry> {
  const missing = new Set(SECTIONS);
  for await (const element of jsonElements(text, source, SECTIONS)) {
    if (element.section === '') {
      throw recordError({ source }, 'expected a COCO dataset, got a list', 'is it a results list?');
    }
    if (!SECTIONS.includes(element.section)) continue;
    missing.delete(element.section);
    yield entryOf(element, source);
  }
  missing.delete('annotations');
  for (const section of missing) {
    throw recordError(
      { source },
      `expected a COCO dataset with \`${section}\`, a list that is not empty`,
    );
  }
}

function entryOf({ section, index, value }: JsonElement, source: string): CocoEntry {
  if (index < 0) throw recordError({ source }, `expected a list under \`${section}\``);
  const record = new ForeignRecord(value, { source, section, element: index });
  if (section === 'annotations') return { kind: 'annotation', annotation: annotationOf(record) };
  const id = record.id('id');
  if (section === 'images') {
    return {
      kind: 'image',
      image: { id, fileName: record.optionalString('file_name'), size: record.optionalSize() },
    };
  }
  return {
    kind: 'category',
    category: { id, name: record.optionalString('name') ?? exactText(id) },
  };
}

function annotationOf(record: ForeignRecord): CocoAnnotation {
  const boxXywh = record.boxXywh('bbox');
  return {
    id: record.id('id'),
    imageId: record.id('image_id'),
    categoryId: record.id('category_id'),
    boxXywh,
    area: record.has('area') ? record.number('area') : boxXywh.width * boxXywh.height,
    crowd: record.has('iscrowd') && isCrowd(record),
  };
}

function isCrowd(record: ForeignRecord): boolean {
  const flag = record.raw('iscrowd');
  if (flag === 0 || flag === 1 || typeof flag === 'boolean') return Boolean(flag);
  return record.refuse('iscrowd', '0 or 1');
}

/**
 * Reads a COCO results list entry by entry.
 * @param source name of the file, for messages
 * @throws VgrError INPUT_INVALID that names file, element and field
 */
export async function* cocoDetections(
  text: JsonText,
  source: string,
): AsyncGenerator<CocoDetection> {
  const hint = 'detections are a list of {"image_id", "category_id", "bbox", "score"}';
  for await (const record of listRecords(text, source, 'a COCO results list', hint)) {
    yield {
      imageId: record.id('image_id'),
      categoryId: record.id('category_id'),
      boxXywh: record.boxXywh('bbox'),
      score: record.number('score'),
    };
  }
}
