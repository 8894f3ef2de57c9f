import { describe, expect, test } from 'vitest';
import { refinementReward } from '../../src/train/objective.js';

describe('refinementReward', () => {
  test.each([
    ['correction', 0.2, 0.9, 1],
    ['correction of a tool at the border', 0.5, 0.51, 1],
    ['confirmation', 0.51, 0.51, 0.5],
    ['confirmation by another box', 0.9, 0.6, 0.5],
    ['a right tool spoilt', 0.9, 0.5, 0],
    ['both wrong', 0.1, 0.3, 0],
    ['no box', 0.9, 0, 0],
  ])('%s', (_, tool, answer, expected) => {
    expect(refinementReward({ tool, answer })).toBe(expected);
  });
});
