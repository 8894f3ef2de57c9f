import { type BoxXyxy, type ImageSize, xywhToXyxy } from '../geometry/box.js';
import { type EvalLines, readJsonLines } from './eval-lines.js';
import { ForeignRecord } from './eval-place.js';

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
export function scoreAndLabel(record: ForeignRecord): Omit<EvalBox, 'boxXyxy'> {
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
