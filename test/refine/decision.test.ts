import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseBox, chooseSet, memberParts, overlapTable } from '../../src/refine/decision.js';
import { PRIOR_NUMBERS, policyOf } from '../../src/refine/policy.js';
import { boxXyxy } from '../support/arbitraries.js';
import { box } from '../support/candidates.js';

const LEFT = box(0, 0, 100, 100);
const LEFT_TOO = box(5, 0, 100, 100);
const LEFT_WIDE = box(0, 0, 140, 100);
const RIGHT = box(400, 0, 100, 100);

describe('overlapTable', () => {
  it('is the same both ways, and 1 for a box and itself, even without area', () => {
    fc.assert(
      fc.property(fc.array(boxXyxy, { maxLength: 5 }), (boxes) => {
        const table = overlapTable(boxes);
        for (let one = 0; one < boxes.length; one++) {
          expect(table[one * boxes.length + one]).toBe(1);
          for (let other = 0; other < boxes.length; other++) {
            expect(table[one * boxes.length + other]).toBe(table[other * boxes.length + one]);
          }
        }
      }),
    );
  });
});

describe('chooseBox', () => {
  it.each([
    {
      name: 'an object with several boxes outweighs a single likelier box',
      boxes: [RIGHT, LEFT, LEFT_TOO],
      beliefs: [0.4, 0.31, 0.29],
      expected: { at: 1, mass: 0.6 },
    },
    {
      name: 'of an object, the box that overlaps the others most',
      boxes: [LEFT_WIDE, LEFT, LEFT_TOO, RIGHT],
      beliefs: [0.31, 0.28, 0.3, 0.11],
      expected: { at: 2, mass: 0.89 },
    },
    {
      name: 'a box that is far likelier, whatever overlaps better',
      boxes: [LEFT, LEFT_WIDE, RIGHT],
      beliefs: [0.05, 0.9, 0.05],
      expected: { at: 1, mass: 0.95 },
    },
    {
      name: 'a box without area, where it is likeliest',
      boxes: [box(10, 10, 0, 0), RIGHT],
      beliefs: [0.8, 0.2],
      expected: { at: 0, mass: 0.8 },
    },
  ])('$name', ({ boxes, beliefs, expected }) => {
    const belief = { boxes: Float64Array.from(beliefs), none: 0 };
    const choice = chooseBox(belief, overlapTable(boxes), 0.5)!;
    expect(choice.at).toBe(expected.at);
    expect(choice.mass).toBeCloseTo(expected.mass, 9);
  });

  it('is null only above the threshold, or without a box', () => {
    const overlaps = overlapTable([LEFT]);
    const believed = (none: number) => ({ boxes: Float64Array.of(1 - none), none });
    expect(chooseBox(believed(0.7), overlaps, 0.7)?.at).toBe(0);
    expect(chooseBox(believed(0.71), overlaps, 0.7)).toBeNull();
    expect(chooseBox({ boxes: new Float64Array(), none: 0 }, overlapTable([]), 1)).toBeNull();
  });

  it('gives the box of the likeliest object, and the belief in that object', () => {
    const beliefs = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
      minLength: 4,
      maxLength: 4,
    });
    fc.assert(
      fc.property(beliefs, (given) => {
        const belief = { boxes: Float64Array.from(given), none: 0 };
        const overlaps = overlapTable([LEFT, LEFT_TOO, LEFT_WIDE, RIGHT]);
        const { at, mass } = chooseBox(belief, overlaps, 1)!;
        const left = given[0]! + given[1]! + given[2]!;
        expect(mass).toBeCloseTo(Math.max(left, given[3]!), 9);
        expect(at === 3).toBe(given[3]! > left);
      }),
    );
  });
});

describe('chooseSet', () => {
  const policy = policyOf(PRIOR_NUMBERS);
  const boxes = [LEFT, LEFT_TOO, RIGHT, box(200, 0, 90, 90), box(550, 300, 20, 20)];
  /** Logs of the chances to be of the kind; the last is of no kind. */
  const kinds = [-0.1, -0.2, -0.3, -0.4, -6.9];
  const rows = {
    boxes: new Float64Array(boxes.length * policy.columns.length),
    query: new Float64Array(),
    ofTool: new Uint8Array(boxes.length),
    hidden: [],
  };
  const kind = policy.columns.findIndex(({ name }) => name === 'kind');
  for (const [at, value] of kinds.entries()) {
    rows.boxes[at * policy.columns.length + kind] = value;
  }
  const chosen = (count: number | null, weights = {}) =>
    chooseSet(memberParts(policy, rows), overlapTable(boxes), weights, count);

  it('is all that likely belong, the likeliest first, one box of each object', () => {
    const all = chosen(null);
    expect(all.map(({ at }) => at)).toEqual([0, 2, 3]);
    const chances = all.map(({ chance }) => chance);
    expect(chances).toEqual([...chances].sort((a, b) => b - a));
    expect(chances.every((chance) => chance > 0.5 && chance <= 1)).toBe(true);
  });

  it('is as many as are asked for, if there are so many that may belong', () => {
    expect(chosen(2).map(({ at }) => at)).toEqual([0, 2]);
    // The fourth object is of another kind.
    expect(chosen(4).map(({ at }) => at)).toEqual([0, 2, 3]);
    expect(chosen(4, { always: 9 }).map(({ at }) => at)).toEqual([0, 2, 3, 4]);
  });

  it('goes by the weights of the members', () => {
    expect(chosen(null, { always: -9 })).toEqual([]);
    expect(chosen(null, { always: 99 })).toHaveLength(4);
  });
});
