/** A 64-bit hash as two unsigned 32-bit halves. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

/**
 * Two FNV-1a lanes over UTF-16 units with different offsets, each finished with the mixer of MurmurHash3. Not for secrets.
 * @see http://www.isthe.com/chongo/tech/comp/fnv/ and Appleby, MurmurHash3 (fmix32)
 */
export function hash64(text: string): Hash64 {
  let high = 0x811c9dc5;
  let low = 0x9747b28c;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul((low ^ unit) + index, 0x85ebca6b);
    low = (low << 13) | (low >>> 19);
  }
  return { high: mixed(high ^ text.length) >>> 0, low: mixed(low + text.length) >>> 0 };
}

/** The finaliser of MurmurHash3: a bijection of 32-bit words in which every input bit moves every output bit. Signed. */
export function mixed(word: number): number {
  let hash = word ^ (word >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
