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
/** Stands where the text ends before a value: what was to come is unknown, which is not nothing. */
const CUT_OFF = '';
const WORDS: ReadonlyMap<string, LooseValue> = new Map<string, LooseValue>([
  ['null', null],
  ['none', null],
  ['true', true],
  ['false', false],
]);

/**
 * Every list and object that stands in a text, outermost ones, in order. Takes what models write in place of JSON: single
 * quotes, bare keys, tuples, trailing or missing commas, `None`, a missing end. Words between the values are passed over.
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
