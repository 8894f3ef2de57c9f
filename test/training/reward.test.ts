import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { refinementReward, reward } from '../../src/training/reward.js';

describe('refinementReward', () => {
  test.each([
    ['correction', 0.2, 0.9, 1],
    ['correction at the border', 0.49, 0.5, 1],
    ['confirmation', 0.5, 0.5, 0.5],
    ['confirmation by another box', 0.9, 0.6, 0.5],
    ['a right tool spoilt', 0.9, 0.49, 0],
    ['both wrong', 0.1, 0.3, 0],
    ['no box', 0.9, 0, 0],
  ])('%s', (_, tool, answer, expected) => {
    expect(refinementReward({ tool, answer })).toBe(expected);
  });
});

describe('reward', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });

  test('nine parts answer, one part format', () => {
    expect(reward('refinement', { tool: 0, answer: 1 })).toBeCloseTo(1, 12);
    expect(reward('refinement', { tool: 1, answer: 1 })).toBeCloseTo(0.55, 12);
    expect(reward('refinement', { tool: 1, answer: 0 })).toBeCloseTo(0.1, 12);
    expect(reward('refinement', { tool: 0, answer: 1 }, 0)).toBeCloseTo(0.9, 12);
    expect(reward('iou', { tool: 0.3, answer: 0.8 })).toBeCloseTo(0.82, 12);
  });

  test('stays in 0..1 and never falls with a better answer', () => {
    fc.assert(
      fc.property(share, share, share, (tool, one, other) => {
        const [worse, better] = [Math.min(one, other), Math.max(one, other)];
        for (const kind of ['refinement', 'iou'] as const) {
          const low = reward(kind, { tool, answer: worse });
          const high = reward(kind, { tool, answer: better });
          expect(low).toBeLessThanOrEqual(high);
          expect(low).toBeGreaterThanOrEqual(0);
          expect(high).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
