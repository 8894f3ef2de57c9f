import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentXyxy, rasterSize, rasterToPhotoXyxy } from '../../src/core/raster.js';

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
        const content = contentXyxy(photo, spec);
        const sx = (content.x2 - content.x1) / photo.width;
        const sy = (content.y2 - content.y1) / photo.height;
        const there = {
          x1: content.x1 + x1 * sx,
          y1: content.y1 + y1 * sy,
          x2: content.x1 + x2 * sx,
          y2: content.y1 + y2 * sy,
        };
        const back = rasterToPhotoXyxy(there, photo, spec);
        for (const key of ['x1', 'y1', 'x2', 'y2'] as const) {
          expect(Math.abs(back[key] - box[key])).toBeLessThan(
            1e-6 * (1 + photo.width + photo.height),
          );
        }
      }),
    );
  });
});

describe('a raster whose longer side is bounded', () => {
  const spec = { width: 640, height: 640, fit: 'longer-side' as const, fill: 114, multiple: 32 };

  it.each([
    [640, 480, 640, 480, 640, 480],
    [427, 640, 427, 640, 448, 640],
    [4000, 3000, 640, 480, 640, 480],
    [1500, 1000, 640, 427, 640, 448],
    // Never enlarged.
    [500, 375, 500, 375, 512, 384],
    [1, 1, 1, 1, 32, 32],
    [20_000, 1, 640, 1, 640, 32],
  ])('puts %i x %i as %i x %i into %i x %i', (width, height, x2, y2, w, h) => {
    expect(contentXyxy({ width, height }, spec)).toEqual({ x1: 0, y1: 0, x2, y2 });
    expect(rasterSize({ width, height }, spec)).toEqual({ width: w, height: h });
  });

  it('has sides that are multiples, within the limit, and less than one more than the photo', () => {
    fc.assert(
      fc.property(size, (photo) => {
        const { width, height } = rasterSize(photo, spec);
        const { x2, y2 } = contentXyxy(photo, spec);
        for (const [side, content] of [
          [width, x2],
          [height, y2],
        ] as const) {
          expect(side % 32).toBe(0);
          expect(side).toBeLessThanOrEqual(640);
          expect(side - content).toBeGreaterThanOrEqual(0);
          expect(side - content).toBeLessThan(32);
        }
      }),
    );
  });
});

describe('a raster whose size the photo decides', () => {
  const spec = { width: 1333, height: 800, fit: 'shorter-side' as const, fill: 0 };

  it.each([
    // As the processor of Grounding DINO gives them.
    [640, 480, 1066, 800],
    [480, 640, 800, 1066],
    [1000, 300, 1333, 400],
    [300, 1000, 400, 1333],
    [500, 500, 800, 800],
    [800, 1200, 800, 1200],
    [4000, 3000, 1066, 800],
    [20_000, 1, 1333, 1],
  ])('brings %i x %i to %i x %i', (width, height, w, h) => {
    expect(rasterSize({ width, height }, spec)).toEqual({ width: w, height: h });
    expect(contentXyxy({ width, height }, spec)).toEqual({ x1: 0, y1: 0, x2: w, y2: h });
  });

  it('is never larger than the limits, nor empty, and fills itself', () => {
    fc.assert(
      fc.property(size, (photo) => {
        const { width, height } = rasterSize(photo, spec);
        expect(Math.min(width, height)).toBeGreaterThanOrEqual(1);
        expect(Math.min(width, height)).toBeLessThanOrEqual(800);
        expect(Math.max(width, height)).toBeLessThanOrEqual(1333);
        const content = { x1: 0, y1: 0, x2: width, y2: height };
        expect(contentXyxy(photo, spec)).toEqual(content);
      }),
    );
  });
});
