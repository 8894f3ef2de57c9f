import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { isSameXyxy } from '../geometry/overlap.js';
import { type EvalLines, readJsonLines } from './eval-lines.js';
import { ForeignRecord, recordFault } from './eval-place.js';
import { type EvalBox, scoreAndLabel } from './eval-queries.js';
import { RESULT_SCHEMA } from './result-line.js';

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
    throw recordFault(
      record.place,
      'expected a line of `vgr refine`, got one of `vgr detect`',
      'detections are scored against boxes of all objects: `--coco-gt` and `--coco-dt`',
    );
  }
  if (type === undefined) {
    throw recordFault(
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
