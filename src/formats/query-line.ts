import { z } from 'zod';
import type { BoxXywh, BoxXyxy, ImageSize } from '../geometry/box.js';
import { quoted, VgrError } from './fault.js';
import { jsonHint, listHint } from './line-hint.js';
import { MAX_PIXELS, plainQuery } from './plain-query.js';
import { expectation, type SchemaWords, valueText } from './schema-fault.js';

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
  readonly image?: string;
  /**
   * Ground truth, absolute pixels: one box of a line with `bbox`, any number of a line with `boxes`; none at all where nothing
   * in the photo fits. Absent where the line has no ground truth.
   */
  readonly truthsXywh?: readonly BoxXywh[];
  readonly tools: readonly ToolBoxes[];
  /** The size that the line itself states. */
  readonly size?: ImageSize;
  /** Every other field of the line, as it was. */
  readonly extra: Readonly<Record<string, unknown>>;
}

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
    ...(image != null && { image }),
    ...(truthsXywh && { truthsXywh }),
    tools: Object.entries(tools ?? {}).map(([name, found]) => ({
      name,
      boxes: found.map(({ bbox_2d, score, label }) => ({
        boxXyxy: bbox_2d,
        ...(score != null && { score }),
        ...(label != null && { label }),
      })),
    })),
    ...(width != null && height != null && { size: { width, height } }),
    extra,
  };
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
