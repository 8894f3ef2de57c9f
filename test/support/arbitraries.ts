import fc from 'fast-check';
import type { BoxXyxy } from '../../src/geometry/box.js';

const side = fc.double({ min: 0, max: 1000, noNaN: true });

/** Boxes inside a square of 1000 pixels, some without area. */
export const boxXyxy: fc.Arbitrary<BoxXyxy> = fc
  .tuple(side, side, side, side)
  .map(([a, b, c, d]) => ({
    x1: Math.min(a, c),
    y1: Math.min(b, d),
    x2: Math.max(a, c),
    y2: Math.max(b, d),
  }));
