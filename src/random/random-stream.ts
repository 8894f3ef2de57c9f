import { fillWords, seededState, type Xoshiro128State } from './xoshiro128.js';

/** Random numbers that depend on the seed alone. */
export class RandomStream {
  readonly #state: Xoshiro128State;
  readonly #word = new Uint32Array(1);

  /** `seed`: an integer; its lowest 32 bits count. */
  constructor(seed: number) {
    this.#state = seededState(seed);
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
}
