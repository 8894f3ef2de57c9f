import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ObjectHypothesis } from '../../src/refine/candidates.js';
import { countChances, positionScore, rankChances } from '../../src/refine/geometry.js';
import { box, PHOTO } from '../support/candidates.js';

const objects = (places: ReadonlyArray<readonly [x: number, chance: number]>): ObjectHypothesis[] =>
  places.map(([x, chance], at) => ({ boxXyxy: box(x, 100, 40, 40), members: [at], chance }));
const probability = fc.double({ min: 0, max: 1, noNaN: true });

describe('countChances', () => {
  it.each([
    [[], [1]],
    [[1], [0, 1]],
    [
      [0.5, 0.5],
      [0.25, 0.5, 0.25],
    ],
  ])('%j gives %j', (chances, counts) => expect(countChances(chances)).toEqual(counts));

  it('sums to 1 and has the mean of its events', () => {
    fc.assert(
      fc.property(fc.array(probability, { maxLength: 15 }), (chances) => {
        const counts = countChances(chances);
        expect(counts.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 9);
        const mean = counts.reduce((sum, chance, n) => sum + n * chance, 0);
        expect(mean).toBeCloseTo(
          chances.reduce((sum, chance) => sum + chance, 0),
          9,
        );
      }),
    );
  });
});

describe('rankChances', () => {
  const three = objects([
    [50, 1],
    [250, 1],
    [450, 1],
  ]);
  const places = (end: 'min' | 'max' | 'middle', rank: number | null) =>
    rankChances({ axis: 'x', end, rank }, three, PHOTO).map((chance) => Math.round(chance * 10));

  it.each([
    ['min', 1, [10, 0, 0]],
    ['min', null, [10, 0, 0]],
    ['min', 2, [0, 10, 0]],
    ['max', 1, [0, 0, 10]],
    ['middle', null, [0, 9, 0]],
    ['max', 9, [0, 0, 0]],
  ] as const)('%s %s', (end, rank, chances) => expect(places(end, rank)).toEqual(chances));

  it('lets no ghost push an object from its place', () => {
    const [ghost, real] = rankChances(
      { axis: 'x', end: 'min', rank: 1 },
      objects([
        [10, 0.02],
        [200, 0.9],
        [400, 0.9],
      ]),
      PHOTO,
    );
    expect(real).toBeGreaterThan(0.8);
    // The ghost would be leftmost if it were there; its own chance is counted elsewhere.
    expect(ghost! * 0.02).toBeLessThan(real! * 0.9);
  });

  it('stays within 0..1', () => {
    const place = fc.tuple(fc.integer({ min: 0, max: 550 }), probability);
    fc.assert(
      fc.property(
        fc.array(place, { maxLength: 30 }),
        fc.constantFrom('min' as const, 'max' as const, 'middle' as const),
        fc.constantFrom('x' as const, 'y' as const, 'size' as const, 'depth' as const),
        (list, end, axis) => {
          for (const chance of rankChances({ axis, end, rank: null }, objects(list), PHOTO)) {
            expect(chance).toBeGreaterThanOrEqual(0);
            expect(chance).toBeLessThanOrEqual(1 + 1e-9);
          }
        },
      ),
    );
  });
});

describe('positionScore', () => {
  it('grows towards the end that is asked for', () => {
    const [left, right] = [box(0, 0, 20, 20), box(580, 0, 20, 20)];
    expect(positionScore({ axis: 'x', end: 'min' }, left, PHOTO)).toBeGreaterThan(0.9);
    expect(positionScore({ axis: 'x', end: 'min' }, right, PHOTO)).toBeLessThan(0.1);
    expect(positionScore({ axis: 'x', end: 'middle' }, box(290, 0, 20, 20), PHOTO)).toBe(1);
    expect(positionScore({ axis: 'size', end: 'max' }, left, PHOTO)).toBeNull();
  });
});
