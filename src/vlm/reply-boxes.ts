import { type BoxXyxy, clipXyxy, type ImageSize, isSameXyxy } from '../core/box.js';

/** Corrections of an answer. */
type ReplyNote = 'swapped' | 'clamped' | 'unit';

/** What an answer says, in the model's coordinates. */
export type ReplyAnswer =
  | {
      readonly kind: 'boxes';
      /** Best first, at least one; inside the picture, with an area. */
      readonly boxesXyxy: readonly BoxXyxy[];
      readonly notes: readonly ReplyNote[];
    }
  | { readonly kind: 'point'; readonly x: number; readonly y: number }
  | { readonly kind: 'none' }
  /** `reason` is a clause for the repair turn: "it holds three numbers". */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Four numbers are a box, two a point, none says that nothing fits. */
type Shape = readonly number[];

const BOX_KEYS = ['bbox_2d', 'bbox', 'box_2d', 'box', 'bounding_box'];
const POINT_KEYS = ['point_2d', 'point'];
/** `<point>60 70</point>`, as UI-TARS writes it: without attributes, in the model's coordinates. */
const POINT_MARK = /<\s*\|?\s*point\s*\|?\s*>/i;
const BETWEEN_NUMBERS =
  /^(?:[^\p{L}]|px|pixels?|to|and|[xy]|[xy]_?(?:min|max)|left|top|right|bottom)*$/iu;
const NOTHING_SAID =
  /^\W*(none|null|nothing|n\/a|no (?:such |matching |fitting )?(?:box|object|match|one|thing))\b/i;

/**
 * Reads the text of an answer. It accepts a list or an object in loose JSON, corners in any order, coordinates in 0..1, and
 * boxes that reach over the border, which it cuts. A box without area, or fewer than four numbers, is unreadable.
 * @param extent width and height in the model's coordinates
 */
export function readAnswer(text: string, extent: ImageSize): ReplyAnswer {
  const read = readValues(text, extent);
  // Models that are shown boxes as a string in a string write theirs with the same backslashes.
  if (read.kind !== 'unreadable' || !text.includes('\\"')) return read;
  return readValues(text.replaceAll('\\"', '"'), extent);
}

function readValues(text: string, extent: ImageSize): ReplyAnswer {
  const shapes = pairedCorners(looseValues(text).flatMap(shapesOf));
  const boxes = shapes.filter(({ length }) => length === 4);
  if (boxes.length > 0) return placed(boxes, extent);
  const point = shapes.find(({ length }) => length === 2);
  if (point) return { kind: 'point', x: point[0]!, y: point[1]! };
  if (shapes.length > 0 || NOTHING_SAID.test(text)) return { kind: 'none' };
  return readWords(text, extent);
}

/** Answers without brackets: four numbers in a row. */
function readWords(text: string, extent: ImageSize): ReplyAnswer {
  const numbers = numbersInARow(text);
  if (numbers.length === 4) return placed([numbers], extent);
  if (numbers.length === 2 && POINT_MARK.test(text)) {
    return { kind: 'point', x: numbers[0]!, y: numbers[1]! };
  }
  const reason = numbers.length === 0 ? 'it holds no box' : `it holds ${numbers.length} numbers`;
  return { kind: 'unreadable', reason };
}

/** The numbers of a text, but for those in names such as `bbox_2d`; none where words other than those of coordinates part them. */
function numbersInARow(text: string): number[] {
  const found = [...text.matchAll(/(?<![\w.])-?\d+(?:\.\d+)?/g)];
  const apart = found.some(({ index }, at) => {
    const before = found[at - 1];
    return before && !BETWEEN_NUMBERS.test(text.slice(before.index + before[0].length, index));
  });
  return apart ? [] : found.map(([number]) => Number(number));
}

function shapesOf(value: LooseValue): Shape[] {
  if (typeof value === 'string') return looseValues(value).flatMap(shapesOf);
  if (typeof value !== 'object') return [];
  if (value === null) return [[]];
  return Array.isArray(value)
    ? shapesOfList(value as readonly LooseValue[])
    : shapesOfObject(value as Readonly<Record<string, LooseValue>>);
}

function shapesOfList(list: readonly LooseValue[]): Shape[] {
  const numbers = list.map(numberOf);
  if (allNumbers(numbers)) return [0, 2, 4].includes(numbers.length) ? [numbers] : [];
  // A null among numbers is a coordinate that the model does not know, not the word for nothing.
  const isBroken = numbers.some((number) => number !== undefined);
  const items = isBroken ? list.filter((item) => item !== null) : list;
  return pairedCorners(items.flatMap(shapesOf));
}

/** Two points alone are opposite corners: `[[1, 2], [3, 4]]`, `(1, 2), (3, 4)`. */
function pairedCorners(shapes: Shape[]): Shape[] {
  const isPair = shapes.length === 2 && shapes.every(({ length }) => length === 2);
  return isPair ? [shapes.flat()] : shapes;
}

function shapesOfObject(object: Readonly<Record<string, LooseValue>>): Shape[] {
  const keyOf = (keys: readonly string[]) => keys.find((key) => key in object);
  const boxKey = keyOf(BOX_KEYS);
  if (boxKey !== undefined) return shapesOf(object[boxKey]!);
  const named = namedCorners(object);
  if (named) return [named];
  const pointKey = keyOf(POINT_KEYS);
  if (pointKey !== undefined) return shapesOf(object[pointKey]!);
  const values = Object.values(object);
  return values.length === 0 ? [[]] : values.filter((value) => value !== null).flatMap(shapesOf);
}

/** `{x1, y1, x2, y2}`, `{xmin, ymin, xmax, ymax}` or `{x, y, width, height}`. */
function namedCorners(object: Readonly<Record<string, LooseValue>>): Shape | undefined {
  const pick = (...keys: string[]) => {
    const numbers = keys.map((key) => numberOf(object[key] ?? null));
    return allNumbers(numbers) ? numbers : undefined;
  };
  const corners = pick('x1', 'y1', 'x2', 'y2') ?? pick('xmin', 'ymin', 'xmax', 'ymax');
  if (corners) return corners;
  const [x, y, width, height] = pick('x', 'y', 'width', 'height') ?? pick('x', 'y', 'w', 'h') ?? [];
  return x === undefined ? undefined : [x, y!, x + width!, y! + height!];
}

function numberOf(value: LooseValue): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function allNumbers(values: readonly (number | undefined)[]): values is number[] {
  return values.every((value) => value !== undefined);
}

/** Corners put in order and cut at the border. */
function placed(raw: readonly Shape[], extent: ImageSize): ReplyAnswer {
  const notes = new Set<ReplyNote>();
  const boxesXyxy = raw
    .map((numbers) => placedBox(numbers, extent, notes))
    .filter(({ x1, y1, x2, y2 }) => x2 > x1 && y2 > y1);
  if (boxesXyxy.length > 0) return { kind: 'boxes', boxesXyxy, notes: [...notes] };
  return { kind: 'unreadable', reason: `[${raw[0]!.join(', ')}] has no area inside the image` };
}

function placedBox(numbers: Shape, { width, height }: ImageSize, notes: Set<ReplyNote>): BoxXyxy {
  // Whole numbers of 0 and 1 may be pixels; a fraction below 1 is a share of the side for any model.
  const isShare =
    numbers.every((value) => value >= 0 && value <= 1) && !numbers.every(Number.isInteger);
  const [sx, sy] = isShare ? [width, height] : [1, 1];
  const [ax, ay, bx, by] = [numbers[0]! * sx, numbers[1]! * sy, numbers[2]! * sx, numbers[3]! * sy];
  if (isShare) notes.add('unit');
  if (ax > bx || ay > by) notes.add('swapped');
  const ordered = {
    x1: Math.min(ax, bx),
    y1: Math.min(ay, by),
    x2: Math.max(ax, bx),
    y2: Math.max(ay, by),
  };
  const box = clipXyxy(ordered, { width, height });
  if (!isSameXyxy(box, ordered)) notes.add('clamped');
  return box;
}

/** A value read from a model's text: JSON's kinds. */
export type LooseValue =
  | null
  | boolean
  | number
  | string
  | readonly LooseValue[]
  | { readonly [key: string]: LooseValue };

/** Deeper brackets are read as words. */
const MAX_DEPTH = 12;
/** The value where the text ends before one: it is unknown, which is not the same as nothing. */
const CUT_OFF = '';
const WORDS = new Map<string, LooseValue>([
  ['null', null],
  ['none', null],
  ['true', true],
  ['false', false],
]);
const UP_TO_OPENING = /[^[({]*/y;
const SEPARATORS = /[\s,;:=]*/y;
const KEY_END = /\s*[:=]?\s*/y;
const WORD = /.[^\s,;:=()[\]{}"']*/sy;
/** A quote inside words, as in 'the man's hat', ends no string: what follows the end is no word. */
const DOUBLE_QUOTED = /"((?:[^"\\]+|\\.?|"(?=[\p{L}\p{N}]))*)"?/suy;
const SINGLE_QUOTED = /'((?:[^'\\]+|\\.?|'(?=[\p{L}\p{N}]))*)'?/suy;

/**
 * The outermost lists and objects of a text, in order. Accepts what models write in place of JSON: single quotes, bare keys,
 * tuples, trailing or missing commas, `None`, a missing end. Skips words between the values. Time is linear in the text.
 * Never throws.
 */
export function looseValues(text: string): LooseValue[] {
  const reader = new Reader(text);
  const values: LooseValue[] = [];
  while (reader.skipToOpening()) values.push(reader.value(0));
  return values;
}

class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  skipToOpening(): boolean {
    this.#take(UP_TO_OPENING);
    return this.#at < this.text.length;
  }

  value(depth: number): LooseValue {
    const first = this.text[this.#at];
    if (first === undefined) return CUT_OFF;
    if (first === '"') return this.#string(DOUBLE_QUOTED);
    if (first === "'") return this.#string(SINGLE_QUOTED);
    if (depth >= MAX_DEPTH || !'[({'.includes(first)) return this.#word();
    this.#at++;
    const made = first === '{' ? this.#object(depth + 1) : this.#list(depth + 1);
    const isCut = this.#at > this.text.length && Object.keys(made).length === 0;
    return isCut ? CUT_OFF : made;
  }

  #list(depth: number): readonly LooseValue[] {
    const items: LooseValue[] = [];
    while (this.#hasItem()) items.push(this.value(depth));
    return items;
  }

  #object(depth: number): Readonly<Record<string, LooseValue>> {
    const entries: [string, LooseValue][] = [];
    while (this.#hasItem()) {
      const key = this.value(depth);
      const isNamed = this.#take(KEY_END).trim() !== '';
      const isCut = this.#at >= this.text.length;
      const value = isNamed && !this.#atEnd() ? this.value(depth) : null;
      entries.push([String(key), isCut ? CUT_OFF : value]);
    }
    return Object.fromEntries(entries);
  }

  /** Steps over separators. At the end, steps over the closing bracket too, whichever it is. */
  #hasItem(): boolean {
    this.#take(SEPARATORS);
    if (!this.#atEnd()) return true;
    this.#at++;
    return false;
  }

  #atEnd(): boolean {
    return this.#at >= this.text.length || ')]}'.includes(this.text[this.#at]!);
  }

  #string(pattern: RegExp): string {
    return this.#take(pattern, 1).replace(/\\(.?)/gs, '$1');
  }

  #word(): LooseValue {
    const word = this.#take(WORD);
    if (/^[-+]?\.?\d/.test(word)) return Number.parseFloat(word);
    const known = WORDS.get(word.toLowerCase());
    return known === undefined ? word : known;
  }

  /** Steps over what matches here, which is nothing behind the end, and gives a group of it. */
  #take(pattern: RegExp, group = 0): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text) ?? [''];
    this.#at += found[0].length;
    return found[group] ?? '';
  }
}
