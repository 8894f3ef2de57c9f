import type { BoxXywh, BoxXyxy, ImageSize } from '../core/box.js';
import { asVgrError, jsonHint, ONE_A_LINE, quoted, VgrError, valueText } from '../core/error.js';
import { exactText, nearestNumber, parseAsWritten, parseExact } from '../core/exact-json.js';
import type { LineItem } from '../core/line-reader.js';

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
  /** As written: relative to the image folder. Absent only where the line has boxes in `tools`. */
  readonly imagePath?: string;
  /**
   * Ground truth, absolute pixels: the box of a line with `bbox`, those of a line with `boxes`; empty if nothing in the photo
   * fits. Absent if the line has no ground truth.
   */
  readonly truthsXywh?: readonly BoxXywh[];
  readonly tools: readonly ToolBoxes[];
  /** The size that the line states. */
  readonly imageSize?: ImageSize;
  /** Every other field of the line, as it was. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Far beyond every photo, and small enough for sums, areas and hundredths. */
const MAX_PIXELS = 1e9;

/** Size of the smallest image with these boxes, for lines that state none. */
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
 * @param number line number from 1, the id of a line without one
 * @throws VgrError QUERY_INVALID that names the line, the field, what is expected and what is there
 */
export function parseQueryLine(text: string, number: number): Query {
  const refused = (what: string, hint: string, cause?: unknown): VgrError =>
    new VgrError('QUERY_INVALID', `line ${number}${what}`, { hint, cause });
  let value: unknown;
  try {
    value = parseExact(text);
  } catch (cause) {
    const hint = jsonHint(text, number);
    throw refused(`: expected a JSON object, got ${quoted(text, 60)}`, hint, cause);
  }
  if (isDeeperThan(value, MAX_DEPTH)) {
    throw refused(
      `: expected at most ${MAX_DEPTH} levels of lists and objects, got more`,
      'remove fields that are not needed: other fields are only echoed',
    );
  }
  try {
    return queryOf(object(value, ''), number, text);
  } catch (thrown) {
    if (!(thrown instanceof InvalidField)) throw thrown;
    const { path, message } = thrown;
    if (path === '') throw refused(`: ${message}`, ONE_A_LINE);
    const shape = SHAPES[path.split('.', 1)[0]!] ?? SHAPE_OF_LINE;
    const hint = `${shape}; \`vgr refine --help\` lists the fields`;
    throw refused(`, field ${quoted(path)}: ${message}`, hint);
  }
}

/** A line as a query or as its error; `id` is the one that it states, or else its number. */
export type ReadLine = { readonly id: string; readonly line: number } & (
  | { readonly query: Query }
  | { readonly error: VgrError }
);

export function readQueryLine(item: LineItem): ReadLine {
  const line = item.number;
  if ('error' in item) return { id: String(line), line, error: item.error };
  try {
    const query = parseQueryLine(item.text, line);
    return { id: query.id, line, query };
  } catch (thrown) {
    return { id: statedId(item.text) ?? String(line), line, error: asVgrError(thrown) };
  }
}

/** The error of a query whose id an earlier line of the file has. */
export function duplicateId(id: string, number: number): VgrError {
  return new VgrError(
    'ID_DUPLICATE',
    `line ${number}: expected an id that is new in the file, got ${quoted(id)} again`,
    { hint: 'give each line its own `id`, or leave `id` out: the line number is used instead' },
  );
}

/** The id that a line states, even if the rest of it is invalid; undefined if none can be read. */
export function statedId(text: string): string | undefined {
  try {
    const id: unknown = (parseExact(text) as { id?: unknown } | null)?.id;
    return id == null ? undefined : idOf(id);
  } catch {
    return undefined;
  }
}

/** A recursive walk of deeper values may run out of stack; no real data is so deep. */
const MAX_DEPTH = 100;

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const key in value) if (isDeeperThan((value as Json)[key], levels - 1)) return true;
  return false;
}

type Json = Readonly<Record<string, unknown>>;

/** The first invalid field of a line. */
class InvalidField extends Error {
  /** @param path names and indices from the line down, joined by dots; empty for the line itself */
  constructor(
    readonly path: string,
    message: string,
  ) {
    super(message);
  }
}

function invalid(path: string, expected: string, value: unknown): InvalidField {
  const got = value === undefined ? valueText(value) : quoted(valueText(value), 60);
  return new InvalidField(path, `expected ${expected}, got ${got}`);
}

const SHAPE_OF_LINE =
  'a line looks like {"id": "q1", "image": "zoo/3.jpg", "query": "the left lion"}';
/** The layout of fields that are not plain values. */
const SHAPES: Readonly<Record<string, string>> = {
  tools:
    '`tools` looks like {"NAME": [{"bbox_2d": [x1, y1, x2, y2], "score": 0.9, "label": "lion"}]}: the boxes of each tool by its name, best first, in pixels; `score` (0 to 1) and `label` are optional',
  bbox: '`bbox` is [x, y, width, height], in pixels',
  boxes:
    '`boxes` replaces `bbox`: [[x, y, width, height], ...], in pixels; [] means that nothing in the photo fits',
  id: '`id` is a string or a whole number: {"id": "7"}; without it the line number is used',
};

/** Reads the fields in a fixed order, so that the first error is always the same. `null` is as an absent field. */
function queryOf(value: Json, lineNumber: number, text: string): Query {
  const { id, image, query, bbox, boxes, tools, width, height, ...others } = value;
  // A field of this name would become the prototype of a copy.
  Reflect.deleteProperty(others, '__proto__');
  const name = id == null ? String(lineNumber) : idOf(id);
  const imagePath = image == null ? undefined : nonEmpty(image, 'image');
  const words = string(query, 'query');
  if (words.trim() === '') {
    throw new InvalidField('query', 'expected words, got an empty string');
  }
  const truth = bbox == null ? undefined : [boxXywh(bbox, 'bbox')];
  const truths =
    boxes == null
      ? undefined
      : list(boxes, 'boxes').map((box, index) => boxXywh(box, `boxes.${index}`));
  const found = tools == null ? [] : toolsOf(object(tools, 'tools'));
  const imageWidth = width == null ? undefined : side(width, 'width');
  const imageHeight = height == null ? undefined : side(height, 'height');
  if (image == null && tools == null) {
    throw new InvalidField('image', 'expected a string, or `tools` with boxes; got neither');
  }
  if (truth && truths) {
    throw new InvalidField('boxes', 'expected the ground truth in `bbox` or in `boxes`, got both');
  }
  return {
    id: name,
    line: lineNumber,
    query: words,
    imagePath,
    truthsXywh: truth ?? truths,
    tools: found,
    imageSize: imageWidth && imageHeight ? { width: imageWidth, height: imageHeight } : undefined,
    extra: asWritten(others, text),
  };
}

/** The fields with their numbers as the line spells them. */
function asWritten(fields: Json, text: string): Json {
  const names = Object.keys(fields);
  if (names.length === 0) return fields;
  const line = parseAsWritten(text) as Json;
  return Object.fromEntries(names.map((name) => [name, line[name]]));
}

/** A text, or a whole number as it is written. */
function idOf(value: unknown): string {
  if (typeof value === 'number' && Number.isInteger(value)) return String(value);
  return exactText(nonEmpty(value, 'id'));
}

/** Of all tools of a line, as many as a detector gives at most: what is asked of boxes takes time by pairs of them. */
const MAX_BOXES = 10_000;

function toolsOf(tools: Json): ToolBoxes[] {
  const found = Object.keys(tools)
    .filter((name) => name !== '__proto__' && tools[name] !== null)
    .map((name) => {
      const path = `tools.${name}`;
      const boxes = list(tools[name], path);
      return { name, boxes: boxes.flatMap((box, index) => toolBox(box, `${path}.${index}`)) };
    });
  const count = found.reduce((sum, { boxes }) => sum + boxes.length, 0);
  if (count <= MAX_BOXES && found.length <= MAX_BOXES) return found;
  const got = `${count} in ${found.length} tools`;
  throw new InvalidField('tools', `expected at most ${MAX_BOXES} boxes, got ${got}`);
}

/** None where the tool did not give a box. */
function toolBox(value: unknown, path: string): ToolBox[] {
  const { bbox_2d, score, label } = object(value, path);
  const corners = bbox_2d === null ? undefined : boxXyxy(bbox_2d, `${path}.bbox_2d`);
  const facts = {
    score: score == null ? undefined : share(score, `${path}.score`),
    label: label == null ? undefined : string(label, `${path}.label`),
  };
  return corners ? [{ boxXyxy: corners, ...facts }] : [];
}

/** In single precision a score of 1 may come out a hair above it. */
const SCORE_SLACK = 1e-4;

/** A number in 0..1, or a hair beyond, which is rounding; undefined for other values. */
export function shareOf(value: unknown): number | undefined {
  const isNear = typeof value === 'number' && value >= -SCORE_SLACK && value <= 1 + SCORE_SLACK;
  return isNear ? Math.min(Math.max(value, 0), 1) : undefined;
}

function share(value: unknown, path: string): number {
  return shareOf(nearestNumber(value)) ?? numberIn(value, path, 0, 1);
}

/** Models sometimes swap corners. */
function boxXyxy(value: unknown, path: string): BoxXyxy {
  const [x1, y1, x2, y2] = fourPixels(value, path);
  return { x1: Math.min(x1, x2), y1: Math.min(y1, y2), x2: Math.max(x1, x2), y2: Math.max(y1, y2) };
}

function boxXywh(value: unknown, path: string): BoxXywh {
  const [x, y, width, height] = fourPixels(value, path);
  if (width >= 0 && height >= 0) return { x, y, width, height };
  const expected = 'expected [x, y, width, height] with width and height >= 0';
  throw new InvalidField(path, expected);
}

function fourPixels(value: unknown, path: string): readonly [number, number, number, number] {
  if (!Array.isArray(value) || value.length !== 4) throw invalid(path, 'four numbers', value);
  const pixels = value.map((pixel: unknown, index) =>
    typeof pixel === 'number' && Math.abs(pixel) <= MAX_PIXELS
      ? pixel
      : numberIn(pixel, `${path}.${index}`, -MAX_PIXELS, MAX_PIXELS),
  );
  return pixels as [number, number, number, number];
}

function side(given: unknown, path: string): number {
  const value = nearestNumber(given);
  if (typeof value === 'number' && value <= 0) throw invalid(path, 'a number above 0', value);
  return numberIn(value, path, 0, MAX_PIXELS);
}

function numberIn(given: unknown, path: string, least: number, most: number): number {
  const value = nearestNumber(given);
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(path, 'a number', value);
  if (value < least) throw invalid(path, `a number of at least ${least}`, value);
  if (value > most) throw invalid(path, `a number of at most ${most}`, value);
  return value;
}

function nonEmpty(value: unknown, path: string): string {
  const text = string(value, path);
  if (text === '') throw invalid(path, 'at least one character', text);
  return text;
}

function string(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid(path, 'a string', value);
  return value;
}

function list(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(path, 'a list', value);
  return value;
}

function object(value: unknown, path: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw invalid(path, 'an object', value);
}
