import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseAction, overlapsOf } from '../../src/refinement/lite-decision.js';
import { box } from '../support/candidates.js';

const LEFT = box(0, 0, 100, 100);
const LEFT_TOO = box(5, 0, 100, 100);
const LEFT_WIDE = box(0, 0, 110, 100);
const RIGHT = box(400, 0, 100, 100);

describe('chooseAction', () => {
  const cases = [
    {
      name: 'an object with several boxes outweighs a single likelier box',
      boxes: [LEFT, LEFT_TOO, RIGHT],
      probabilities: [0.3, 0.3, 0.4, 0, 0],
      toolAt: -1,
      expected: [0, 1],
    },
    {
      name: 'the tool stays where another object is hardly likelier',
      boxes: [LEFT, RIGHT],
      probabilities: [0.3, 0.51, 0.19, 0],
      toolAt: 0,
      expected: [2],
    },
    {
      name: 'a clearly likelier object is taken',
      boxes: [LEFT, RIGHT],
      probabilities: [0.1, 0.8, 0.1, 0],
      toolAt: 0,
      expected: [1],
    },
    {
      name: 'a better box of the tool’s object is taken',
      boxes: [LEFT, LEFT_WIDE, RIGHT],
      probabilities: [0.05, 0.9, 0, 0.05, 0],
      toolAt: 0,
      expected: [1],
    },
    {
      name: 'nothing is taken where none is likeliest',
      boxes: [LEFT],
      probabilities: [0.1, 0.1, 0.8],
      toolAt: 0,
      expected: [2],
    },
    {
      name: 'nothing is there to take',
      boxes: [],
      probabilities: [0, 1],
      toolAt: -1,
      expected: [1],
    },
  ];
  for (const { name, boxes, probabilities, toolAt, expected } of cases) {
    it(name, () => {
      const action = chooseAction({
        overlaps: overlapsOf(boxes),
        probabilities,
        toolAt,
        margin: 1.2,
      });
      expect(expected).toContain(action);
    });
  }

  it('gives an action that is there, and keeps only what a tool answered', () => {
    const probabilities = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
      minLength: 6,
      maxLength: 6,
    });
    fc.assert(
      fc.property(probabilities, fc.integer({ min: -1, max: 3 }), (given, toolAt) => {
        const overlaps = overlapsOf([LEFT, LEFT_TOO, LEFT_WIDE, RIGHT]);
        const action = chooseAction({ overlaps, probabilities: given, toolAt, margin: 1 });
        expect(action).toBeGreaterThanOrEqual(0);
        expect(action).toBeLessThan(6);
        if (toolAt < 0) expect(action).not.toBe(4);
      }),
    );
  });
});
