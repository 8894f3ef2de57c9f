import type { BoxXywh, BoxXyxy } from '../core/box.js';
import { quoted, VgrError } from '../core/error.js';

/** One element of an array that stands at the top of a JSON text, or one level below. */
export interface JsonElement {
  /** Key of the array in the top object; empty where the text itself is an array. */
  readonly section: string;
  /** Place in the array, from 0; -1 for a value of the top object that is no array. */
  readonly index: number;
  readonly value: unknown;
}

/**
 * Reads a JSON text of any size element by element: `[..]`, or `{"images": [..], "annotations": [..]}`. No more than one
 * element and one chunk are held.
 * @param chunks the text in pieces, cut anywhere between two characters
 * @param source name of the file, for messages
 * @throws VgrError INPUT_INVALID that names file, element and what is wrong, also where the text ends early
 */
export async function* jsonElements(
  chunks: AsyncIterable<string> | Iterable<string>,
  source: string,
): AsyncGenerator<JsonElement> {
  const splitter = new JsonSplitter(source);
  for await (const chunk of chunks) {
    splitter.push(chunk);
    for (let element = splitter.next(); element; element = splitter.next()) yield element;
  }
  splitter.finish();
}

/** What a value in the text is to the reader. */
type Role = 'key' | 'element' | 'member';

/** Where the reader stands between values. */
type State =
  | 'top'
  | 'first element'
  | 'element'
  | 'after element'
  | 'first key'
  | 'key'
  | 'colon'
  | 'value'
  | 'after value'
  | 'end';

/** After which punctuation which state follows, and which value may begin. `closed` is decided by what the array lies in. */
const GRAMMAR: Readonly<
  Record<
    State,
    { readonly next: Readonly<Record<string, State | 'closed'>>; readonly begins?: Role }
  >
> = {
  top: { next: { '[': 'first element', '{': 'first key' } },
  'first element': { next: { ']': 'closed' }, begins: 'element' },
  element: { next: {}, begins: 'element' },
  'after element': { next: { ',': 'element', ']': 'closed' } },
  'first key': { next: { '}': 'end' }, begins: 'key' },
  key: { next: {}, begins: 'key' },
  colon: { next: { ':': 'value' } },
  value: { next: { '[': 'first element' }, begins: 'member' },
  'after value': { next: { ',': 'key', '}': 'end' } },
  end: { next: {} },
};

const AFTER: Readonly<Record<Role, State>> = {
  key: 'colon',
  element: 'after element',
  member: 'after value',
};

/** Longest text of one element, characters: far beyond any annotation, and short of what a string may hold. */
const LONGEST_ELEMENT = 2 ** 26;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const BYTE_ORDER_MARK = '\ufeff';

/** Finds where the values begin and end; what lies between is left to `JSON.parse`. */
class JsonSplitter {
  readonly #source: string;
  #buffer = '';
  /** The next character to look at, in `#buffer`. */
  #at = 0;
  /** Characters of the text before `#buffer`. */
  #before = 0;
  #state: State = 'top';
  #isArray = false;
  #section = '';
  #index = 0;
  /** The value being read; its text begins at `#start`. */
  #role: Role | undefined;
  #start = 0;
  #depth = 0;
  #inString = false;

  constructor(source: string) {
    this.#source = source;
  }

  push(chunk: string): void {
    const keep = this.#role ? this.#start : Math.min(this.#at, this.#buffer.length);
    const first = this.#before === 0 && this.#buffer === '';
    this.#buffer =
      this.#buffer.slice(keep) +
      (first && chunk.startsWith(BYTE_ORDER_MARK) ? chunk.slice(1) : chunk);
    this.#before += keep;
    this.#at -= keep;
    this.#start = 0;
    if (this.#role && this.#buffer.length > LONGEST_ELEMENT + chunk.length) {
      throw this.#error(`one value is longer than ${LONGEST_ELEMENT} characters`);
    }
  }

  /** The next element; undefined where more text is needed first. */
  next(): JsonElement | undefined {
    for (;;) {
      if (this.#role) {
        if (!this.#reachEnd()) return undefined;
        const element = this.#takeValue(this.#role);
        if (element) return element;
      } else if (!this.#takePunctuation()) return undefined;
    }
  }

  finish(): void {
    if (this.#state === 'end') return;
    if (this.#state === 'top') throw this.#error('the file is empty');
    throw this.#error('the file ends in the middle', 'it seems to be cut; write or copy it again');
  }

  /** Takes one punctuation mark or enters a value; false at the end of the buffer. */
  #takePunctuation(): boolean {
    while (isSpace(this.#buffer.charCodeAt(this.#at))) this.#at++;
    if (this.#at >= this.#buffer.length) return false;
    const mark = this.#buffer[this.#at]!;
    const { next, begins } = GRAMMAR[this.#state];
    const follows = Object.hasOwn(next, mark) ? next[mark]! : undefined;
    if (follows) {
      this.#at++;
      this.#enter(follows, mark);
    } else if (begins && (begins === 'key' ? mark === '"' : !',:]}'.includes(mark))) {
      this.#role = begins;
      this.#start = this.#at;
    } else throw this.#unexpected(mark);
    return true;
  }

  #enter(follows: State | 'closed', mark: string): void {
    if (follows === 'first element') {
      this.#isArray = this.#state === 'top';
      this.#index = 0;
    }
    if (follows === 'closed') this.#state = this.#isArray ? 'end' : 'after value';
    else this.#state = follows;
    if (mark === '{') this.#isArray = false;
  }

  /** Moves `#at` behind the value; false where the buffer ends first. */
  #reachEnd(): boolean {
    const text = this.#buffer;
    let at = this.#at;
    let depth = this.#depth;
    let isOver = false;
    while (at < text.length && !isOver) {
      const code = text.charCodeAt(at);
      if (this.#inString || code === QUOTE) {
        at = this.#skipString(at);
        isOver = depth === 0 && !this.#inString;
        continue;
      }
      const step = depthStep(code);
      // A number or a word is over before what follows it, all else with its last character.
      if (depth === 0 && (step < 0 || code === COMMA || isSpace(code))) {
        isOver = true;
        continue;
      }
      at++;
      depth += step;
      isOver = step < 0 && depth === 0;
    }
    this.#at = at;
    this.#depth = depth;
    return isOver;
  }

  /**
   * The place behind the string that begins or goes on at `at`. `#inString` tells whether it goes on beyond the buffer; an
   * escaped character may then be in the next chunk, and the place is one beyond the buffer.
   */
  #skipString(at: number): number {
    const text = this.#buffer;
    let next = this.#inString ? at : at + 1;
    this.#inString = true;
    while (next < text.length) {
      const code = text.charCodeAt(next);
      if (code === QUOTE) {
        this.#inString = false;
        return next + 1;
      }
      next += code === BACKSLASH ? 2 : 1;
    }
    return next;
  }

  #takeValue(role: Role): JsonElement | undefined {
    const value = this.#parsed(this.#buffer.slice(this.#start, this.#at));
    this.#role = undefined;
    this.#state = AFTER[role];
    if (role === 'key') {
      this.#section = value as string;
      return undefined;
    }
    return { section: this.#section, index: role === 'element' ? this.#index++ : -1, value };
  }

  #parsed(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new VgrError(
        'INPUT_INVALID',
        `${quoted(this.#source)}, ${this.#place()}: expected JSON, got ${quoted(text, 80)}`,
        { hint: hintFor(text), cause },
      );
    }
  }

  #unexpected(mark: string): VgrError {
    if (this.#state === 'top') {
      return this.#error(`expected a JSON array or object, got ${quoted(mark)}`);
    }
    if (this.#state !== 'end') return this.#error(`unexpected ${quoted(mark)}`);
    return this.#error(
      `text after the end of the JSON value, ${quoted(this.#buffer.slice(this.#at, this.#at + 40))}`,
      'a file of one JSON object a line is read as JSONL, not as JSON',
    );
  }

  #error(what: string, hint?: string): VgrError {
    const place = this.#state === 'top' ? '' : `, ${this.#place()}`;
    return new VgrError(
      'INPUT_INVALID',
      `${quoted(this.#source)}${place}: ${what}`,
      hint === undefined ? {} : { hint },
    );
  }

  #place(): string {
    const character = `character ${this.#before + Math.min(this.#at, this.#buffer.length) + 1}`;
    if (this.#state === 'end' || this.#role === 'key') return character;
    const section = this.#section === '' ? '' : ` of ${quoted(this.#section)}`;
    return `element ${this.#index}${section}, ${character}`;
  }
}

function depthStep(code: number): -1 | 0 | 1 {
  if (code === OPEN_BRACE || code === OPEN_BRACKET) return 1;
  return code === CLOSE_BRACE || code === CLOSE_BRACKET ? -1 : 0;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** A line of a JSONL file as the reader gives it: its text, or why it has none. Numbers count from 1. */
export type EvalLine =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly error: VgrError };

export type EvalLines = AsyncIterable<EvalLine> | Iterable<EvalLine>;

/**
 * Reads a file of JSON lines. An evaluation stops at the first line that is not one: a number over the rest would be wrong.
 * @param source name of the file, for messages
 * @param read makes what is wanted of the value of a line
 * @throws VgrError INPUT_INVALID that names file and line, also for a file without lines
 */
export async function* readJsonLines<T>(
  lines: EvalLines,
  source: string,
  read: (value: unknown, line: number) => T,
): AsyncGenerator<T> {
  let isEmpty = true;
  for await (const line of lines) {
    if ('error' in line) throw rethrown(line.error, source);
    isEmpty = false;
    yield read(parsed(line.text, line.number, source), line.number);
  }
  if (isEmpty) throw recordError({ source }, 'the file has no lines');
}

function parsed(text: string, line: number, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw recordError(
      { source, line },
      `expected a JSON object, got ${quoted(text, 60)}`,
      hintFor(text),
    );
  }
}

/** What may be wrong with a text that is no JSON. */
function hintFor(text: string): string {
  const token = /(?<![\w"])-?(?:NaN|Infinity)(?![\w"])/.exec(text);
  if (token) return `${token[0]} is no number in JSON; write the file again without it`;
  if (/^\s*\{/.test(text) && !/\}\s*$/.test(text)) {
    return 'the line ends in the middle; was the file cut while it was written or copied?';
  }
  return 'check the file with `jq . FILE`';
}

function rethrown(error: VgrError, source: string): VgrError {
  return new VgrError('INPUT_INVALID', `${quoted(source)}, ${error.message}`, {
    cause: error,
    ...(error.hint !== undefined && { hint: error.hint }),
  });
}

/** Where a record stands in a file. */
export interface RecordPlace {
  /** Name of the file. */
  readonly source: string;
  /** Line number from 1 in a file of lines. */
  readonly line?: number;
  /** Place from 0 in an array, and the key that the array stands under. */
  readonly element?: number;
  readonly section?: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** An error about one record. @see VgrError for the manner of the message */
export function recordError(place: RecordPlace, what: string, hint?: string): VgrError {
  const parts = [quoted(place.source)];
  if (place.line !== undefined) parts.push(`line ${place.line}`);
  if (place.element !== undefined) {
    parts.push(`element ${place.element}${place.section ? ` of ${quoted(place.section)}` : ''}`);
  }
  return new VgrError('INPUT_INVALID', `${parts.join(', ')}: ${what}`, hint ? { hint } : {});
}

/** Reads the fields of one foreign record; each is checked when it is asked for. All methods throw VgrError INPUT_INVALID. */
export class ForeignRecord {
  readonly place: RecordPlace;
  readonly #fields: Fields;

  constructor(value: unknown, place: RecordPlace) {
    this.place = place;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw recordError(place, `expected an object, got ${shown(value)}`);
    }
    this.#fields = value as Fields;
  }

  /** Undefined where the field is missing; null stays null. The name is one of ours, not one that every object has. */
  raw(key: string): unknown {
    return this.#fields[key];
  }

  /** The same for a name that comes from outside: `constructor` is no field of a record that does not hold it. */
  foreign(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  /** True where the field is there and not null. */
  has(key: string): boolean {
    return this.raw(key) != null;
  }

  integer(key: string): number {
    const value = this.raw(key);
    return Number.isSafeInteger(value) ? (value as number) : this.refuse(key, 'an integer');
  }

  number(key: string): number {
    const value = this.raw(key);
    return Number.isFinite(value) ? (value as number) : this.refuse(key, 'a finite number');
  }

  /** A number in [0, 1]. */
  share(key: string): number {
    const value = this.raw(key);
    return typeof value === 'number' && value >= 0 && value <= 1
      ? value
      : this.refuse(key, 'a number in 0..1');
  }

  string(key: string): string {
    const value = this.raw(key);
    return typeof value === 'string' ? value : this.refuse(key, 'a string');
  }

  /** An object in a field, at the same place. */
  record(key: string): ForeignRecord {
    const value = this.raw(key);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return new ForeignRecord(value, this.place);
    }
    return this.refuse(key, 'an object');
  }

  keys(): string[] {
    return Object.keys(this.#fields);
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
      return read(new ForeignRecord({ [name]: each }, this.place), name);
    });
  }

  /** @param layout what they mean, for the message */
  fourNumbers(key: string, layout: string): [number, number, number, number] {
    const value = this.raw(key);
    if (Array.isArray(value) && value.length === 4 && value.every(Number.isFinite)) {
      return value as [number, number, number, number];
    }
    return this.refuse(key, `${layout}, four finite numbers`);
  }

  /** @param expected what the field should hold, as a noun */
  refuse(key: string, expected: string): never {
    throw recordError(
      this.place,
      `field ${quoted(key)}: expected ${expected}, got ${shown(this.foreign(key))}`,
    );
  }
}

/** A foreign value in a message. JSON turns numbers beyond the range of doubles into Infinity, and cannot show them. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return quoted(String(value));
  return quoted(JSON.stringify(value, infinite) ?? typeof value, 80);
}

function infinite(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
