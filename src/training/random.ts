import { fillWords, seededState, type Xoshiro128State } from '../random/xoshiro128.js';

/** Enough to continue a stream of numbers where it stopped. */
export type RandomState = Readonly<Xoshiro128State>;

/** Random numbers that depend on the seed alone. Its state can be kept after any of them. */
export class RandomStream {
  readonly #state: Xoshiro128State;
  readonly #word = new Uint32Array(1);

  private constructor(state: RandomState) {
    this.#state = [...state];
  }

  /** `seed`: an integer; its lowest 32 bits count. */
  static fromSeed(seed: number): RandomStream {
    return new RandomStream(seededState(seed));
  }

  /** Continues where {@link state} was read. */
  static fromState(state: RandomState): RandomStream {
    return new RandomStream(state);
  }

  get state(): RandomState {
    return [...this.#state];
  }

  /** An integer in [0, 2^32). */
  word(): number {
    fillWords(this.#state, this.#word);
    return this.#word[0]!;
  }

  /** A number in [0, 1), a multiple of 2^-32. */
  uniform(): number {
    return this.word() / 2 ** 32;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** The same items in a random order (Fisher and Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const order = [...items];
    for (let last = order.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [order[last], order[other]] = [order[other]!, order[last]!];
    }
    return order;
  }
}
