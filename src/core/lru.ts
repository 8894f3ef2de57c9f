import { LRUCache } from 'lru-cache';

/** The last `capacity` values that were asked for, in the making or made. One that fails is forgotten, and asked for again. */
export class PromiseCache<Value> {
  readonly #values: LRUCache<string, Promise<Value>>;

  constructor(capacity: number) {
    this.#values = new LRUCache({ max: capacity });
  }

  /** Undefined where it is not held. */
  get(key: string): Promise<Value> | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Promise<Value>): void {
    // Callers handle the rejection; this avoids an unhandled one for the cached promise.
    value.catch(() => {
      if (this.#values.peek(key) === value) this.#values.delete(key);
    });
    this.#values.set(key, value);
  }
}
