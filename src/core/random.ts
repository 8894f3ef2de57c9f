import { mixed } from './math.js';

/** Words made at a time. */
const BLOCK = 1024;

/** The Poisson distribution with mean 1 in steps of 2^-16: each weight stands as often as it is likely. */
const POISSON = poissonTable();

function poissonTable(): Uint8Array {
  const table = new Uint8Array(2 ** 16);
  let probability = Math.exp(-1);
  let cumulative = probability;
  let weight = 0;
  for (let index = 0; index < table.length; index++) {
    while ((index + 0.5) / table.length > cumulative) {
      weight++;
      probability /= weight;
      cumulative += probability;
    }
    table[index] = weight;
  }
  return table;
}

/** Random numbers that depend on the seed alone, made in blocks: resampling takes hundreds of millions of them. */
export class SeededRandom {
  readonly #state: Xoshiro128State;
  readonly #words = new Uint32Array(BLOCK);
  #next = BLOCK;

  /** @param seed any integer; its low 32 bits count */
  constructor(seed: number) {
    this.#state = seededState(seed);
  }

  /** An integer, uniform over 0 .. 2^32 - 1. */
  nextUint32(): number {
    if (this.#next === BLOCK) this.#refill();
    return this.#words[this.#next++]!;
  }

  /** Uniform over [0, 1), in steps of 2^-32. */
  next(): number {
    return this.nextUint32() * 2 ** -32;
  }

  /**
   * Uniform over the integers 0 .. `bound` - 1, for `bound` up to 2^32. No draw is rejected: the probabilities of two
   * outcomes differ by at most 2^-32.
   */
  nextBelow(bound: number): number {
    return Math.floor(this.nextUint32() * 2 ** -32 * bound);
  }

  /**
   * Draws as many rows as there are, with replacement: `counts[row]` becomes how often the row is drawn. A count beyond
   * 16 bits has a probability under 10^-280000.
   */
  drawRows(counts: Uint16Array): void {
    const rows = counts.length;
    const scale = rows * 2 ** -32;
    counts.fill(0);
    for (let drawn = 0; drawn < rows; ) {
      if (this.#next === BLOCK) this.#refill();
      const words = this.#words;
      const from = this.#next;
      const to = Math.min(BLOCK, from + rows - drawn);
      for (let index = from; index < to; index++) counts[Math.floor(words[index]! * scale)]!++;
      this.#next = to;
      drawn += to - from;
    }
  }

  /** From the Poisson distribution with mean 1: how often a row of very many is drawn. */
  nextPoisson(): number {
    return POISSON[this.nextUint32() >>> 16]!;
  }

  /**
   * From the normal distribution with mean 0 and variance 1.
   * @see G. Box, M. Muller, "A Note on the Generation of Random Normal Deviates", 1958
   */
  nextNormal(): number {
    const radius = Math.sqrt(-2 * Math.log((this.nextUint32() + 0.5) * 2 ** -32));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  #refill(): void {
    fillWords(this.#state, this.#words);
    this.#next = 0;
  }
}

/** Four 32-bit words, not all zero. */
type Xoshiro128State = [number, number, number, number];

/**
 * Fills `words` with the next integers of xoshiro128**, uniform over 0 .. 2^32 - 1, and moves the state on. 32 bits a step, period
 * 2^128 - 1. Many at a time are faster: the state stays in registers meanwhile.
 * @see D. Blackman, S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 47(4), 2021
 */
export function fillWords(state: Xoshiro128State, words: Uint32Array): void {
  let [word0, word1, word2, word3] = state;
  for (let index = 0; index < words.length; index++) {
    words[index] = Math.imul(rotatedLeft(Math.imul(word1, 5), 7), 9);
    const shifted = word1 << 9;
    word2 ^= word0;
    word3 ^= word1;
    word1 ^= word2;
    word0 ^= word3;
    word2 ^= shifted;
    word3 = rotatedLeft(word3, 11);
  }
  state[0] = word0;
  state[1] = word1;
  state[2] = word2;
  state[3] = word3;
}

/**
 * A state for a seed, of which the low 32 bits count. A mixing function spreads it, so that neighbouring seeds give unrelated
 * streams.
 */
function seededState(seed: number): Xoshiro128State {
  const start = seed | 0;
  const word = (step: number) => mixed((start + step * 0x9e3779b9) | 0) >>> 0;
  return [word(1), word(2), word(3), word(4)];
}

function rotatedLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
