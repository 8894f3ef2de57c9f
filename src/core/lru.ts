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

  /** The value that is held, or else the one that `make` gives, which is held from now on. */
  getOrMake(key: string, make: () => Promise<Value>): Promise<Value> {
    const held = this.get(key);
    if (held) return held;
    const value = make();
    this.set(key, value);
    return value;
  }

  set(key: string, value: Promise<Value>): void {
    // Callers handle the rejection; this avoids an unhandled one for the cached promise.
    value.catch(() => {
      if (this.#values.peek(key) === value) this.#values.delete(key);
    });
    this.#values.set(key, value);
  }
}

/** Longer texts come once, and would fill the memory. Characters. */
const MAX_KEY_LENGTH = 400;

/** The same as `work`, with the last `capacity` values kept. Texts of more than 400 characters are worked out each time. */
export function memoized<Value extends NonNullable<unknown>>(
  capacity: number,
  work: (text: string) => Value,
): (text: string) => Value {
  const values = new LRUCache<string, Value>({ max: capacity, memoMethod: (text) => work(text) });
  return (text) => (text.length > MAX_KEY_LENGTH ? work(text) : values.memo(text));
}

/** The value of `make`, made on first use and then kept. */
export function lazy<Value extends NonNullable<unknown>>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
