import { expect, test } from 'vitest';
import { parseExpression } from '../../src/language/expression.js';
import { boxPlausibility } from '../../src/refinement/box-plausibility.js';

const IMAGE = { width: 100, height: 100 };
const LEFT = { x1: 0, y1: 40, x2: 20, y2: 60 };
const RIGHT = { x1: 80, y1: 40, x2: 100, y2: 60 };
const of = (query: string, box = LEFT): number =>
  boxPlausibility(box, parseExpression(query), IMAGE);

test('a box that covers more of the photo is likelier meant', () => {
  expect(of('lion', { x1: 0, y1: 0, x2: 100, y2: 100 })).toBeCloseTo(0.8, 12);
  expect(of('lion')).toBeCloseTo(0.8 + 0.37 * Math.log(0.04), 12);
  expect(of('lion', { x1: 0, y1: 0, x2: 0, y2: 0 })).toBeCloseTo(0.8 + 0.37 * Math.log(1e-4), 12);
});

test('a place that is asked for and not held speaks against a box', () => {
  expect(of('left lion')).toBeGreaterThan(of('left lion', RIGHT) + 0.5);
  expect(of('right lion', RIGHT)).toBeCloseTo(of('left lion'), 12);
  expect(of('lion', RIGHT)).toBe(of('lion'));
});

test('a place that is ruled out tells nothing', () => {
  expect(of('lion not on the left')).toBe(of('lion'));
});
