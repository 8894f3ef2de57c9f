import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { iouXyxy } from '../../src/core/box.js';
import { suppressOverlaps } from '../../src/detect/proposal.js';
import { boxXyxy } from '../support/arbitraries.js';

const contenders = fc.array(fc.record({ boxXyxy, classIndex: fc.integer({ min: 0, max: 2 }) }), {
  maxLength: 40,
});
const threshold = fc.double({ min: 0, max: 1, noNaN: true });

describe('suppressOverlaps', () => {
  it('of nothing is nothing', () => {
    expect(suppressOverlaps([], 0.5)).toEqual([]);
  });

  it('drops what overlaps a better box of its class by more than the threshold', () => {
    const at = (x1: number, classIndex = 0) => ({
      boxXyxy: { x1, y1: 0, x2: x1 + 10, y2: 10 },
      classIndex,
    });
    // Shifted by 2 of 10 pixels, two boxes have an IoU of 80 / 120.
    const boxes = [at(0), at(2), at(2, 1), at(20), at(4)];
    expect(suppressOverlaps(boxes, 0.66)).toEqual([at(0), at(2, 1), at(20), at(4)]);
    expect(suppressOverlaps(boxes, 0.67)).toEqual(boxes);
  });

  it('is idempotent', () => {
    fc.assert(
      fc.property(contenders, threshold, (boxes, iou) => {
        const once = suppressOverlaps(boxes, iou);
        expect(suppressOverlaps(once, iou)).toEqual(once);
      }),
    );
  });

  it('keeps the order, no two overlapping ones, and a better one for each that it drops', () => {
    fc.assert(
      fc.property(contenders, threshold, (boxes, iou) => {
        const kept = suppressOverlaps(boxes, iou);
        expect(boxes.filter((box) => kept.includes(box))).toEqual(kept);
        const rivals = (place: number) =>
          kept.filter(
            (box) =>
              boxes.indexOf(box) < place &&
              box.classIndex === boxes[place]!.classIndex &&
              iouXyxy(box.boxXyxy, boxes[place]!.boxXyxy) > iou,
          );
        for (const [place, box] of boxes.entries()) {
          expect(rivals(place).length > 0).toBe(!kept.includes(box));
        }
      }),
    );
  });
});
