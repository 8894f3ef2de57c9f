/** The last `capacity` values that were asked for, in the making or made. What fails is asked for anew. */
export class BoundedCache<Value> {
  readonly #capacity: number;
  readonly #values = new Map<string, Promise<Value>>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Undefined where it is not held. */
  get(key: string): Promise<Value> | undefined {
    const known = this.#values.get(key);
    if (known === undefined) return undefined;
    // Moves it to the young end: a Map keeps the order of insertion.
    this.#values.delete(key);
    this.#values.set(key, known);
    return known;
  }

  set(key: string, value: Promise<Value>): void {
    // Who asks gets the error; the cache itself must not make it an unhandled one.
    value.catch(() => {
      if (this.#values.get(key) === value) this.#values.delete(key);
    });
    this.#values.set(key, value);
    if (this.#values.size > this.#capacity) {
      this.#values.delete(this.#values.keys().next().value!);
    }
  }
}
