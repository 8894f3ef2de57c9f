import { type BoxXyxy, type ImageSize, iouXyxy, isSameXyxy, xywhToXyxy } from '../core/box.js';
import { exactText } from '../core/exact-json.js';
import type { CocoAnnotation, CocoEntry } from './coco-records.js';
import {
  type CocoId,
  ForeignRecord,
  type JsonLines,
  type JsonText,
  jsonElements,
  listRecords,
  readJsonLines,
  recordError,
} from './foreign-json.js';
import { RESULT_SCHEMA } from './result-line.js';

/** One query of an evaluation dump of the paper's code. */
export interface DumpRow {
  /** `image_id` and `ann_id` where the row has them; several expressions of one object share it. */
  readonly id: string;
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
export async function* dumpRows(text: JsonText, source: string): AsyncGenerator<DumpRow> {
  for await (const record of listRecords(text, source, 'a list of rows')) yield rowOf(record);
}

function rowOf(record: ForeignRecord): DumpRow {
  const truthXyxy = record.has('gt_bbox') ? record.boxXyxy('gt_bbox') : undefined;
  const tool = statedIou(record, 'tool_iou', 'tool_pred_bboxes', truthXyxy);
  const final = statedIou(record, 'iou', 'pred_bbox', truthXyxy);
  const ids = ['image_id', 'ann_id'].filter((key) => record.has(key));
  return {
    id:
      ids.length === 0
        ? String(record.position.element)
        : ids.map((key) => exactText(record.raw(key))).join('_'),
    truthXyxy,
    toolIou: tool.iou,
    finalIou: final.iou,
    disagrees: tool.disagrees || final.disagrees,
  };
}

/** The IoU that a row states, else the one that its boxes give. */
function statedIou(
  record: ForeignRecord,
  iouKey: string,
  boxKey: string,
  truthXyxy: BoxXyxy | undefined,
): { readonly iou: number | null; readonly disagrees: boolean } {
  const computed = truthXyxy && record.has(boxKey) ? bestIou(record, boxKey, truthXyxy) : null;
  if (record.raw(iouKey) === undefined) {
    if (truthXyxy && record.raw(boxKey) !== undefined) return { iou: computed, disagrees: false };
    return record.refuse(
      iouKey,
      `a number in 0..1, or \`gt_bbox\` and ${boxKey} to compute it from`,
    );
  }
  const iou = record.has(iouKey) ? record.share(iouKey) : null;
  return { iou, disagrees: computed !== null && Math.abs(computed - (iou ?? 0)) > ROUNDING };
}

/** Of one box or a list of them. A box with its corners in the wrong order overlaps nothing. */
function bestIou(record: ForeignRecord, key: string, truthXyxy: BoxXyxy): number {
  const value = record.raw(key);
  const boxes: unknown[] = Array.isArray(value) && Array.isArray(value[0]) ? value : [value];
  const found = boxes.map((box) => {
    const holder = new ForeignRecord({ [key]: box }, record.position);
    const [x1, y1, x2, y2] = holder.fourNumbers(key, '[x1, y1, x2, y2]');
    return x2 < x1 || y2 < y1 ? 0 : iouXyxy({ x1, y1, x2, y2 }, truthXyxy);
  });
  return Math.max(0, ...found);
}

/** A box that answers a query. */
export interface EvalBox {
  /** Absolute pixels. */
  readonly boxXyxy: BoxXyxy;
  /** 0..1 */
  readonly score?: number;
}

/** A query with its ground truth. */
export interface EvalQuery {
  readonly id: string;
  /** Line number from 1, or index in a list. */
  readonly line: number;
  readonly query: string;
  readonly image?: string;
  /** Every box that is meant; none where nothing in the photo fits. */
  readonly truthsXyxy: readonly BoxXyxy[];
  readonly size?: ImageSize;
  readonly group?: string;
  /** Present where tools were asked for and the line has some. */
  readonly tools?: {
    /** Of every tool. */
    readonly names: readonly string[];
    /**
     * The boxes of each tool that was asked for, best first, in that order; null where the line has no entry of it. Models do
     * give corners in the wrong order; such a box overlaps nothing.
     */
    readonly entries: readonly (readonly EvalBox[] | null)[];
  };
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
  lines: JsonLines,
  source: string,
  options: EvalQueryOptions = {},
): AsyncGenerator<EvalQuery> {
  return readJsonLines(lines, source, (record, line) => queryOf(record, line, options));
}

function queryOf(
  record: ForeignRecord,
  line: number,
  { groupBy = 'kind', tools = [] }: EvalQueryOptions,
): EvalQuery {
  const boxesByTool = record.has('tools') ? record.record('tools') : undefined;
  const group = groupOf(record, groupBy);
  return {
    id: record.has('id') ? record.name('id') : String(line),
    line,
    query: record.string('query'),
    truthsXyxy: truthsOf(record),
    tools:
      boxesByTool && tools.length > 0
        ? {
            names: boxesByTool.keys(),
            entries: tools.map((name) => entryOf(boxesByTool, name)),
          }
        : undefined,
    image: record.optionalString('image'),
    group,
    size: record.optionalSize(),
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
  const boxes = tools.raw(name);
  if (boxes == null) return null;
  if (!Array.isArray(boxes)) return tools.refuse(name, 'a list of boxes');
  return boxes.flatMap((value) => {
    const box = new ForeignRecord(value, tools.position);
    if (box.raw('bbox_2d') === null) return [];
    const [x1, y1, x2, y2] = box.fourNumbers('bbox_2d', '[x1, y1, x2, y2]');
    return [{ boxXyxy: { x1, y1, x2, y2 }, score: scoreOf(box) }];
  });
}

function scoreOf(record: ForeignRecord): number | undefined {
  return record.has('score') ? record.share('score') : undefined;
}

function groupOf(record: ForeignRecord, field: string): string | undefined {
  const value = record.raw(field);
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'object') return record.refuse(field, 'a word or a number to group by');
  return exactText(value);
}

/**
 * Reads a list of refs as RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO have them, saved as JSON: one query an expression, with the boxes
 * and photos of the annotation file. The split is the group.
 * @param source name of the file, for messages
 * @param instances the entries of `instances.json`; only those that the refs name are held
 * @throws VgrError INPUT_INVALID that names file, element and field; for a ref whose annotation or photo is not listed
 * @see S. Kazemzadeh et al., "ReferItGame", 2014; L. Yu et al., "Modeling Context in Referring Expressions", 2016
 */
export async function* refCocoQueries(
  text: JsonText,
  source: string,
  instances: AsyncIterable<CocoEntry>,
): AsyncGenerator<EvalQuery> {
  const refs: ReturnType<typeof refOf>[] = [];
  for await (const { section, index, value } of jsonElements(text, source)) {
    if (section !== '' && section !== 'refs') continue;
    refs.push(refOf(new ForeignRecord(value, { source, section, element: index })));
  }
  if (refs.length === 0) throw recordError({ source }, 'expected a list of refs, got none');
  const annotationIds = new Set(refs.flatMap((ref) => ref.annotationIds));
  const imageIds = new Set(refs.map(({ imageId }) => imageId));
  const annotations = new Map<CocoId, CocoAnnotation>();
  const fileNames = new Map<CocoId, string | undefined>();
  for await (const entry of instances) {
    if (entry.kind === 'annotation' && annotationIds.has(entry.annotation.id)) {
      annotations.set(entry.annotation.id, entry.annotation);
    } else if (entry.kind === 'image' && imageIds.has(entry.image.id)) {
      fileNames.set(entry.image.id, entry.image.fileName ?? fileNames.get(entry.image.id));
    }
  }
  yield* refs.flatMap((ref) => queriesOf(ref, annotations, fileNames.get(ref.imageId)));
}

/** One; of gRefCOCO a list, which holds -1 alone where nothing in the photo fits. */
function annotationIdsOf(record: ForeignRecord): CocoId[] {
  if (!Array.isArray(record.raw('ann_id'))) return [record.id('ann_id')];
  const ids = record.list('ann_id', 'annotation ids', (holder, name) => holder.id(name));
  return ids.filter((id) => id !== -1);
}

/** The objects that are meant, and the expressions that people gave for them. */
function refOf(record: ForeignRecord) {
  const refId = exactText(record.id('ref_id'));
  const sentences = record.raw('sentences');
  if (!Array.isArray(sentences)) return record.refuse('sentences', 'a list');
  return {
    position: record.position,
    annotationIds: annotationIdsOf(record),
    imageId: record.id('image_id'),
    split: record.optionalString('split'),
    sentences: sentences.map((value, index) => {
      if (typeof value === 'string') return { id: `${refId}-${index}`, text: value };
      const sentence = new ForeignRecord(value, record.position);
      return {
        id: `${refId}-${sentence.has('sent_id') ? exactText(sentence.id('sent_id')) : index}`,
        text: sentence.string(sentence.has('sent') ? 'sent' : 'raw'),
      };
    }),
  };
}

function queriesOf(
  { position, annotationIds, imageId, split, sentences }: ReturnType<typeof refOf>,
  annotations: ReadonlyMap<CocoId, CocoAnnotation>,
  image: string | undefined,
): EvalQuery[] {
  const truthsXyxy = annotationIds.map((id) => {
    const annotation = annotations.get(id);
    if (annotation?.imageId === imageId) return xywhToXyxy(annotation.boxXywh);
    throw recordError(
      position,
      `annotation ${exactText(id)} of image ${exactText(imageId)} is not in the annotation file`,
      'refs and `instances.json` must be of the same data set',
    );
  });
  if (image === undefined) {
    throw recordError(position, `image ${imageId} has no \`file_name\` in the annotation file`);
  }
  return sentences.map(({ id, text }) => ({
    id,
    line: position.element ?? 0,
    query: text,
    image,
    truthsXyxy,
    group: split,
  }));
}

/** One stage of an answer: its text, and its box, null where there is none. */
export interface EvalStage {
  readonly boxXyxy: BoxXyxy | null;
  /** All boxes of an answer that lists several, best first; `boxXyxy` is the first. */
  readonly boxes?: readonly EvalBox[];
  /** 0..1 */
  readonly score?: number;
  readonly text?: string;
}

/** One line of a results file. */
export interface EvalResult {
  readonly id: string;
  readonly line: number;
  readonly size?: ImageSize;
  readonly toolName?: string;
  /** Null where the line has no tool, as on an error record. */
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
export function evalResults(lines: JsonLines, source: string): AsyncGenerator<EvalResult> {
  return readJsonLines(lines, source, (record, line) => {
    checkKind(record);
    if (record.raw('type') === 'result') return resultOf(record, line);
    return { id: idOf(record), line, tool: null, answer: null };
  });
}

function checkKind(record: ForeignRecord): void {
  const type = record.raw('type');
  if (type === 'detections') {
    throw recordError(
      record.position,
      'expected a line of `vgr refine`, got one of `vgr detect`',
      'score detections with `--coco-gt` and `--coco-dt`',
    );
  }
  if (type === undefined) {
    throw recordError(
      record.position,
      'expected a line of `vgr refine`, got one without `type`',
      'use results.jsonl of its `--output` folder, or its standard output; a queries file goes to `--queries`',
    );
  }
  if (type !== 'result' && type !== 'error') record.refuse('type', '`result` or `error`');
  if (record.raw('schema') !== RESULT_SCHEMA) record.refuse('schema', String(RESULT_SCHEMA));
}

/** The id of the line, or else its line number in the queries file. */
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
    tool: tool ? { boxXyxy: boxOf(tool) ?? null, score: scoreOf(tool) } : null,
    answer: stageOf(answer),
    toolName: tool?.optionalString('name'),
    size: record.optionalSize(),
    think: record.has('think') ? stageOf(record.record('think')) : undefined,
    decision: answer.optionalString('decision'),
  };
}

function stageOf(record: ForeignRecord): EvalStage {
  // A missing box is a null, not a missing field: a field under another name must not pass for "no answer".
  if (record.raw('bbox_2d') === undefined) record.refuse('bbox_2d', '[x1, y1, x2, y2] or null');
  return {
    boxXyxy: boxOf(record) ?? null,
    boxes: record.has('boxes') ? boxesOf(record) : undefined,
    score: scoreOf(record),
    text: record.optionalString('text'),
  };
}

function boxOf(record: ForeignRecord): BoxXyxy | undefined {
  return record.has('bbox_2d') ? record.boxXyxy('bbox_2d') : undefined;
}

function boxesOf(record: ForeignRecord): EvalBox[] {
  const boxes = record.list('boxes', 'objects', (holder, name) => {
    const box = holder.record(name);
    return { boxXyxy: box.boxXyxy('bbox_2d'), score: scoreOf(box) };
  });
  const first = boxOf(record);
  if (first ? boxes[0] && isSameXyxy(first, boxes[0].boxXyxy) : boxes.length === 0) return boxes;
  return record.refuse('boxes', 'a list whose first box is `bbox_2d`');
}
