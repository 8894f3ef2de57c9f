import { mixed } from './math.js';

/** A 64-bit hash as two unsigned 32-bit halves. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

/**
 * Two FNV-1a lanes over UTF-16 units with different offsets, each finished by `mixed`. Not for secrets.
 * @see http://www.isthe.com/chongo/tech/comp/fnv/
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

/** Buckets by the top bits of the hash: each grows alone, so growing never holds a second copy of the whole table. */
const BUCKETS = 256;
const FIRST_CAPACITY = 8;
/** Words of a slot: high and low half of the hash, number. Number 0 marks a free slot. */
const WORDS = 3;
const MAX_LOAD = 0.9;
/** Slots after growing are at least 0.9 / 1.2 = 0.75 full, so a name takes at most 12 / 0.75 = 16 bytes. */
const GROWTH = 1.2;

/**
 * Names, numbered from 1 in the order in which they are added. Holds 64-bit hashes in place of the names: at most 16 bytes
 * each for many names, where a `Set` takes about 100 and ends at 16.7 million. Two names share a hash once in 10^5 runs over
 * 10 million.
 */
export class NameTable {
  readonly #buckets: Uint32Array[] = Array.from(
    { length: BUCKETS },
    () => new Uint32Array(FIRST_CAPACITY * WORDS),
  );
  readonly #sizes = new Uint32Array(BUCKETS);
  #count = 0;

  /** Adds a name; false when it is there already. */
  add(name: string): boolean {
    const before = this.#count;
    return this.numberOf(name) > before;
  }

  has(name: string): boolean {
    return this.get(name) !== 0;
  }

  /** The number of a name, 0 where it is not there. */
  get(name: string): number {
    const hash = hash64(name);
    const slots = this.#buckets[hash.high >>> 24]!;
    return slots[find(slots, hash) + 2]!;
  }

  /** The number of a name, which is added where it is new. */
  numberOf(name: string): number {
    const hash = hash64(name);
    const at = hash.high >>> 24;
    const slots = this.#buckets[at]!;
    const slot = find(slots, hash);
    if (slots[slot + 2] !== 0) return slots[slot + 2]!;
    this.#count += 1;
    fill(slots, slot, hash, this.#count);
    this.#sizes[at]! += 1;
    if (this.#sizes[at]! > (slots.length / WORDS) * MAX_LOAD) this.#buckets[at] = grown(slots);
    return this.#count;
  }

  /** Bytes that the table holds. */
  get bytes(): number {
    return this.#buckets.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

/** Index of the hash's own slot, or of the free one where it belongs. Linear probing. */
function find(slots: Uint32Array, { high, low }: Hash64): number {
  let slot = (low % (slots.length / WORDS)) * WORDS;
  while (slots[slot + 2] !== 0 && (slots[slot] !== high || slots[slot + 1] !== low)) {
    slot = slot + WORDS === slots.length ? 0 : slot + WORDS;
  }
  return slot;
}

function fill(slots: Uint32Array, slot: number, { high, low }: Hash64, number: number): void {
  slots[slot] = high;
  slots[slot + 1] = low;
  slots[slot + 2] = number;
}

function grown(slots: Uint32Array): Uint32Array {
  const wider = new Uint32Array(Math.ceil((slots.length / WORDS) * GROWTH) * WORDS);
  for (let at = 0; at < slots.length; at += WORDS) {
    if (slots[at + 2] === 0) continue;
    const hash = { high: slots[at]!, low: slots[at + 1]! };
    fill(wider, find(wider, hash), hash, slots[at + 2]!);
  }
  return wider;
}
