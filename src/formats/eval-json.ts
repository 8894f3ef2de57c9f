import { hintFor } from './eval-lines.js';
import { quoted, VgrError } from './fault.js';

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
      throw this.#fault(`one value is longer than ${LONGEST_ELEMENT} characters`);
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
    if (this.#state === 'top') throw this.#fault('the file is empty');
    throw this.#fault('the file ends in the middle', 'it seems to be cut; write or copy it again');
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
      return this.#fault(`expected a JSON array or object, got ${quoted(mark)}`);
    }
    if (this.#state !== 'end') return this.#fault(`unexpected ${quoted(mark)}`);
    return this.#fault(
      `text after the end of the JSON value, ${quoted(this.#buffer.slice(this.#at, this.#at + 40))}`,
      'a file of one JSON object a line is read as JSONL, not as JSON',
    );
  }

  #fault(what: string, hint?: string): VgrError {
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
