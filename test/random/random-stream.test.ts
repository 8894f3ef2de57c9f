import { describe, expect, test } from 'vitest';
import { RandomStream } from '../../src/random/random-stream.js';

describe('RandomStream', () => {
  test('neighbouring seeds give unrelated, even numbers', () => {
    const means = Array.from({ length: 50 }, (_, seed) => {
      const random = new RandomStream(seed);
      return Array.from({ length: 400 }, () => random.uniform()).reduce((a, b) => a + b) / 400;
    });
    for (const mean of means) expect(Math.abs(mean - 0.5)).toBeLessThan(0.08);
    expect(new Set(means).size).toBe(50);
  });
});

test('the numbers of a seed stay as they were', () => {
  const random = new RandomStream(42);
  expect([random.word(), random.word(), random.word()]).toEqual([2837322924, 544945897, 479756282]);
});
