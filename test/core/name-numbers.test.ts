import { expect, it } from 'vitest';
import { NameNumbers } from '../../src/core/name-numbers.js';

it('counts names in the order in which they are first asked for', () => {
  const numbers = new NameNumbers();
  const asked = ['b', 'a', 'b', 'c', '', 'a', '__proto__'];
  expect(asked.map((name) => numbers.numberOf(name))).toEqual([1, 2, 1, 3, 4, 2, 5]);
});

it('holds 200,000 photos apart in at most 16 bytes each', () => {
  const numbers = new NameNumbers();
  const name = (at: number): string => `train2017/${String(at).padStart(12, '0')}.jpg`;
  let wrong = 0;
  for (let at = 1; at <= 200_000; at++) if (numbers.numberOf(name(at)) !== at) wrong += 1;
  for (let at = 1; at <= 200_000; at++) if (numbers.numberOf(name(at)) !== at) wrong += 1;
  expect(wrong).toBe(0);
  expect(numbers.bytes / 200_000).toBeLessThanOrEqual(16);
});
