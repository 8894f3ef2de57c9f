import { xywhToXyxy } from '../geometry/box.js';
import type { CocoAnnotation, CocoEntry } from './coco-records.js';
import { jsonElements } from './eval-json.js';
import { ForeignRecord, type RecordPlace, recordFault } from './eval-place.js';
import type { EvalQuery } from './eval-queries.js';

/** One object and the expressions that people gave for it. */
export interface RefCocoRef {
  readonly place: RecordPlace;
  readonly refId: number;
  readonly annotationId: number;
  readonly imageId: number;
  /** `train`, `val`, `testA`, `testB`, `test` */
  readonly split?: string;
  readonly sentences: readonly { readonly id: string; readonly text: string }[];
}

/**
 * Reads a list of refs as RefCOCO, RefCOCO+ and RefCOCOg have them, saved as JSON.
 * @param source name of the file, for messages
 * @throws VgrError INPUT_INVALID that names file, element and field
 * @see S. Kazemzadeh et al., "ReferItGame", 2014; L. Yu et al., "Modeling Context in Referring Expressions", 2016
 */
export async function* refCocoRefs(
  text: AsyncIterable<string> | Iterable<string>,
  source: string,
): AsyncGenerator<RefCocoRef> {
  for await (const { section, index, value } of jsonElements(text, source)) {
    if (section !== '') throw recordFault({ source }, 'expected a list of refs, got an object');
    yield refOf(new ForeignRecord(value, { source, element: index }));
  }
}

function refOf(record: ForeignRecord): RefCocoRef {
  const refId = record.integer('ref_id');
  const sentences = record.raw('sentences');
  if (!Array.isArray(sentences)) return record.refuse('sentences', 'a list');
  return {
    place: record.place,
    refId,
    annotationId: record.integer('ann_id'),
    imageId: record.integer('image_id'),
    ...(record.has('split') && { split: record.string('split') }),
    sentences: sentences.map((value, index) => {
      const sentence = new ForeignRecord(value, record.place);
      return {
        id: `${refId}-${sentence.has('sent_id') ? sentence.integer('sent_id') : index}`,
        text: sentence.string('sent'),
      };
    }),
  };
}

/**
 * The refs as queries, one an expression, with the boxes and photos of the annotation file. The split is the group.
 * @param instances the entries of `instances.json`; only those that the refs name are held
 * @throws VgrError INPUT_INVALID for a ref whose annotation or photo is not listed
 */
export async function refCocoQueries(
  refs: readonly RefCocoRef[],
  instances: AsyncIterable<CocoEntry>,
): Promise<EvalQuery[]> {
  const wanted = new Set(refs.map(({ annotationId }) => annotationId));
  const wantedImages = new Set(refs.map(({ imageId }) => imageId));
  const annotations = new Map<number, CocoAnnotation>();
  const fileNames = new Map<number, string>();
  for await (const entry of instances) {
    if (entry.kind === 'annotation' && wanted.has(entry.annotation.id)) {
      annotations.set(entry.annotation.id, entry.annotation);
    } else if (entry.kind === 'image' && wantedImages.has(entry.image.id)) {
      if (entry.image.fileName !== undefined) fileNames.set(entry.image.id, entry.image.fileName);
    }
  }
  return refs.flatMap((ref) => queriesOf(ref, annotations, fileNames));
}

function queriesOf(
  ref: RefCocoRef,
  annotations: ReadonlyMap<number, CocoAnnotation>,
  fileNames: ReadonlyMap<number, string>,
): EvalQuery[] {
  const annotation = annotations.get(ref.annotationId);
  const image = fileNames.get(ref.imageId);
  if (annotation === undefined || annotation.imageId !== ref.imageId) {
    throw recordFault(
      ref.place,
      `annotation ${ref.annotationId} of image ${ref.imageId} is not in the annotation file`,
      'refs and `instances.json` must be of the same data set',
    );
  }
  if (image === undefined) {
    throw recordFault(
      ref.place,
      `image ${ref.imageId} has no \`file_name\` in the annotation file`,
    );
  }
  return ref.sentences.map(({ id, text }) => ({
    id,
    line: ref.place.element ?? 0,
    query: text,
    image,
    truthsXyxy: [xywhToXyxy(annotation.boxXywh)],
    ...(ref.split !== undefined && { group: ref.split }),
    entries: [],
    toolNames: [],
  }));
}
