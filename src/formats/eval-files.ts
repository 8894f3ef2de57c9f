import { type BoxXyxy, type ImageSize, iouXyxy, isSameXyxy, xywhToXyxy } from '../core/box.js';
import type { CocoAnnotation, CocoEntry } from './coco-records.js';
import {
  type EvalLines,
  ForeignRecord,
  jsonElements,
  type RecordPlace,
  readJsonLines,
  recordError,
} from './foreign-json.js';
import { RESULT_SCHEMA } from './result-line.js';

/** One query of an evaluation dump of the paper's code. */
export interface DumpRow {
  /** `image_id` and `ann_id` where the row has them; several expressions of one object share it. */
  readonly id: string;
  /** Place in the list, from 0. */
  readonly element: number;
  readonly truthXyxy?: BoxXyxy;
  /** 0..1; null where there was no box. With several boxes the best counts, as in the paper's code. */
  readonly toolIou: number | null;
  readonly finalIou: number | null;
  /** True where the boxes of the row give another IoU than the row states. The stated one is taken. */
  readonly disagrees: boolean;
}

/** Dumps may hold IoUs and boxes in single precision or rounded. */
const ROUNDING = 1e-3;

/**
 * Reads the list that the paper's evaluation code writes as `output_*.json`: `iou`, `tool_iou`, and the boxes `gt_bbox`,
 * `pred_bbox`, `tool_pred_bboxes` as corners.
 * @param source name of the file, for messages
 * @throws VgrError INPUT_INVALID that names file, element and field
 */
export async function* dumpRows(
  text: AsyncIterable<string> | Iterable<string>,
  source: string,
): AsyncGenerator<DumpRow> {
  for await (const { section, index, value } of jsonElements(text, source)) {
    if (section !== '') throw recordError({ source }, 'expected a list of rows, got an object');
    yield rowOf(new ForeignRecord(value, { source, element: index }), index);
  }
}

function rowOf(record: ForeignRecord, element: number): DumpRow {
  const truth = record.has('gt_bbox') ? record.boxXyxy('gt_bbox') : undefined;
  const tool = ious(record, 'tool_iou', 'tool_pred_bboxes', truth);
  const final = ious(record, 'iou', 'pred_bbox', truth);
  const ids = ['image_id', 'ann_id'].filter((key) => record.has(key));
  return {
    id: ids.length === 0 ? String(element) : ids.map((key) => String(record.raw(key))).join('_'),
    element,
    ...(truth && { truthXyxy: truth }),
    toolIou: tool.iou,
    finalIou: final.iou,
    disagrees: tool.disagrees || final.disagrees,
  };
}

function ious(
  record: ForeignRecord,
  iouKey: string,
  boxKey: string,
  truth: BoxXyxy | undefined,
): { readonly iou: number | null; readonly disagrees: boolean } {
  const computed = truth && record.has(boxKey) ? bestIou(record, boxKey, truth) : undefined;
  if (record.raw(iouKey) === undefined) {
    if (truth && record.raw(boxKey) !== undefined)
      return { iou: computed ?? null, disagrees: false };
    return record.refuse(
      iouKey,
      `a number in 0..1, or \`gt_bbox\` and ${boxKey} to compute it from`,
    );
  }
  const stated = record.has(iouKey) ? record.share(iouKey) : null;
  const disagrees = computed !== undefined && Math.abs(computed - (stated ?? 0)) > ROUNDING;
  return { iou: stated, disagrees };
}

/** Of one box or a list of them. A box with its corners in the wrong order overlaps nothing. */
function bestIou(record: ForeignRecord, key: string, truth: BoxXyxy): number {
  const value = record.raw(key);
  const boxes = Array.isArray(value) && Array.isArray(value[0]) ? (value as unknown[]) : [value];
  const found = boxes.map((box) => {
    const [x1, y1, x2, y2] = new ForeignRecord({ [key]: box }, record.place).fourNumbers(
      key,
      '[x1, y1, x2, y2]',
    );
    return x2 < x1 || y2 < y1 ? 0 : iouXyxy({ x1, y1, x2, y2 }, truth);
  });
  return Math.max(0, ...found);
}

/** A box that somebody gave for a query. */
export interface EvalBox {
  /** Absolute pixels. */
  readonly boxXyxy: BoxXyxy;
  /** 0..1 */
  readonly score?: number;
  readonly label?: string;
}

/** A query with its ground truth. */
export interface EvalQuery {
  readonly id: string;
  /** Line number from 1, or place in a list. */
  readonly line: number;
  readonly query: string;
  readonly image?: string;
  /** Every box that is meant; none where nothing in the photo fits. */
  readonly truthsXyxy: readonly BoxXyxy[];
  readonly size?: ImageSize;
  readonly group?: string;
  /**
   * The boxes of each tool that was asked for, best first, in that order; null where the line has no entry of it. Models do
   * answer with corners in the wrong order; such a box overlaps nothing.
   */
  readonly entries: readonly (readonly EvalBox[] | null)[];
  /** Every tool that the line has an entry of. */
  readonly toolNames: readonly string[];
}

export interface EvalQueryOptions {
  /** The field that says which group a query counts in. Default `kind`. */
  readonly groupBy?: string;
  /** The tools whose boxes are wanted. */
  readonly tools?: readonly string[];
}

/**
 * Reads a queries file with ground truth.
 * @param source name of the file, for messages
 * @throws VgrError INPUT_INVALID that names file, line and field
 */
export function evalQueries(
  lines: EvalLines,
  source: string,
  options: EvalQueryOptions = {},
): AsyncGenerator<EvalQuery> {
  return readJsonLines(lines, source, (value, line) =>
    queryOf(new ForeignRecord(value, { source, line }), line, options),
  );
}

function queryOf(
  record: ForeignRecord,
  line: number,
  { groupBy = 'kind', tools = [] }: EvalQueryOptions,
): EvalQuery {
  const boxesByTool = record.has('tools') ? record.record('tools') : undefined;
  const group = groupOf(record, groupBy);
  return {
    id: record.has('id') ? record.string('id') : String(line),
    line,
    query: record.string('query'),
    truthsXyxy: truthsOf(record),
    entries: tools.map((name) => (boxesByTool ? entryOf(boxesByTool, name) : null)),
    toolNames: boxesByTool?.keys() ?? [],
    ...(record.has('image') && { image: record.string('image') }),
    ...(group !== undefined && { group }),
    ...(record.has('width') &&
      record.has('height') && {
        size: { width: record.number('width'), height: record.number('height') },
      }),
  };
}

/** Of a line with `bbox` one box, of one with `boxes` any number. */
function truthsOf(record: ForeignRecord): BoxXyxy[] {
  if (!record.has('boxes')) return [xywhToXyxy(record.boxXywh('bbox'))];
  if (record.has('bbox')) record.refuse('boxes', 'nothing beside `bbox`');
  return record.list('boxes', '[x, y, width, height]', (box, name) =>
    xywhToXyxy(box.boxXywh(name)),
  );
}

function entryOf(tools: ForeignRecord, name: string): EvalBox[] | null {
  const boxes = tools.foreign(name);
  if (boxes === undefined) return null;
  if (!Array.isArray(boxes)) return tools.refuse(name, 'a list of boxes');
  return boxes.map((value) => {
    const box = new ForeignRecord(value, tools.place);
    const [x1, y1, x2, y2] = box.fourNumbers('bbox_2d', '[x1, y1, x2, y2]');
    return { boxXyxy: { x1, y1, x2, y2 }, ...scoreAndLabel(box) };
  });
}

/** The optional fields that every box may have. */
function scoreAndLabel(record: ForeignRecord): Omit<EvalBox, 'boxXyxy'> {
  return {
    ...(record.has('score') && { score: record.share('score') }),
    ...(record.has('label') && { label: record.string('label') }),
  };
}

function groupOf(record: ForeignRecord, field: string): string | undefined {
  const value = record.foreign(field);
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'object') return record.refuse(field, 'a word or a number to group by');
  return String(value);
}

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
    if (section !== '') throw recordError({ source }, 'expected a list of refs, got an object');
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
    throw recordError(
      ref.place,
      `annotation ${ref.annotationId} of image ${ref.imageId} is not in the annotation file`,
      'refs and `instances.json` must be of the same data set',
    );
  }
  if (image === undefined) {
    throw recordError(
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

/** One stage of an answer: what was said, and the box, null where there is none. */
export interface EvalStage {
  readonly boxXyxy: BoxXyxy | null;
  /** All boxes of an answer that lists several, best first; `boxXyxy` is the first. */
  readonly boxes?: readonly EvalBox[];
  /** 0..1 */
  readonly score?: number;
  readonly label?: string;
  readonly text?: string;
}

/** One line of a results file. */
export interface EvalResult {
  readonly id: string;
  readonly line: number;
  readonly query?: string;
  readonly image?: string;
  readonly size?: ImageSize;
  readonly toolName?: string;
  /** Null where the line tells of no tool, as an error record. */
  readonly tool: EvalStage | null;
  readonly think?: EvalStage;
  /** Null on an error record. */
  readonly answer: EvalStage | null;
  readonly decision?: string;
}

/**
 * Reads a results file of `vgr refine`.
 * @param source name of the file, for messages
 * @throws VgrError INPUT_INVALID that names file, line and field, also for lines of another kind or schema
 */
export function evalResults(lines: EvalLines, source: string): AsyncGenerator<EvalResult> {
  return readJsonLines(lines, source, (value, line) => {
    const record = new ForeignRecord(value, { source, line });
    checkKind(record);
    if (record.raw('type') === 'result') return resultOf(record, line);
    return { id: idOf(record), line, tool: null, answer: null };
  });
}

function checkKind(record: ForeignRecord): void {
  const type = record.raw('type');
  if (type === 'detections') {
    throw recordError(
      record.place,
      'expected a line of `vgr refine`, got one of `vgr detect`',
      'detections are scored against boxes of all objects: `--coco-gt` and `--coco-dt`',
    );
  }
  if (type === undefined) {
    throw recordError(
      record.place,
      'expected a line of `vgr refine`, got one without `type`',
      'take results.jsonl of its `--output` folder, or what it printed; queries belong to `--queries`',
    );
  }
  if (type !== 'result' && type !== 'error') record.refuse('type', '`result` or `error`');
  if (record.raw('schema') !== RESULT_SCHEMA) record.refuse('schema', String(RESULT_SCHEMA));
}

/** The line number of the queries file stands in for an id. */
function idOf(record: ForeignRecord): string {
  if (record.has('id') || !record.has('line')) return record.string('id');
  return String(record.integer('line'));
}

function resultOf(record: ForeignRecord, line: number): EvalResult {
  const tool = record.has('tool') ? record.record('tool') : undefined;
  const answer = record.record('answer');
  return {
    id: idOf(record),
    line,
    tool: tool
      ? {
          boxXyxy: tool.has('bbox_2d') ? tool.boxXyxy('bbox_2d') : null,
          ...scoreAndLabel(tool),
        }
      : null,
    answer: stageOf(answer),
    ...(tool?.has('name') && { toolName: tool.string('name') }),
    ...(record.has('query') && { query: record.string('query') }),
    ...(record.has('image') && { image: record.string('image') }),
    ...(record.has('width') &&
      record.has('height') && {
        size: { width: record.number('width'), height: record.number('height') },
      }),
    ...(record.has('think') && { think: stageOf(record.record('think')) }),
    ...(answer.has('decision') && { decision: answer.string('decision') }),
  };
}

function stageOf(record: ForeignRecord): EvalStage {
  // A missing box is a null, not a missing field: a field under another name must not pass for "no answer".
  if (record.raw('bbox_2d') === undefined) record.refuse('bbox_2d', '[x1, y1, x2, y2] or null');
  return {
    boxXyxy: record.has('bbox_2d') ? record.boxXyxy('bbox_2d') : null,
    ...(record.has('boxes') && { boxes: boxesOf(record) }),
    ...(record.has('score') && { score: record.share('score') }),
    ...(record.has('text') && { text: record.string('text') }),
  };
}

function boxesOf(record: ForeignRecord): EvalBox[] {
  const boxes = record.list('boxes', 'objects', (holder, name) => {
    const box = holder.record(name);
    return { boxXyxy: box.boxXyxy('bbox_2d'), ...scoreAndLabel(box) };
  });
  const first = record.has('bbox_2d') ? record.boxXyxy('bbox_2d') : undefined;
  if (first ? boxes[0] && isSameXyxy(first, boxes[0].boxXyxy) : boxes.length === 0) return boxes;
  return record.refuse('boxes', 'a list whose first box is `bbox_2d`');
}
