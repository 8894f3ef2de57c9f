import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ObjectHypothesis } from '../../src/refine/candidates.js';
import { distanceChances } from '../../src/refine/geometry.js';
import { box, PHOTO } from '../support/candidates.js';

const object = (x: number, y: number, chance = 1): ObjectHypothesis => ({
  boxXyxy: box(x, y, 30, 30),
  members: [0],
  chance,
});
const places = fc.tuple(fc.integer({ min: 0, max: 560 }), fc.integer({ min: 0, max: 360 }));
const scene = fc.array(places, { minLength: 2, maxLength: 6 });

describe('distanceChances', () => {
  const [near, middle, far] = [object(120, 100), object(300, 100), object(500, 100)];
  const landmark = { object: object(60, 100), weight: 0.8 };

  it('holds the closest object, and the farthest where that is asked', () => {
    const chances = (asked: 'closest' | 'farthest') =>
      distanceChances([near, middle, far], [landmark], PHOTO, asked) as number[];
    expect(chances('closest')[0]).toBeGreaterThan(0.95);
    expect(chances('closest')[1]).toBeLessThan(0.05);
    expect(chances('farthest')[2]).toBeGreaterThan(0.95);
    expect(chances('farthest')[0]).toBeLessThan(0.05);
  });

  it('counts an object that is hardly there as hardly closer', () => {
    const ghost = object(95, 100, 0.02);
    const chances = distanceChances([near, far, ghost], [landmark], PHOTO, 'closest') as number[];
    expect(chances[0]).toBeGreaterThan(0.9);
  });

  it('weighs what the landmark may be, and knows nothing where it is not', () => {
    const other = { object: object(560, 100), weight: 0.2 };
    const [first, second] = distanceChances([near, far], [landmark, other], PHOTO, 'closest');
    expect(first).toBeCloseTo(0.8, 1);
    expect(second).toBeCloseTo(0.2, 1);
    expect(distanceChances([near, far], [], PHOTO, 'closest')).toEqual([null, null]);
  });

  it('gives chances that no order of the objects changes, and that sum to about one where all are there', () => {
    fc.assert(
      fc.property(scene, places, fc.constantFrom('closest', 'farthest'), (all, at, asked) => {
        const objects = all.map(([x, y]) => object(x, y));
        const landmarks = [{ object: object(...at), weight: 1 }];
        const chances = distanceChances(objects, landmarks, PHOTO, asked) as number[];
        for (const chance of chances) expect(chance).toBeGreaterThanOrEqual(0);
        expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeLessThan(1.2);
        const turned = distanceChances([...objects].reverse(), landmarks, PHOTO, asked);
        for (const [i, chance] of [...chances].reverse().entries()) {
          expect(turned[i]).toBeCloseTo(chance, 9);
        }
      }),
    );
  });
});
