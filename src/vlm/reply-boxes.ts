import type { BoxXyxy, ImageSize } from '../core/box.js';

/** Corrections of an answer. */
export type ReplyNote = 'swapped' | 'clamped' | 'unit' | 'point';

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

type FourNumbers = readonly [number, number, number, number];

type Shape =
  | { readonly kind: 'box'; readonly numbers: FourNumbers }
  | { readonly kind: 'point'; readonly x: number; readonly y: number }
  | { readonly kind: 'nothing' };

const BOX_KEYS = ['bbox_2d', 'bbox', 'box_2d', 'box', 'bounding_box'];
const POINT_KEYS = ['point_2d', 'point'];
/** `<point>60 70</point>` of UI-TARS and its kin: without attributes, in the model's coordinates. */
const POINT_MARK = /<\s*\|?\s*point\s*\|?\s*>/i;
const BETWEEN_NUMBERS =
  /^(?:[^\p{L}]|px|pixels?|to|and|[xy]|[xy]_?(?:min|max)|left|top|right|bottom)*$/iu;
const NOTHING_SAID =
  /^\W*(none|null|nothing|n\/a|no (?:such |matching |fitting )?(?:box|object|match|one|thing))\b/i;

/**
 * Reads the text of an answer. Clear forms are taken: a list or an object, in loose JSON; corners in any order; coordinates
 * in 0..1; boxes that reach over the border, which are cut. A box without area, or fewer than four numbers, is not clear.
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
  const boxes = shapes.flatMap((shape) => (shape.kind === 'box' ? [shape.numbers] : []));
  if (boxes.length > 0) return placed(boxes, extent);
  const point = shapes.find((shape) => shape.kind === 'point');
  if (point) return point;
  if (shapes.length > 0 || NOTHING_SAID.test(text)) return { kind: 'none' };
  return readWords(text, extent);
}

/** Answers without brackets: four numbers in a row. */
function readWords(text: string, extent: ImageSize): ReplyAnswer {
  const numbers = numbersInARow(text);
  const four = fourOf(numbers);
  if (four) return placed([four], extent);
  if (numbers.length === 2 && POINT_MARK.test(text)) {
    return { kind: 'point', x: numbers[0]!, y: numbers[1]! };
  }
  const reason = numbers.length === 0 ? 'it holds no box' : `it holds ${numbers.length} numbers`;
  return { kind: 'unreadable', reason };
}

/** The numbers of a text, but for those in names such as `bbox_2d`; none where other words than of coordinates part them. */
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
  if (value === null) return [{ kind: 'nothing' }];
  return Array.isArray(value)
    ? shapesOfList(value as readonly LooseValue[])
    : shapesOfObject(value as Readonly<Record<string, LooseValue>>);
}

function shapesOfList(list: readonly LooseValue[]): Shape[] {
  if (list.length === 0) return [{ kind: 'nothing' }];
  const numbers = list.map(numberOf);
  if (numbers.every((number) => number !== undefined)) {
    const four = fourOf(numbers);
    if (four) return [{ kind: 'box', numbers: four }];
    if (numbers.length === 2) return [{ kind: 'point', x: numbers[0]!, y: numbers[1]! }];
    return [];
  }
  // A null among numbers is a coordinate that the model does not know, not the word for nothing.
  const isBroken = numbers.some((number) => number !== undefined);
  const items = isBroken ? list.filter((item) => item !== null) : list;
  return pairedCorners(items.flatMap(shapesOf));
}

/** Two points alone are opposite corners: `[[1, 2], [3, 4]]`, `(1, 2), (3, 4)`. */
function pairedCorners(shapes: Shape[]): Shape[] {
  const [first, second] = shapes;
  if (shapes.length !== 2 || first?.kind !== 'point' || second?.kind !== 'point') return shapes;
  return [{ kind: 'box', numbers: [first.x, first.y, second.x, second.y] }];
}

function shapesOfObject(object: Readonly<Record<string, LooseValue>>): Shape[] {
  for (const key of BOX_KEYS) {
    if (!(key in object)) continue;
    const inner = object[key]!;
    return inner === null ? [{ kind: 'nothing' }] : shapesOf(inner);
  }
  const named = namedCorners(object);
  if (named) return [{ kind: 'box', numbers: named }];
  for (const key of POINT_KEYS) if (key in object) return shapesOf(object[key]!);
  const values = Object.values(object);
  if (values.length === 0) return [{ kind: 'nothing' }];
  return values.flatMap((value) => (value === null ? [] : shapesOf(value)));
}

/** `{x1, y1, x2, y2}`, `{xmin, ymin, xmax, ymax}` or `{x, y, width, height}`. */
function namedCorners(object: Readonly<Record<string, LooseValue>>): FourNumbers | undefined {
  const pick = (...keys: string[]) => fourOf(keys.map((key) => numberOf(object[key] ?? null)));
  const corners = pick('x1', 'y1', 'x2', 'y2') ?? pick('xmin', 'ymin', 'xmax', 'ymax');
  if (corners) return corners;
  const sized = pick('x', 'y', 'width', 'height') ?? pick('x', 'y', 'w', 'h');
  return sized && [sized[0], sized[1], sized[0] + sized[2], sized[1] + sized[3]];
}

function fourOf(numbers: readonly (number | undefined)[]): FourNumbers | undefined {
  const [a, b, c, d] = numbers;
  if (numbers.length !== 4 || a === undefined || b === undefined) return undefined;
  return c === undefined || d === undefined ? undefined : [a, b, c, d];
}

function numberOf(value: LooseValue): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** Corners put in order and cut at the border. */
function placed(raw: readonly FourNumbers[], extent: ImageSize): ReplyAnswer {
  const notes = new Set<ReplyNote>();
  const boxes = raw.flatMap((numbers) => placedBox(numbers, extent, notes) ?? []);
  if (boxes.length > 0) return { kind: 'boxes', boxesXyxy: boxes, notes: [...notes] };
  const [x1, y1, x2, y2] = raw[0]!;
  const box = `[${x1}, ${y1}, ${x2}, ${y2}]`;
  return { kind: 'unreadable', reason: `${box} has no area inside the image` };
}

function placedBox(
  numbers: FourNumbers,
  { width, height }: ImageSize,
  notes: Set<ReplyNote>,
): BoxXyxy | undefined {
  // Whole numbers of 0 and 1 may be pixels; a fraction below 1 is a share of the side in any model's language.
  const isShare =
    numbers.every((value) => value >= 0 && value <= 1) && !numbers.every(Number.isInteger);
  const [ax, ay, bx, by] = isShare
    ? [numbers[0] * width, numbers[1] * height, numbers[2] * width, numbers[3] * height]
    : numbers;
  if (isShare) notes.add('unit');
  if (ax > bx || ay > by) notes.add('swapped');
  const cut = (value: number, most: number): number => {
    const inside = Math.min(Math.max(value, 0), most);
    if (inside !== value) notes.add('clamped');
    return inside;
  };
  const box = {
    x1: cut(Math.min(ax, bx), width),
    y1: cut(Math.min(ay, by), height),
    x2: cut(Math.max(ax, bx), width),
    y2: cut(Math.max(ay, by), height),
  };
  return box.x2 > box.x1 && box.y2 > box.y1 ? box : undefined;
}

/** A value read from a model's text: JSON's kinds. */
export type LooseValue =
  | null
  | boolean
  | number
  | string
  | readonly LooseValue[]
  | { readonly [key: string]: LooseValue };

/** Deeper nesting than this is no answer; its brackets are read as words. */
const MAX_DEPTH = 12;
const OPENING = '[({';
const ENDS = ')]}';
const SEPARATORS = /[\s,;:=]/;
const SPACE = /\s/;
const IN_WORD = /[^\s,;:=()[\]{}"']/;
/** Stands where the text ends before a value: it is unknown, which is not the same as nothing. */
const CUT_OFF = '';
const WORDS: ReadonlyMap<string, LooseValue> = new Map<string, LooseValue>([
  ['null', null],
  ['none', null],
  ['true', true],
  ['false', false],
]);

/**
 * Every list and object that stands in a text, outermost ones, in order. Takes what models write in place of JSON: single
 * quotes, bare keys, tuples, trailing or missing commas, `None`, a missing end. Words between the values are skipped.
 * Time is linear in the text. Throws nothing.
 */
export function looseValues(text: string): LooseValue[] {
  const reader = new Reader(text);
  const values: LooseValue[] = [];
  while (reader.skipToOpening()) values.push(reader.value(0));
  return values;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  skipToOpening(): boolean {
    while (this.#at < this.#text.length && !OPENING.includes(this.#text[this.#at]!)) this.#at++;
    return this.#at < this.#text.length;
  }

  value(depth: number): LooseValue {
    const first = this.#text[this.#at];
    if (first === undefined) return CUT_OFF;
    if (first === '"' || first === "'") return this.#string(first);
    if (depth >= MAX_DEPTH || !OPENING.includes(first)) return this.#word();
    return first === '{' ? this.#object(depth + 1) : this.#list(depth + 1);
  }

  #list(depth: number): LooseValue {
    const items: LooseValue[] = [];
    this.#at++;
    while (this.#hasItem()) items.push(this.value(depth));
    return items.length === 0 && this.#at > this.#text.length ? CUT_OFF : items;
  }

  #object(depth: number): LooseValue {
    const entries: [string, LooseValue][] = [];
    this.#at++;
    while (this.#hasItem()) {
      const key = this.value(depth);
      this.#skip(SPACE);
      const named = ':='.includes(this.#text[this.#at] ?? ' ');
      if (named) this.#at++;
      this.#skip(SPACE);
      const cut = this.#at >= this.#text.length;
      const value = named && !this.#atEnd() ? this.value(depth) : null;
      entries.push([String(key), cut ? CUT_OFF : value]);
    }
    return entries.length === 0 && this.#at > this.#text.length
      ? CUT_OFF
      : Object.fromEntries(entries);
  }

  /** Steps over separators. At the end, steps over the closing bracket too, whichever it is. */
  #hasItem(): boolean {
    this.#skip(SEPARATORS);
    if (!this.#atEnd()) return true;
    this.#at++;
    return false;
  }

  #atEnd(): boolean {
    return this.#at >= this.#text.length || ENDS.includes(this.#text[this.#at]!);
  }

  #skip(characters: RegExp): void {
    while (this.#at < this.#text.length && characters.test(this.#text[this.#at]!)) this.#at++;
  }

  #string(quote: string): string {
    const parts: string[] = [];
    this.#at++;
    while (this.#at < this.#text.length && !this.#closes(quote)) {
      if (this.#text[this.#at] === '\\') this.#at++;
      parts.push(this.#text[this.#at++] ?? '');
    }
    this.#at++;
    return parts.join('');
  }

  /** A quote inside words, as in 'the man's hat', ends no string: what follows the end is no word. */
  #closes(quote: string): boolean {
    if (this.#text[this.#at] !== quote) return false;
    return !/[\p{L}\p{N}]/u.test(this.#text[this.#at + 1] ?? ' ');
  }

  #word(): LooseValue {
    const start = this.#at++;
    while (this.#at < this.#text.length && IN_WORD.test(this.#text[this.#at]!)) this.#at++;
    const word = this.#text.slice(start, this.#at);
    if (/^[-+]?\.?\d/.test(word)) return Number.parseFloat(word);
    const known = WORDS.get(word.toLowerCase());
    return known === undefined ? word : known;
  }
}
