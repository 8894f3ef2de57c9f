/** Longer texts come once, and would fill the memory. Characters. */
const LONGEST = 400;

/**
 * What was worked out for the texts of late. Holds between `limit` and twice `limit` entries: when the young half is full,
 * the old half is let go, and an entry that is asked for again moves to the young one. Texts of more than 400 characters are
 * not held.
 */
export class Recent<Value> {
  readonly #limit: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The value of a text, worked out where it is not known. */
  of(text: string, work: (text: string) => Value): Value {
    if (text.length > LONGEST) return work(text);
    const young = this.#young.get(text);
    if (young !== undefined) return young;
    const value = this.#old.get(text) ?? work(text);
    if (this.#young.size >= this.#limit) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, value);
    return value;
  }
}
