import { describe, expect, it } from 'vitest';
import { fromHalf, toHalf } from '../../src/core/half-float.js';

describe('numbers of half precision', () => {
  it('are all written back as they were read', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
    const back = toHalf(fromHalf(all));
    const isNumber = (bits: number) => (bits & 0x7fff) <= 0x7c00;
    expect(back.filter((_, place) => isNumber(place))).toEqual(all.filter(isNumber));
    expect(back[0x7e01]).toBe(0x7e00);
  });

  it.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [0.1, 0x2e66],
    [65504, 0x7bff],
    [65519, 0x7bff],
    [65520, 0x7c00],
    // Between two: the even one.
    [2049, 0x6800],
    [2051, 0x6802],
    [2 ** -25, 0],
    [1.5 * 2 ** -24, 2],
    [2 ** -14 - 2 ** -25, 0x0400],
    [-0, 0x8000],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ])('%f is %i', (value, bits) => {
    expect(toHalf(Float32Array.of(value))[0]).toBe(bits);
  });
});
