import { keyOf } from './id-set.js';

/** Buckets by the top bits of the hash: each grows alone, so growing never holds a second copy of the whole table. */
const BUCKETS = 256;
const FIRST_CAPACITY = 8;
/** Words of a slot: high and low half of the hash, number. 0, 0 marks a free slot. */
const WORDS = 3;
const FULL = 0.9;
/** Slots after growing are at least 0.9 / 1.2 = 0.75 full, so a name takes at most 12 / 0.75 = 16 bytes. */
const GROWTH = 1.2;

/**
 * Names by number, from 1 in the order in which they are first asked for. Names are known by 64-bit hashes: at most 16 bytes
 * each for many names, and two names share a number once in 10^5 runs over 10 million photos.
 */
export class NameNumbers {
  readonly #buckets: Uint32Array[] = Array.from(
    { length: BUCKETS },
    () => new Uint32Array(FIRST_CAPACITY * WORDS),
  );
  readonly #sizes = new Uint32Array(BUCKETS);
  #count = 0;

  numberOf(name: string): number {
    const { high, low } = keyOf(name);
    const at = high >>> 24;
    const slots = this.#buckets[at]!;
    const slot = find(slots, high, low);
    if (isTaken(slots, slot)) return slots[slot + 2]!;
    this.#count += 1;
    slots.set([high, low, this.#count], slot);
    this.#sizes[at]! += 1;
    if (this.#sizes[at]! > (slots.length / WORDS) * FULL) this.#buckets[at] = grown(slots);
    return this.#count;
  }

  /** Bytes that the table holds. */
  get bytes(): number {
    return this.#buckets.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

/** Index of the key's own slot, or of the free one where it belongs. Linear probing. */
function find(slots: Uint32Array, high: number, low: number): number {
  let slot = (low % (slots.length / WORDS)) * WORDS;
  while (isTaken(slots, slot) && (slots[slot] !== high || slots[slot + 1] !== low)) {
    slot = slot + WORDS === slots.length ? 0 : slot + WORDS;
  }
  return slot;
}

function isTaken(slots: Uint32Array, slot: number): boolean {
  return slots[slot] !== 0 || slots[slot + 1] !== 0;
}

function grown(slots: Uint32Array): Uint32Array {
  const wider = new Uint32Array(Math.ceil((slots.length / WORDS) * GROWTH) * WORDS);
  for (let index = 0; index < slots.length; index += WORDS) {
    if (!isTaken(slots, index)) continue;
    const slot = find(wider, slots[index]!, slots[index + 1]!);
    wider.set(slots.subarray(index, index + WORDS), slot);
  }
  return wider;
}
