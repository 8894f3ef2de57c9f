import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentXyxy, photoToRasterXyxy, rasterToPhotoXyxy } from '../../src/geometry/letterbox.js';

const side = fc.integer({ min: 1, max: 20_000 });
const size = fc.record({ width: side, height: side });
const specification = fc.record({
  width: fc.integer({ min: 1, max: 1333 }),
  height: fc.integer({ min: 1, max: 1333 }),
  fit: fc.constantFrom('stretch' as const, 'letterbox' as const, 'letterbox-centre' as const),
  fill: fc.integer({ min: 0, max: 255 }),
});

describe('contentXyxy', () => {
  const vga = { width: 640, height: 480 };
  const square = { width: 512, height: 512, fill: 114 };
  it.each([
    ['stretch', { x1: 0, y1: 0, x2: 512, y2: 512 }],
    ['letterbox', { x1: 0, y1: 0, x2: 512, y2: 384 }],
    ['letterbox-centre', { x1: 0, y1: 64, x2: 512, y2: 448 }],
  ] as const)('places a wide photo by %s', (fit, expected) => {
    expect(contentXyxy(vga, { ...square, fit })).toEqual(expected);
  });

  it('lies inside the raster, on whole pixels, and touches two opposite borders', () => {
    fc.assert(
      fc.property(size, specification, (photo, spec) => {
        const { x1, y1, x2, y2 } = contentXyxy(photo, spec);
        expect([x1, y1, x2, y2].every(Number.isInteger)).toBe(true);
        expect(x1 >= 0 && y1 >= 0 && x2 <= spec.width && y2 <= spec.height).toBe(true);
        expect(x2 - x1 >= 1 && y2 - y1 >= 1).toBe(true);
        expect(x2 - x1 === spec.width || y2 - y1 === spec.height).toBe(true);
      }),
    );
  });

  it('maps boxes there and back', () => {
    fc.assert(
      fc.property(size, specification, fc.tuple(side, side, side, side), (photo, spec, corners) => {
        const [x1, y1, x2, y2] = corners;
        const box = { x1, y1, x2, y2 };
        const back = rasterToPhotoXyxy(photoToRasterXyxy(box, photo, spec), photo, spec);
        for (const key of ['x1', 'y1', 'x2', 'y2'] as const) {
          expect(Math.abs(back[key] - box[key])).toBeLessThan(
            1e-6 * (1 + photo.width + photo.height),
          );
        }
      }),
    );
  });
});
