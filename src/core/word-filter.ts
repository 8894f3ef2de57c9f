const HASHES = 6;
const BITS_PER_WORD = 12;

/** A set of words in few bytes (Bloom filter): never denies a word that was added, and takes one other in about 300 for one. */
export class WordFilter {
  constructor(readonly bits: Uint8Array) {}

  /** Empty, with room for so many words. */
  static ofSize(words: number): WordFilter {
    return new WordFilter(new Uint8Array(Math.ceil((words * BITS_PER_WORD) / 8)));
  }

  add(word: string): void {
    for (const at of this.#places(word)) this.bits[at >> 3]! |= 1 << (at & 7);
  }

  has(word: string): boolean {
    return this.#places(word).every((at) => (this.bits[at >> 3]! & (1 << (at & 7))) !== 0);
  }

  /** Bits of a word: FNV-1a, twice with other starts (Kirsch and Mitzenmacher, 2006). */
  #places(word: string): number[] {
    let [one, other] = [0x811c9dc5, 0x9747b28c];
    for (let at = 0; at < word.length; at++) {
      one = Math.imul(one ^ word.charCodeAt(at), 0x01000193);
      other = Math.imul(other ^ word.charCodeAt(at), 0x5bd1e995);
      other ^= other >>> 13;
    }
    const size = this.bits.length * 8;
    return Array.from({ length: HASHES }, (_, n) => ((one + Math.imul(n, other)) >>> 0) % size);
  }
}
