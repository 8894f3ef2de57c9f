import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BoxXyxy, ImageSize } from '../../src/core/box.js';
import {
  fromModelXyxy,
  GRIDS,
  gridSize,
  type PixelGrid,
  toModelXyxy,
  writtenXyxy,
} from '../../src/vlm/prompt.js';

const grids: readonly PixelGrid[] = Object.values(GRIDS);
const photos = fc.record({
  width: fc.integer({ min: 16, max: 6000 }),
  height: fc.integer({ min: 16, max: 6000 }),
});

/** A box inside a photo, by shares of its sides. */
function boxIn({ width, height }: ImageSize, shares: readonly number[]): BoxXyxy {
  const [a, b, c, d] = shares as [number, number, number, number];
  return {
    x1: Math.min(a, c) * width,
    y1: Math.min(b, d) * height,
    x2: Math.max(a, c) * width,
    y2: Math.max(b, d) * height,
  };
}

const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 4,
  maxLength: 4,
});

describe('the size at which a model sees a photo', () => {
  // Sizes by `smart_resize` of Qwen2-VL's image processor.
  it.each([
    [
      { width: 640, height: 480 },
      { width: 644, height: 476 },
    ],
    [
      { width: 500, height: 375 },
      { width: 504, height: 364 },
    ],
    [
      { width: 14, height: 14 },
      { width: 56, height: 56 },
    ],
    [
      { width: 70, height: 98 },
      { width: 56, height: 112 },
    ],
    [
      { width: 4000, height: 3000 },
      { width: 1148, height: 840 },
    ],
  ])('%j is %j on the grid of Qwen2.5-VL', (photo, picture) => {
    expect(gridSize(photo, GRIDS['qwen2.5-vl'])).toEqual(picture);
  });

  it('is a multiple of the step within the limits, and stays as it is when seen again', () => {
    fc.assert(
      fc.property(photos, fc.constantFrom(...grids), (photo, grid) => {
        fc.pre(Math.max(photo.width, photo.height) / Math.min(photo.width, photo.height) < 20);
        const picture = gridSize(photo, grid);
        expect(picture.width % grid.step).toBe(0);
        expect(picture.height % grid.step).toBe(0);
        expect(picture.width * picture.height).toBeLessThanOrEqual(grid.maxPixels);
        expect(picture.width * picture.height).toBeGreaterThanOrEqual(grid.minPixels);
        expect(gridSize(picture, grid)).toEqual(picture);
      }),
    );
  });
});

describe('a box', () => {
  it('goes there and back unchanged', () => {
    fc.assert(
      fc.property(photos, shares, fc.constantFrom(...grids), (photo, cut, grid) => {
        const view = { photo, picture: gridSize(photo, grid), grid };
        const box = boxIn(photo, cut);
        const back = fromModelXyxy(toModelXyxy(box, view), view);
        for (const side of ['x1', 'y1', 'x2', 'y2'] as const) {
          expect(back[side]).toBeCloseTo(box[side], 6);
        }
      }),
    );
  });

  it('goes there in whole numbers and comes back within one pixel, or half a step where steps are wider', () => {
    fc.assert(
      fc.property(photos, shares, fc.constantFrom(...grids), (photo, cut, grid) => {
        const picture = gridSize(photo, grid);
        const view = { photo, picture, grid };
        const box = boxIn(photo, cut);
        const back = fromModelXyxy(writtenXyxy(box, view), view);
        const stepX = photo.width / (grid.scale ?? picture.width);
        const stepY = photo.height / (grid.scale ?? picture.height);
        for (const [side, step] of [
          ['x1', stepX],
          ['x2', stepX],
          ['y1', stepY],
          ['y2', stepY],
        ] as const) {
          expect(Math.abs(back[side] - box[side])).toBeLessThanOrEqual(
            Math.max(1, step / 2) + 1e-6,
          );
        }
      }),
    );
  });

  it('is told from 0 to 1000 where the family does so', () => {
    const photo = { width: 640, height: 480 };
    const view = {
      photo,
      picture: gridSize(photo, GRIDS['qwen3-vl']),
      grid: GRIDS['qwen3-vl'],
    };
    const box = { x1: 320, y1: 120, x2: 640, y2: 480 };
    expect(writtenXyxy(box, view)).toEqual({ x1: 500, y1: 250, x2: 1000, y2: 1000 });
  });
});
