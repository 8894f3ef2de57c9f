import { z } from 'zod';
import type { BoxXywh, BoxXyxy, ImageSize } from '../core/box.js';
import { asVgrError, jsonHint, listHint, quoted, VgrError } from '../core/error.js';
import { expectation, type SchemaWords, valueText } from '../core/schema-error.js';

/** One box that another tool found for the query. */
export interface ToolBox {
  readonly boxXyxy: BoxXyxy;
  /** 0..1 */
  readonly score?: number;
  readonly label?: string;
}

/** The boxes of one tool, best first. */
export interface ToolBoxes {
  readonly name: string;
  readonly boxes: readonly ToolBox[];
}

/** One line of a queries file. */
export interface Query {
  readonly id: string;
  /** Line number in the file, from 1. */
  readonly line: number;
  readonly query: string;
  /** As written: relative to the image folder. Absent only where the line brings boxes in `tools`. */
  readonly imagePath?: string;
  /**
   * Ground truth, absolute pixels: one box of a line with `bbox`, any number of a line with `boxes`; none at all where nothing
   * in the photo fits. Absent where the line has no ground truth.
   */
  readonly truthsXywh?: readonly BoxXywh[];
  readonly tools: readonly ToolBoxes[];
  /** The size that the line itself states. */
  readonly imageSize?: ImageSize;
  /** Every other field of the line, as it was. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Far beyond every photo. Sums, areas and hundredths of such numbers are exact enough, and never infinite. */
const MAX_PIXELS = 1e9;

const coordinate = z.number().min(-MAX_PIXELS).max(MAX_PIXELS);
const positive = z.number().positive().max(MAX_PIXELS);
/** Models answer with swapped corners now and then; which box is meant is clear. */
const xyxy = z.tuple([coordinate, coordinate, coordinate, coordinate]).transform(
  ([x1, y1, x2, y2]): BoxXyxy => ({
    x1: Math.min(x1, x2),
    y1: Math.min(y1, y2),
    x2: Math.max(x1, x2),
    y2: Math.max(y1, y2),
  }),
);
const xywh = z
  .tuple([coordinate, coordinate, coordinate, coordinate])
  .refine(([, , width, height]) => width >= 0 && height >= 0, {
    error: 'expected [x, y, width, height] with width and height >= 0',
  })
  .transform(([x, y, width, height]): BoxXywh => ({ x, y, width, height }));

const toolBox = z.object({
  bbox_2d: xyxy,
  score: z.number().min(0).max(1).nullish(),
  label: z.string().nullish(),
});

/** A `null` counts as absent in every field that may be left out. */
const queryLine = z
  .looseObject({
    id: z.string().min(1).nullish(),
    image: z.string().min(1).nullish(),
    query: z
      .string()
      .refine((text) => text.trim() !== '', { error: 'expected words, got an empty string' }),
    bbox: xywh.nullish(),
    boxes: z.array(xywh).nullish(),
    tools: z.record(z.string(), z.array(toolBox)).nullish(),
    width: positive.nullish(),
    height: positive.nullish(),
  })
  .refine((line) => line.image != null || line.tools != null, {
    path: ['image'],
    error: 'expected a string, or `tools` with boxes; got neither',
  })
  .refine((line) => line.bbox == null || line.boxes == null, {
    path: ['boxes'],
    error: 'expected the ground truth in `bbox` or in `boxes`, got both',
  });

/** Widest and lowest corner of the boxes; the size of an image that nobody states. */
export function extentOf(boxes: readonly BoxXyxy[]): ImageSize {
  let width = 1;
  let height = 1;
  for (const box of boxes) {
    width = Math.max(width, box.x2);
    height = Math.max(height, box.y2);
  }
  return { width, height };
}

/**
 * Reads one line of a queries file.
 * @param number line number from 1, the id of a line that brings none
 * @throws VgrError QUERY_INVALID that names the line, the field, what is expected and what is there
 */
export function parseQueryLine(text: string, number: number): Query {
  const value = jsonOf(text, number);
  return (
    plainQuery(value, number, (field) => !isDeeperThan(field, MAX_DEPTH - 1)) ??
    checkedQuery(value, number)
  );
}

/** The same, judged by the schema alone. */
export function checkedQuery(value: unknown, number: number): Query {
  const parsed = queryLine.safeParse(shallow(value, number), { reportInput: true });
  if (!parsed.success) throw invalidField(parsed.error, number);
  const { id, image, query, bbox, boxes, tools, width, height, ...extra } = parsed.data;
  const truthsXywh = bbox ? [bbox] : boxes;
  return {
    id: id ?? String(number),
    line: number,
    query,
    ...(image != null && { imagePath: image }),
    ...(truthsXywh && { truthsXywh }),
    tools: Object.entries(tools ?? {}).map(([name, found]) => ({
      name,
      boxes: found.map(({ bbox_2d, score, label }) => ({
        boxXyxy: bbox_2d,
        ...(score != null && { score }),
        ...(label != null && { label }),
      })),
    })),
    ...(width != null && height != null && { imageSize: { width, height } }),
    extra,
  };
}

/** A line of a queries file as the reader gives it: its text, or why it has none. */
export type QueryLineItem =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly error: VgrError };

/** A query with the text of its line. */
export interface ReadQuery {
  readonly query: Query;
  readonly text: string;
}

/** A line that holds no query, with the id that it states or else its number. */
export interface UnreadableLine {
  readonly id: string;
  readonly line: number;
  readonly error: VgrError;
}

/** A line by itself as a query, or as the error that it becomes. */
export function readQueryLine(line: QueryLineItem): ReadQuery | UnreadableLine {
  const { number } = line;
  if ('error' in line) return { id: String(number), line: number, error: line.error };
  try {
    return { query: parseQueryLine(line.text, number), text: line.text };
  } catch (thrown) {
    return { id: statedId(line.text) ?? String(number), line: number, error: asVgrError(thrown) };
  }
}

/** Why a query is not answered whose id an earlier line of the file has. */
export function duplicateId(id: string, number: number): VgrError {
  return new VgrError(
    'ID_DUPLICATE',
    `line ${number}: expected an id that is new in the file, got ${quoted(id)} again`,
    { hint: 'give each line an `id` of its own, or leave `id` out: the line number stands in' },
  );
}

/** The id that a line states, even where the rest of it is not valid; undefined where there is none to be read. */
export function statedId(text: string): string | undefined {
  try {
    const id: unknown = (JSON.parse(text) as { id?: unknown } | null)?.id;
    return typeof id === 'string' && id !== '' ? id : undefined;
  } catch {
    return undefined;
  }
}

/** Deeper values are nobody's data, and whatever walks them by recursion runs out of stack. */
const MAX_DEPTH = 100;

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((each) => isDeeperThan(each, levels - 1));
}

function shallow(value: unknown, number: number): unknown {
  if (!isDeeperThan(value, MAX_DEPTH)) return value;
  throw new VgrError(
    'QUERY_INVALID',
    `line ${number}: expected at most ${MAX_DEPTH} levels of lists and objects, got more`,
    { hint: 'leave out what is not needed: other fields are only echoed' },
  );
}

function jsonOf(text: string, number: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new VgrError(
      'QUERY_INVALID',
      `line ${number}: expected a JSON object, got ${quoted(text, 60)}`,
      {
        hint: jsonHint(text, number),
        cause,
      },
    );
  }
}

/** Lists are boxes, and text of a wrong length is empty. */
const WORDS: SchemaWords = { list: 'four numbers', text: 'at least one character' };

/** The first issue, told by line, field, what is expected and what is there. */
function invalidField(error: z.ZodError, number: number): VgrError {
  const issue = error.issues[0]!;
  const field = issue.path.map(String).join('.');
  const got = 'input' in issue ? `, got ${gotText(issue.input)}` : '';
  const wanted =
    issue.code === 'custom' ? issue.message : `expected ${expectation(issue, WORDS)}${got}`;
  const where = field === '' ? `line ${number}` : `line ${number}, field ${quoted(field)}`;
  if (field === '') {
    return new VgrError('QUERY_INVALID', `${where}: ${wanted}`, { hint: listHint });
  }
  const shape = SHAPES[String(issue.path[0])] ?? SHAPE_OF_LINE;
  return new VgrError('QUERY_INVALID', `${where}: ${wanted}`, {
    hint: `${shape}; \`vgr refine --help\` lists the fields`,
  });
}

const SHAPE_OF_LINE = 'a line reads {"id": "q1", "image": "zoo/3.jpg", "query": "the left lion"}';
/** Of fields that are no plain value. */
const SHAPES: Readonly<Record<string, string>> = {
  tools:
    '`tools` reads {"NAME": [{"bbox_2d": [x1, y1, x2, y2], "score": 0.9, "label": "lion"}]}: under the name of each tool a list of boxes, best first, in pixels; `score` (0 to 1) and `label` may be left out',
  bbox: '`bbox` reads [x, y, width, height], in pixels',
  boxes:
    '`boxes` stands in place of `bbox` and reads [[x, y, width, height], ...], in pixels; [] says that nothing in the photo fits',
  id: 'an `id` is text: {"id": "7"}; without one the number of the line stands in',
};

function gotText(value: unknown): string {
  return value === undefined ? valueText(value) : quoted(valueText(value), 60);
}

type Json = Readonly<Record<string, unknown>>;

/** Thrown within this file: the schema has to judge. */
const DOUBT = new Error('doubt');

/**
 * The query of a line that is valid beyond doubt, read some ten times as fast as by the schema and equal to what the schema
 * gives. Undefined where there is any doubt: the schema decides then, and finds the words for what is wrong.
 * @param value of the line's JSON
 * @param isShallow whether a value of a field that is only echoed may stand, by how deep it nests
 */
export function plainQuery(
  value: unknown,
  number: number,
  isShallow: (value: unknown) => boolean,
): Query | undefined {
  try {
    return isObject(value) ? queryOf(value, number, isShallow) : undefined;
  } catch (thrown) {
    if (thrown === DOUBT) return undefined;
    throw thrown;
  }
}

function queryOf(line: Json, number: number, isShallow: (value: unknown) => boolean): Query {
  const { id, image, query, bbox, boxes, tools, width, height } = line;
  if ((image == null && tools == null) || (bbox != null && boxes != null)) throw DOUBT;
  if (typeof query !== 'string' || query.trim() === '') throw DOUBT;
  const sizes = [width, height].map((side) => (side == null ? 0 : plainPositive(side)));
  return {
    id: id == null ? String(number) : text(id),
    line: number,
    query,
    ...(image != null && { imagePath: text(image) }),
    ...(bbox != null && { truthsXywh: [boxXywh(bbox)] }),
    ...(boxes != null && { truthsXywh: boxesXywh(boxes) }),
    tools: tools == null ? [] : toolsOf(tools),
    ...(width != null && height != null && { imageSize: { width: sizes[0]!, height: sizes[1]! } }),
    extra: extraOf(line, isShallow),
  };
}

const FIELDS: ReadonlySet<string> = new Set(
  'id image query bbox boxes tools width height'.split(' '),
);

function extraOf(line: Json, isShallow: (value: unknown) => boolean): Record<string, unknown> {
  const extra: Record<string, unknown> = {};
  for (const key of Object.keys(line)) {
    if (FIELDS.has(key)) continue;
    if (key === '__proto__' || !isShallow(line[key])) throw DOUBT;
    extra[key] = line[key];
  }
  return extra;
}

function toolsOf(tools: unknown): ToolBoxes[] {
  if (!isObject(tools)) throw DOUBT;
  return Object.keys(tools).map((name) => {
    const boxes = tools[name];
    if (name === '__proto__' || !Array.isArray(boxes)) throw DOUBT;
    return { name, boxes: boxes.map(plainToolBox) };
  });
}

function plainToolBox(value: unknown): ToolBox {
  if (!isObject(value)) throw DOUBT;
  for (const key in value) {
    if (key !== 'bbox_2d' && typeof value[key] === 'object' && value[key] !== null) throw DOUBT;
  }
  const { score, label } = value;
  const box: { -readonly [Key in keyof ToolBox]: ToolBox[Key] } = {
    boxXyxy: boxXyxy(value.bbox_2d),
  };
  if (score != null) box.score = share(score);
  if (label != null) {
    if (typeof label !== 'string') throw DOUBT;
    box.label = label;
  }
  return box;
}

/** Corners in their order, whichever of them comes first. */
function boxXyxy(value: unknown): BoxXyxy {
  const [x1, y1, x2, y2] = fourPixels(value);
  return {
    x1: Math.min(x1, x2),
    y1: Math.min(y1, y2),
    x2: Math.max(x1, x2),
    y2: Math.max(y1, y2),
  };
}

function boxXywh(value: unknown): BoxXywh {
  const [x, y, width, height] = fourPixels(value);
  if (!(width >= 0 && height >= 0)) throw DOUBT;
  return { x, y, width, height };
}

function boxesXywh(value: unknown): BoxXywh[] {
  if (!Array.isArray(value)) throw DOUBT;
  return value.map(boxXywh);
}

function fourPixels(value: unknown): readonly [number, number, number, number] {
  if (!Array.isArray(value) || value.length !== 4) throw DOUBT;
  for (const side of value) {
    if (typeof side !== 'number' || !(Math.abs(side) <= MAX_PIXELS)) throw DOUBT;
  }
  return value as unknown as readonly [number, number, number, number];
}

function plainPositive(value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value <= MAX_PIXELS)) throw DOUBT;
  return value;
}

function share(value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw DOUBT;
  return value;
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw DOUBT;
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
