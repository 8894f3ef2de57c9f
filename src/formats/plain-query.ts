import type { BoxXywh, BoxXyxy } from '../geometry/box.js';
import type { Query, ToolBox, ToolBoxes } from './query-line.js';

/** Far beyond every photo. Sums, areas and hundredths of such numbers are exact enough, and never infinite. */
export const MAX_PIXELS = 1e9;

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
  const sizes = [width, height].map((side) => (side == null ? 0 : positive(side)));
  return {
    id: id == null ? String(number) : text(id),
    line: number,
    query,
    ...(image != null && { image: text(image) }),
    ...(bbox != null && { truthsXywh: [boxXywh(bbox)] }),
    ...(boxes != null && { truthsXywh: boxesXywh(boxes) }),
    tools: tools == null ? [] : toolsOf(tools),
    ...(width != null && height != null && { size: { width: sizes[0]!, height: sizes[1]! } }),
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
    return { name, boxes: boxes.map(toolBox) };
  });
}

function toolBox(value: unknown): ToolBox {
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

function positive(value: unknown): number {
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
