import { expect, test } from 'vitest';
import { fillWords, SeededRandom } from '../../src/core/random.js';

test('xoshiro128** from the state 1, 2, 3, 4', () => {
  // Worked out with unbounded integers from the published step.
  const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849];
  const words = new Uint32Array(expected.length);
  fillWords([1, 2, 3, 4], words);
  expect([...words]).toEqual(expected);
});

test('equal seeds, equal streams; the next seed, another', () => {
  const stream = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 2000 }, () => random.next());
  };
  expect(stream(5)).toEqual(stream(5));
  const next = stream(6);
  expect(stream(5).filter((value, index) => value === next[index]).length).toBeLessThan(3);
});

test('rows are drawn evenly, as many as there are', () => {
  const random = new SeededRandom(11);
  const counts = new Uint16Array(1500);
  const totals = new Float64Array(1500);
  for (let round = 0; round < 400; round++) {
    random.drawRows(counts);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1500);
    counts.forEach((count, row) => {
      totals[row]! += count;
    });
  }
  // Chi-squared over 1500 rows of 400 expected draws: mean 1499, standard deviation 54.8.
  const chiSquared = totals.reduce((sum, total) => sum + (total - 400) ** 2 / 400, 0);
  expect(Math.abs(chiSquared - 1499)).toBeLessThan(4 * 54.8);
});

test('nextBelow stays below its bound', () => {
  const random = new SeededRandom(2);
  const seen = new Set(Array.from({ length: 500 }, () => random.nextBelow(3)));
  expect([...seen].sort()).toEqual([0, 1, 2]);
});

test('Poisson numbers have mean 1 and variance 1', () => {
  const random = new SeededRandom(3);
  const drawn = Float64Array.from({ length: 1_000_000 }, () => random.nextPoisson());
  const { mean, variance } = moments(drawn);
  expect(Math.abs(mean - 1)).toBeLessThan(0.004);
  expect(Math.abs(variance - 1)).toBeLessThan(0.008);
  const none = drawn.filter((count) => count === 0).length / drawn.length;
  expect(Math.abs(none - Math.exp(-1))).toBeLessThan(0.002);
});

test('normal numbers have mean 0, variance 1 and the tails they should', () => {
  const random = new SeededRandom(4);
  const drawn = Float64Array.from({ length: 1_000_000 }, () => random.nextNormal());
  const { mean, variance } = moments(drawn);
  expect(Math.abs(mean)).toBeLessThan(0.004);
  expect(Math.abs(variance - 1)).toBeLessThan(0.006);
  const beyond = drawn.filter((value) => Math.abs(value) > 1.959964).length / drawn.length;
  expect(Math.abs(beyond - 0.05)).toBeLessThan(0.001);
});

function moments(values: Float64Array): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: squares / values.length };
}

test('neighbouring seeds give unrelated, even numbers', () => {
  const means = Array.from({ length: 50 }, (_, seed) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 400 }, () => random.next()).reduce((a, b) => a + b) / 400;
  });
  for (const mean of means) expect(Math.abs(mean - 0.5)).toBeLessThan(0.08);
  expect(new Set(means).size).toBe(50);
});

test('the numbers of a seed stay as they were', () => {
  const random = new SeededRandom(42);
  expect([random.nextUint32(), random.nextUint32(), random.nextUint32()]).toEqual([
    2837322924, 544945897, 479756282,
  ]);
});
