import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RandomStream } from '../../src/training/random.js';

describe('RandomStream', () => {
  test('follows the published recurrence', () => {
    // xoshiro128** from state 1, 2, 3, 4, computed from its definition in unsigned 64-bit arithmetic.
    const random = RandomStream.fromState([1, 2, 3, 4]);
    let [a, b, c, d] = [1n, 2n, 3n, 4n];
    const mask = 0xffffffffn;
    const turned = (x: bigint, by: bigint) => ((x << by) | (x >> (32n - by))) & mask;
    for (let i = 0; i < 100; i++) {
      expect(random.word()).toBe(Number((turned((b * 5n) & mask, 7n) * 9n) & mask));
      const shifted = (b << 9n) & mask;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = turned(d, 11n);
    }
  });

  test('goes on from its state', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(50), (seed, before) => {
        const first = RandomStream.fromSeed(seed);
        for (let i = 0; i < before; i++) first.word();
        const second = RandomStream.fromState(first.state);
        for (let i = 0; i < 10; i++) expect(second.word()).toBe(first.word());
      }),
    );
  });

  test('neighbouring seeds give unrelated, even numbers', () => {
    const means = Array.from({ length: 50 }, (_, seed) => {
      const random = RandomStream.fromSeed(seed);
      return Array.from({ length: 400 }, () => random.uniform()).reduce((a, b) => a + b) / 400;
    });
    for (const mean of means) expect(Math.abs(mean - 0.5)).toBeLessThan(0.08);
    expect(new Set(means).size).toBe(50);
  });

  test('shuffling keeps every item', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer()), (seed, items) => {
        const shuffled = RandomStream.fromSeed(seed).shuffled(items);
        expect(shuffled.toSorted()).toEqual(items.toSorted());
      }),
    );
  });
});

test('the numbers of a seed stay as they were', () => {
  const random = RandomStream.fromSeed(42);
  expect(random.state).toEqual([939911724, 3948730756, 321366731, 3317318717]);
  expect([random.word(), random.word(), random.word()]).toEqual([2837322924, 544945897, 479756282]);
});
