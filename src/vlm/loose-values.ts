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

/** A value with where it stands in the text. */
export interface FoundValue {
  readonly value: LooseValue;
  readonly start: number;
  /** Behind its last character. */
  readonly end: number;
}

/**
 * The outermost lists and objects of a text, in order. Accepts what models write in place of JSON: single quotes, bare keys,
 * tuples, trailing or missing commas, `None`, a missing end. Skips words between the values. Time is linear in the text.
 * Never throws.
 */
export function looseValues(text: string): FoundValue[] {
  const reader = new Reader(text);
  const values: FoundValue[] = [];
  while (reader.skipToOpening()) {
    const start = reader.at;
    const value = reader.value(0);
    values.push({ value, start, end: reader.at });
  }
  return values;
}

class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  get at(): number {
    return Math.min(this.#at, this.text.length);
  }

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
    if (/^[-+]?\.?\d/.test(word)) return /[%‰]$/.test(word) ? word : Number.parseFloat(word);
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
