/** Four 32-bit words, not all zero. */
export type Xoshiro128State = [number, number, number, number];

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
export function seededState(seed: number): Xoshiro128State {
  const start = seed | 0;
  const word = (step: number) => mixed((start + step * 0x9e3779b9) | 0) >>> 0;
  return [word(1), word(2), word(3), word(4)];
}

function rotatedLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** The finaliser of MurmurHash3: a bijection of 32-bit words in which every input bit moves every output bit. Signed. */
export function mixed(word: number): number {
  let hash = word ^ (word >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
