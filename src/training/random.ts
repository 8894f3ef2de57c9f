/** Four 32-bit words, not all zero: enough to continue a stream of numbers where it stopped. */
export type RandomState = readonly [number, number, number, number];

/**
 * Random numbers that depend on the seed alone: xoshiro128**, started through splitmix32.
 * @see Blackman, Vigna 2021, "Scrambled linear pseudorandom number generators"
 */
export class RandomStream {
  #state: [number, number, number, number];

  private constructor(state: RandomState) {
    this.#state = [...state];
  }

  /** `seed`: an integer; its lowest 32 bits count. */
  static fromSeed(seed: number): RandomStream {
    let word = seed | 0;
    const next = () => {
      word = (word + 0x9e3779b9) | 0;
      let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      return (mixed ^ (mixed >>> 16)) >>> 0;
    };
    return new RandomStream([next(), next(), next(), next() || 1]);
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
    const s = this.#state;
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
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
