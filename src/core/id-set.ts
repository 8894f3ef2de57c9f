import { type Hash64, hash64 } from './text-hash.js';

/** Buckets by the top bits of the hash: each grows alone, so growing never holds a second copy of the whole set. */
const BUCKETS = 256;
const FIRST_CAPACITY = 8;
/** Open addressing stays short up to here. */
const FULL = 0.85;
/** Slots after growing are at least 0.85 / 1.5 = 0.57 full, so an id takes at most 8 / 0.57 = 14.1 bytes. */
const GROWTH = 1.5;

interface Bucket {
  /** Pairs of high and low half; 0, 0 marks a free slot. */
  slots: Uint32Array;
  size: number;
}

/**
 * The ids seen so far, as 64-bit hashes. At most 16 bytes an id for large files. Two different ids share a hash once in
 * 10^5 files of 10 million lines.
 */
export class IdSet {
  readonly #buckets: Bucket[] = Array.from({ length: BUCKETS }, () => ({
    slots: new Uint32Array(FIRST_CAPACITY * 2),
    size: 0,
  }));

  /** Adds an id; false when it is there already. */
  add(id: string): boolean {
    const { high, low } = keyOf(id);
    const bucket = this.#buckets[high >>> 24]!;
    const slot = find(bucket.slots, high, low);
    if (isTaken(bucket.slots, slot)) return false;
    bucket.slots[slot] = high;
    bucket.slots[slot + 1] = low;
    bucket.size += 1;
    const capacity = bucket.slots.length / 2;
    if (bucket.size > capacity * FULL) bucket.slots = grown(bucket.slots);
    return true;
  }

  has(id: string): boolean {
    const { high, low } = keyOf(id);
    const { slots } = this.#buckets[high >>> 24]!;
    return isTaken(slots, find(slots, high, low));
  }

  /** Bytes that the set holds. */
  get bytes(): number {
    return this.#buckets.reduce((sum, { slots }) => sum + slots.byteLength, 0);
  }
}

/** The hash of a name, never 0, 0: that pair marks a free slot. */
export function keyOf(id: string): Hash64 {
  const hash = hash64(id);
  return hash.high === 0 && hash.low === 0 ? { high: 0, low: 1 } : hash;
}

/** Index of the key's own slot, or of the free one where it belongs. Linear probing. */
function find(slots: Uint32Array, high: number, low: number): number {
  let slot = (low % (slots.length / 2)) * 2;
  while (isTaken(slots, slot) && (slots[slot] !== high || slots[slot + 1] !== low)) {
    slot = slot + 2 === slots.length ? 0 : slot + 2;
  }
  return slot;
}

function isTaken(slots: Uint32Array, slot: number): boolean {
  return slots[slot] !== 0 || slots[slot + 1] !== 0;
}

function grown(slots: Uint32Array): Uint32Array {
  const wider = new Uint32Array(Math.ceil((slots.length / 2) * GROWTH) * 2);
  for (let index = 0; index < slots.length; index += 2) {
    if (!isTaken(slots, index)) continue;
    const slot = find(wider, slots[index]!, slots[index + 1]!);
    wider[slot] = slots[index]!;
    wider[slot + 1] = slots[index + 1]!;
  }
  return wider;
}
