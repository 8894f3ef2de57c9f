import { describe, expect, it } from 'vitest';
import type { Detection } from '../../src/detect/family.js';
import { differenceOf } from '../../src/runtime/device-trial.js';

const dog = (x: number, score: number, label = 'dog'): Detection => ({
  boxXyxy: { x1: x, y1: 0, x2: x + 100, y2: 100 },
  score,
  label,
  categoryId: 18,
});

describe('boxes of two devices', () => {
  const compare = (boxes: Detection[], all: Detection[]) =>
    differenceOf(boxes, all, 'here', 'there');

  it.each([
    ['nothing at all', [], []],
    ['the same ones', [dog(0, 0.9), dog(200, 0.5)], [dog(200, 0.5), dog(0, 0.9)]],
    ['those that are off by little', [dog(0, 0.9)], [dog(2, 0.885)]],
    ['fewer than there are there', [dog(0, 0.9)], [dog(0, 0.9), dog(50, 0.8)]],
    ['twins, one of which fits', [dog(0, 0.9)], [dog(0, 0.5), dog(1, 0.9)]],
  ])('are alike: %s', (_what, boxes, all) => {
    expect(compare(boxes, all)).toBeUndefined();
  });

  it.each([
    [
      'a box',
      [dog(0, 0.9)],
      [dog(5, 0.9)],
      '`dog` of score 0.90 here has no such box there (IoU 0.90 at most)',
    ],
    ['a label', [dog(0, 0.9)], [dog(0, 0.9, 'cat')], '(IoU 0.00 at most)'],
    ['a score', [dog(0, 0.9)], [dog(0, 0.87)], '`dog` of score 0.90 here has score 0.87 there'],
    ['what is no number', [dog(0, 0.9)], [dog(0, Number.NaN)], 'has score NaN there'],
    ['a place that is none', [dog(0, 0.9)], [dog(Number.NaN, 0.9)], 'has no such box there'],
    ['one of many', [dog(0, 0.9), dog(300, 0.4)], [dog(0, 0.9)], '`dog` of score 0.40 here'],
  ])('differ in %s', (_what, boxes, all, text) => {
    expect(compare(boxes, all)).toContain(text);
  });
});
