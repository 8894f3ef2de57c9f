import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/language/parser.js';
import { mayBeShown } from '../../src/refine/candidates.js';
import { relationFits } from '../../src/refine/geometry.js';
import { box, PHOTO } from '../support/candidates.js';

const objects = [50, 250, 450].map((x, at) => ({
  boxXyxy: box(x, 100, 40, 40),
  members: [at],
  chance: 1,
}));

describe('a landmark that no box shows', () => {
  it.each([
    ['the man left of the lamp', 0],
    ['the man to the right of the lamp', 2],
  ])('%s: the one furthest that way', (text, best) => {
    const [relation] = parseExpression(text).relations;
    const fits = relationFits(relation!, objects, [null], PHOTO) as number[];
    expect(fits.indexOf(Math.max(...fits))).toBe(best);
    expect(fits.every((fit) => fit >= 0 && fit <= 1)).toBe(true);
  });

  it('tells nothing of what boxes do not order', () => {
    const [relation] = parseExpression('the man with the lamp').relations;
    expect(relationFits(relation!, objects, [null], PHOTO)).toEqual([null, null, null]);
  });
});

describe('mayBeShown', () => {
  const plain = objects.map(({ boxXyxy }, rank) => ({ boxXyxy, tool: 'boxes', rank }));
  it.each([
    ['man left of the umbrella', false],
    ['man left of the woman', true],
    ['zebra behind the other one', true],
    ['gizmo behind the gizmo', true],
  ])('%s, among boxes without labels: %s', (text, shown) => {
    const expression = parseExpression(text);
    const landmark = expression.relations[0]!.landmarks[0]!;
    expect(mayBeShown(landmark, expression, plain)).toBe(shown);
    expect(mayBeShown(landmark, expression, [{ ...plain[0]!, label: 'umbrella' }])).toBe(true);
  });
});
