/** Models and expected numbers of `npm run reference`: the committed ones, or those that it has just made. */
export const REFERENCE = process.env.VGR_REFERENCE ?? 'fixtures/reference';

/** Numbers as `scripts/reference/common.py` writes them. */
export interface Golden {
  readonly type: 'uint8' | 'float32' | 'int64';
  readonly dims: readonly number[];
  /** Base64 of little-endian bytes. */
  readonly data: string;
}

export function numbersOf({ type, data }: Golden): Uint8Array | Float32Array | BigInt64Array {
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  if (type === 'uint8') return bytes;
  return type === 'float32' ? new Float32Array(bytes.buffer) : new BigInt64Array(bytes.buffer);
}

/** How far lists of numbers are apart. @throws where they are of other lengths */
export function difference(
  a: ArrayLike<number | bigint>,
  b: ArrayLike<number | bigint>,
): { readonly most: number; readonly mean: number } {
  if (a.length !== b.length) throw new Error(`${a.length} numbers beside ${b.length}`);
  let most = 0;
  let sum = 0;
  for (let at = 0; at < a.length; at++) {
    const apart = Math.abs(Number(a[at]) - Number(b[at]));
    // Not a number is far from everything.
    most = apart <= most ? most : apart;
    sum += apart;
  }
  return { most, mean: sum / a.length };
}
