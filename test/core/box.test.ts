import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BoxXyxy,
  clipXyxy,
  cxcywhToXyxy,
  intersectionXyxy,
  iouXyxy,
  scaleXyxy,
  shareInsideXyxy,
  xywhToXyxy,
  xyxyToXywh,
} from '../../src/core/box.js';
import { boxXyxy } from '../support/arbitraries.js';

const close = (a: BoxXyxy, b: BoxXyxy): void => {
  for (const side of ['x1', 'y1', 'x2', 'y2'] as const) expect(a[side]).toBeCloseTo(b[side], 6);
};

describe('layouts', () => {
  it('convert as the worked examples say', () => {
    expect(xywhToXyxy({ x: 1, y: 2, width: 3, height: 4 })).toEqual({ x1: 1, y1: 2, x2: 4, y2: 6 });
    expect(cxcywhToXyxy({ cx: 2, cy: 3, width: 2, height: 4 })).toEqual({
      x1: 1,
      y1: 1,
      x2: 3,
      y2: 5,
    });
  });

  it('round-trip', () => {
    fc.assert(
      fc.property(boxXyxy, (box) => {
        close(xywhToXyxy(xyxyToXywh(box)), box);
        const { x, y, width, height } = xyxyToXywh(box);
        close(cxcywhToXyxy({ cx: x + width / 2, cy: y + height / 2, width, height }), box);
        close(scaleXyxy(scaleXyxy(box, 4, 0.5), 0.25, 2), box);
      }),
    );
  });

  it('clip into the image and leave what is inside alone', () => {
    expect(clipXyxy({ x1: -5, y1: 2, x2: 50, y2: 4 }, { width: 10, height: 3 })).toEqual({
      x1: 0,
      y1: 2,
      x2: 10,
      y2: 3,
    });
    fc.assert(
      fc.property(boxXyxy, (box) => {
        expect(clipXyxy(box, { width: 2000, height: 2000 })).toEqual(box);
      }),
    );
  });
});

describe('overlap', () => {
  it('is what a hand computes', () => {
    const a = { x1: 0, y1: 0, x2: 2, y2: 2 };
    const b = { x1: 1, y1: 1, x2: 3, y2: 3 };
    expect(intersectionXyxy(a, b)).toBe(1);
    expect(iouXyxy(a, b)).toBeCloseTo(1 / 7, 6);
    expect(shareInsideXyxy(a, b)).toBe(0.25);
    expect(iouXyxy({ x1: 1, y1: 1, x2: 1, y2: 1 }, { x1: 1, y1: 1, x2: 1, y2: 1 })).toBe(0);
  });

  it('IoU is symmetric and in [0, 1)', () => {
    fc.assert(
      fc.property(boxXyxy, boxXyxy, (a, b) => {
        const iou = iouXyxy(a, b);
        expect(iou).toBeGreaterThanOrEqual(0);
        expect(iou).toBeLessThan(1);
        expect(iouXyxy(b, a)).toBeCloseTo(iou, 12);
      }),
    );
  });
});
