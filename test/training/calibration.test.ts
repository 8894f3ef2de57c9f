import { describe, expect, test } from 'vitest';
import { fitCalibration, UNCALIBRATED } from '../../src/training/calibration.js';
import { RandomStream } from '../../src/training/random.js';

/** Answers that are right as often as `scale * x + offset` says. */
function answered(count: number, scale: number, offset: number) {
  const random = RandomStream.fromSeed(3);
  const logOdds = Array.from({ length: count }, () => 6 * random.uniform() - 3);
  const right = logOdds.map((x) => random.uniform() < 1 / (1 + Math.exp(-(scale * x + offset))));
  return { logOdds, right };
}

describe('fitCalibration', () => {
  test.each([
    [1, 0],
    [0.4, -0.5],
    [2, 1],
  ])('finds scale %d and offset %d', (scale, offset) => {
    const { logOdds, right } = answered(20_000, scale, offset);
    const found = fitCalibration(logOdds, right);
    expect(Math.abs(found.scale - scale)).toBeLessThan(0.08);
    expect(Math.abs(found.offset - offset)).toBeLessThan(0.08);
  });

  test('nothing to go by changes nothing', () => {
    expect(fitCalibration([], [])).toEqual(UNCALIBRATED);
  });

  test('answers that log-odds separate keep it finite', () => {
    const found = fitCalibration([-5, -1, 1, 5], [false, false, true, true]);
    expect(found.scale).toBeGreaterThan(1);
    expect(found.scale).toBeLessThan(10);
  });
});
