import { describe, expect, it } from 'vitest';
import { agreement, type FoundBox } from '../../src/evaluate/agreement.js';

const box = (x1: number, categoryId: number, score: number): FoundBox => ({
  boxXyxy: { x1, y1: 0, x2: x1 + 10, y2: 10 },
  categoryId,
  score,
});

describe('the agreement of two detectors', () => {
  const reference = [[box(0, 17, 0.9), box(50, 18, 0.5), box(80, 1, 0.2)], [box(0, 1, 0.8)]];

  it('is 1 where the sure boxes of the reference are found', () => {
    expect(agreement(reference, reference)).toBeCloseTo(1, 6);
    expect(
      agreement([[box(1, 17, 0.3), box(51, 18, 0.3)], [box(1, 1, 0.1)]], reference),
    ).toBeCloseTo(1, 6);
  });

  it('is 0 for other labels or other places', () => {
    expect(agreement([[box(0, 18, 0.9), box(50, 17, 0.5)], []], reference)).toBe(0);
    expect(agreement([[box(20, 17, 0.9)], [box(20, 1, 0.9)]], reference)).toBe(0);
  });

  it('falls where false boxes come before right ones', () => {
    const noisy = [
      [...Array.from({ length: 9 }, (_, i) => box(100 + 20 * i, 17, 0.95)), box(0, 17, 0.5)],
      [],
    ];
    expect(agreement(noisy, [[box(0, 17, 0.9)], []])).toBeLessThan(0.2);
  });

  it('is not known where the reference is sure of nothing', () => {
    expect(agreement(reference, [[box(0, 17, 0.1)], []])).toBeUndefined();
  });
});
