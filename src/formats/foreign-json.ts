import type { BoxXywh, BoxXyxy, ImageSize } from '../core/box.js';
import { quoted, VgrError } from '../core/error.js';
import { exactJson, exactText, nearestNumber, parseExact } from '../core/exact-json.js';
import type { LineItem } from '../core/line-reader.js';
import { shareOf } from './query-line.js';

/** A file in pieces, cut anywhere between two characters. */
export type JsonText = AsyncIterable<string> | Iterable<string>;

/** One element of an array that is the whole JSON text, or a value of its top object. */
export interface JsonElement {
  /** Key of the array in the top object; empty if the text itself is an array. */
  readonly section: string;
  /** In the array, from 0; -1 for a value of the top object that is not an array. */
  readonly index: number;
  readonly value: unknown;
}

/**
 * Reads a JSON text of any size element by element: `[..]`, or `{"images": [..], "annotations": [..]}`. Memory holds one element
 * and one chunk.
 * @param source name of the file, for messages
 * @param sections the keys of the top object that are wanted; elements of others have no value, and what is wrong inside of them
 *   does not matter. By default all
 * @throws VgrError INPUT_INVALID that names file, element and what is wrong, also if the text ends early
 */
export async function* jsonElements(
  chunks: JsonText,
  source: string,
  sections?: readonly string[],
): AsyncGenerator<JsonElement> {
  const reader = new JsonReader(source, sections);
  const elements = reader.elements();
  for await (const chunk of chunks) {
    reader.push(chunk);
    for (let next = elements.next(); next.value; next = elements.next()) yield next.value;
  }
  reader.finish();
}

/**
 * The objects of a file that is one list.
 * @param expected what the file should be
 * @throws VgrError INPUT_INVALID, also where the file is an object
 */
export async function* listRecords(
  chunks: JsonText,
  source: string,
  expected: string,
  hint?: string,
): AsyncGenerator<ForeignRecord> {
  for await (const { section, index, value } of jsonElements(chunks, source)) {
    if (section !== '') throw recordError({ source }, `expected ${expected}, got an object`, hint);
    yield new ForeignRecord(value, { source, element: index });
  }
}

/** Maximum length of one element, characters: far beyond any annotation, and less than the limit of strings. */
const MAX_ELEMENT_CHARACTERS = 2 ** 26;

const BYTE_ORDER_MARK = '\ufeff';

/** A character that is not white space. */
const MARK = /[^ \n\r\t]/g;
/** Characters that matter for the end of a value: in numbers and words, which end before them; in lists and objects; in strings. */
const OF_VALUE = /["[\]{}, \n\r\t]/g;
const NESTED = /["[\]{}]/g;
const OF_STRING = /["\\]/g;

/** Finds where values begin and end; `JSON.parse` reads them. */
class JsonReader {
  #text = '';
  /** The next character to look at, in `#text`. */
  #at = 0;
  /** Characters of the file before `#text`. */
  #before = 0;
  /** What is being read: the start of the file, a key, anything else in the value of the file, or what follows it. */
  #part: 'top' | 'key' | 'inside' | 'end' = 'top';
  #section = '';
  #index = 0;
  /** Where the value that is being read begins in `#text`; undefined between values. */
  #start: number | undefined;
  #depth = 0;
  #inString = false;

  constructor(
    private readonly source: string,
    private readonly sections?: readonly string[],
  ) {}

  push(chunk: string): void {
    const dropped = this.#start ?? Math.min(this.#at, this.#text.length);
    const isFirst = this.#before === 0 && this.#text === '';
    const added = isFirst && chunk.startsWith(BYTE_ORDER_MARK) ? chunk.slice(1) : chunk;
    this.#text = this.#text.slice(dropped) + added;
    this.#before += dropped;
    this.#at -= dropped;
    if (this.#start === undefined) return;
    this.#start = 0;
    if (this.#text.length > MAX_ELEMENT_CHARACTERS + chunk.length) {
      throw this.#error(`one value is longer than ${MAX_ELEMENT_CHARACTERS} characters`);
    }
  }

  /** The elements of the file; undefined each time that more text is needed. */
  *elements(): Generator<JsonElement | undefined, undefined> {
    const mark = yield* this.#mark();
    if (mark !== '[' && mark !== '{') throw this.#unexpected(mark);
    this.#at++;
    this.#part = 'inside';
    yield* mark === '[' ? this.#list() : this.#members();
    this.#part = 'end';
    throw this.#unexpected(yield* this.#mark());
  }

  finish(): void {
    if (this.#part === 'end') return;
    if (this.#part === 'top') throw this.#error('the file is empty');
    throw this.#error(
      'the file ends in the middle',
      'the file seems incomplete; write or copy it again',
    );
  }

  *#list(): Generator<JsonElement | undefined, void> {
    this.#index = 0;
    if (this.#takes(yield* this.#mark(), ']')) return;
    do {
      const value = yield* this.#value();
      yield { section: this.#section, index: this.#index++, value };
    } while (this.#continues(this.#nextMark() ?? (yield* this.#mark()), ']'));
  }

  *#members(): Generator<JsonElement | undefined, void> {
    if (this.#takes(yield* this.#mark(), '}')) return;
    do {
      const quote = yield* this.#mark();
      if (quote !== '"') throw this.#unexpected(quote);
      this.#part = 'key';
      this.#section = (yield* this.#value()) as string;
      this.#part = 'inside';
      const colon = yield* this.#mark();
      if (!this.#takes(colon, ':')) throw this.#unexpected(colon);
      if (this.#takes(yield* this.#mark(), '[')) yield* this.#list();
      else yield { section: this.#section, index: -1, value: yield* this.#value() };
    } while (this.#continues(yield* this.#mark(), '}'));
  }

  *#value(): Generator<undefined, unknown> {
    const mark = this.#nextMark() ?? (yield* this.#mark());
    if (',:]}'.includes(mark)) throw this.#unexpected(mark);
    this.#start = this.#at;
    while (!this.#reachEnd()) yield;
    const isWanted = this.#part === 'key' || (this.sections?.includes(this.#section) ?? true);
    const value = isWanted ? this.#parsed(this.#text.slice(this.#start, this.#at)) : undefined;
    this.#start = undefined;
    return value;
  }

  /** The next character that is not white space, once it is there. It is not taken yet. */
  *#mark(): Generator<undefined, string> {
    for (;;) {
      const mark = this.#nextMark();
      if (mark !== undefined) return mark;
      yield;
    }
  }

  #nextMark(): string | undefined {
    this.#at = this.#indexOf(MARK);
    return this.#text[this.#at];
  }

  /** The index of the next of these characters; the end of the text if there is none. */
  #indexOf(marks: RegExp): number {
    marks.lastIndex = this.#at;
    return marks.exec(this.#text)?.index ?? Math.max(this.#at, this.#text.length);
  }

  /** Takes the mark if it is the `wanted` one. */
  #takes(mark: string, wanted: string): boolean {
    if (mark === wanted) this.#at++;
    return mark === wanted;
  }

  /** Takes a comma, or the mark that closes the list or object. */
  #continues(mark: string, close: string): boolean {
    if (this.#takes(mark, ',')) return true;
    if (this.#takes(mark, close)) return false;
    throw this.#unexpected(mark);
  }

  /** Moves `#at` behind the value; false if the text ends first. */
  #reachEnd(): boolean {
    for (;;) {
      const outside = this.#depth > 0 ? NESTED : OF_VALUE;
      this.#at = this.#indexOf(this.#inString ? OF_STRING : outside);
      const mark = this.#text[this.#at];
      if (mark === undefined) return false;
      if (mark === '"') this.#inString = !this.#inString;
      else if (mark === '{' || mark === '[') this.#depth += 1;
      else if (this.#inString) this.#at += 1;
      else if (this.#depth === 0) return true;
      else this.#depth -= 1;
      this.#at += 1;
      if (this.#depth === 0 && !this.#inString) return true;
    }
  }

  #parsed(text: string): unknown {
    try {
      return parseExact(text);
    } catch (cause) {
      throw new VgrError(
        'INPUT_INVALID',
        `${quoted(this.source)}, ${this.#position()}: expected JSON, got ${quoted(text, 80)}`,
        { hint: hintFor(text), cause },
      );
    }
  }

  #unexpected(mark: string): VgrError {
    if (this.#part === 'top') {
      return this.#error(`expected a JSON array or object, got ${quoted(mark)}`);
    }
    if (this.#part !== 'end') return this.#error(`unexpected ${quoted(mark)}`);
    return this.#error(
      `text after the end of the JSON value, ${quoted(this.#text.slice(this.#at, this.#at + 40))}`,
      'a file with one JSON object per line is JSONL, not JSON',
    );
  }

  #error(what: string, hint?: string): VgrError {
    const position = this.#part === 'top' ? '' : `, ${this.#position()}`;
    return new VgrError('INPUT_INVALID', `${quoted(this.source)}${position}: ${what}`, { hint });
  }

  #position(): string {
    const character = `character ${this.#before + Math.min(this.#at, this.#text.length) + 1}`;
    if (this.#part === 'end' || this.#part === 'key') return character;
    const section = this.#section === '' ? '' : ` of ${quoted(this.#section)}`;
    return `element ${this.#index}${section}, ${character}`;
  }
}

/** The lines of a file. */
export type JsonLines = AsyncIterable<LineItem> | Iterable<LineItem>;

/**
 * Reads a file of JSON lines. An evaluation stops at the first invalid line: numbers over the others would be wrong.
 * @param source name of the file, for messages
 * @param read makes what is wanted of a line
 * @throws VgrError INPUT_INVALID that names file and line, also for a file without lines
 */
export async function* readJsonLines<T>(
  lines: JsonLines,
  source: string,
  read: (record: ForeignRecord, line: number) => T,
): AsyncGenerator<T> {
  let isEmpty = true;
  for await (const line of lines) {
    if ('error' in line) {
      const { message, hint } = line.error;
      const cause = line.error;
      throw new VgrError('INPUT_INVALID', `${quoted(source)}, ${message}`, { hint, cause });
    }
    isEmpty = false;
    const position = { source, line: line.number };
    yield read(new ForeignRecord(parsed(line.text, position), position), line.number);
  }
  if (isEmpty) throw recordError({ source }, 'the file has no lines');
}

function parsed(text: string, position: RecordPosition): unknown {
  try {
    return parseExact(text);
  } catch {
    throw recordError(position, `expected a JSON object, got ${quoted(text, 60)}`, hintFor(text));
  }
}

/** What may be wrong with a text that is not JSON. */
function hintFor(text: string): string {
  const token = /(?<![\w"])-?(?:NaN|Infinity)(?![\w"])/.exec(text);
  if (token) return `${token[0]} is not valid JSON; write the file again without it`;
  if (/^\s*\{/.test(text) && !/\}\s*$/.test(text)) {
    return 'the line ends in the middle; was writing or copying the file interrupted?';
  }
  return 'check the file with `jq . FILE`';
}

/** The id of an image, an annotation or a category. */
export type CocoId = number | string;

/** The position of a record in a file, for messages. */
export interface RecordPosition {
  /** Name of the file. */
  readonly source: string;
  /** From 1, in a file of lines. */
  readonly line?: number;
  /** Index in an array, and the key that the array stands under. */
  readonly element?: number;
  readonly section?: string;
}

/** An error about one record. @see VgrError for the manner of the message */
export function recordError(position: RecordPosition, what: string, hint?: string): VgrError {
  const { source, line, element, section } = position;
  const parts = [quoted(source)];
  if (line !== undefined) parts.push(`line ${line}`);
  if (element !== undefined) {
    parts.push(`element ${element}${section ? ` of ${quoted(section)}` : ''}`);
  }
  return new VgrError('INPUT_INVALID', `${parts.join(', ')}: ${what}`, { hint });
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads the fields of one foreign record; each is checked when it is read. All methods throw VgrError INPUT_INVALID. */
export class ForeignRecord {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(
    value: unknown,
    readonly position: RecordPosition,
  ) {
    if (!isFields(value)) throw recordError(position, `expected an object, got ${shown(value)}`);
    this.#fields = value;
  }

  keys(): string[] {
    return Object.keys(this.#fields);
  }

  /** Undefined if the field is missing, also for names that every object has, such as `constructor`; null stays null. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  /** True where the field is there and not null. */
  has(key: string): boolean {
    return this.raw(key) != null;
  }

  integer(key: string): number {
    const value = nearestNumber(this.raw(key));
    return Number.isSafeInteger(value) ? (value as number) : this.refuse(key, 'an integer');
  }

  number(key: string): number {
    const value = nearestNumber(this.raw(key));
    return Number.isFinite(value) ? (value as number) : this.refuse(key, 'a finite number');
  }

  /** A number in [0, 1]; one that rounding has put a hair beyond is the limit. */
  share(key: string): number {
    return shareOf(nearestNumber(this.raw(key))) ?? this.refuse(key, 'a number in 0..1');
  }

  /** A whole number of any length, or a text, as pycocotools takes them. */
  id(key: string): CocoId {
    const value = this.raw(key);
    if (typeof value === 'string' && value !== '') return value;
    return Number.isInteger(value) ? (value as number) : this.refuse(key, 'an integer or a text');
  }

  string(key: string): string {
    const value = this.raw(key);
    return typeof value === 'string' ? value : this.refuse(key, 'a string');
  }

  /** The id of a line: a text, or a whole number as it is written. */
  name(key: string): string {
    const value = this.raw(key);
    return Number.isInteger(value) ? String(value) : exactText(this.string(key));
  }

  /** Undefined where the field is missing or null. */
  optionalString(key: string): string | undefined {
    return this.has(key) ? this.string(key) : undefined;
  }

  /** `width` and `height`; undefined where one of them is missing or null. */
  optionalSize(): ImageSize | undefined {
    if (!this.has('width') || !this.has('height')) return undefined;
    return { width: this.number('width'), height: this.number('height') };
  }

  /** An object in a field, at the same position. */
  record(key: string): ForeignRecord {
    const value = this.raw(key);
    return isFields(value)
      ? new ForeignRecord(value, this.position)
      : this.refuse(key, 'an object');
  }

  /** `[x, y, width, height]`, sizes not negative. */
  boxXywh(key: string): BoxXywh {
    const [x, y, width, height] = this.fourNumbers(key, '[x, y, width, height]');
    if (width >= 0 && height >= 0) return { x, y, width, height };
    return this.refuse(key, '[x, y, width, height] with width and height >= 0');
  }

  /** `[x1, y1, x2, y2]`, corners in order. */
  boxXyxy(key: string): BoxXyxy {
    const [x1, y1, x2, y2] = this.fourNumbers(key, '[x1, y1, x2, y2]');
    if (x2 >= x1 && y2 >= y1) return { x1, y1, x2, y2 };
    return this.refuse(key, '[x1, y1, x2, y2] with x2 >= x1 and y2 >= y1');
  }

  /**
   * A list in a field.
   * @param read gets a record that holds one element, under the name that messages give it
   */
  list<T>(key: string, expected: string, read: (record: ForeignRecord, name: string) => T): T[] {
    const value = this.raw(key);
    if (!Array.isArray(value)) return this.refuse(key, `a list of ${expected}`);
    return value.map((each, index) => {
      const name = `${key}[${index}]`;
      return read(new ForeignRecord({ [name]: each }, this.position), name);
    });
  }

  /** @param layout what they mean, for the message */
  fourNumbers(key: string, layout: string): [number, number, number, number] {
    const value = this.raw(key);
    const numbers = Array.isArray(value) ? value.map(nearestNumber) : [];
    if (numbers.length === 4 && numbers.every(Number.isFinite)) {
      return numbers as [number, number, number, number];
    }
    return this.refuse(key, `${layout}, four finite numbers`);
  }

  /** @param expected what the field should hold, as a noun */
  refuse(key: string, expected: string): never {
    throw recordError(
      this.position,
      `field ${quoted(key)}: expected ${expected}, got ${shown(this.raw(key))}`,
    );
  }
}

/** A value in a message. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return quoted(String(value));
  return quoted(exactJson(value) ?? typeof value, 80);
}
