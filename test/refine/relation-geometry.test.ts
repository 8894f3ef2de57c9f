import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RelationKind } from '../../src/language/expression.js';
import { betweenFit, relationFit } from '../../src/refine/geometry.js';
import { box } from '../support/candidates.js';

const KINDS: readonly RelationKind[] = [
  'next-to',
  'left-of',
  'right-of',
  'above',
  'below',
  'on',
  'in',
  'behind',
  'in-front-of',
  'holding',
  'wearing',
  'riding',
  'with',
  'of',
];

describe('relationFit', () => {
  const landmark = box(200, 200, 100, 100);
  it.each<[RelationKind, ReturnType<typeof box>, ReturnType<typeof box>]>([
    ['next-to', box(310, 200, 80, 100), box(500, 20, 80, 100)],
    ['left-of', box(90, 200, 80, 100), box(320, 200, 80, 100)],
    ['right-of', box(320, 200, 80, 100), box(90, 200, 80, 100)],
    ['above', box(210, 100, 80, 80), box(210, 310, 80, 80)],
    ['below', box(210, 310, 80, 80), box(210, 100, 80, 80)],
    ['on', box(220, 150, 60, 80), box(220, 310, 60, 80)],
    ['in', box(220, 220, 40, 40), box(320, 220, 40, 40)],
    ['behind', box(220, 120, 100, 150), box(220, 230, 100, 150)],
    ['in-front-of', box(220, 230, 100, 150), box(220, 120, 100, 150)],
    ['holding', box(180, 100, 120, 250), box(350, 100, 120, 250)],
    ['riding', box(220, 110, 60, 150), box(220, 250, 60, 150)],
    ['of', box(220, 220, 40, 40), box(20, 20, 40, 40)],
  ])('%s fits the first box better than the second', (kind, better, worse) => {
    expect(relationFit(kind, better, landmark)!).toBeGreaterThan(
      relationFit(kind, worse, landmark)! + 0.15,
    );
  });

  it('tells nothing of what boxes do not show', () => {
    expect(relationFit('facing', landmark, landmark)).toBeNull();
    expect(relationFit('other', landmark, landmark)).toBeNull();
  });

  it('stays within 0..1', () => {
    const side = fc.integer({ min: 0, max: 300 });
    const boxes = fc.tuple(side, side, side, side).map(([x, y, w, h]) => box(x, y, w, h));
    fc.assert(
      fc.property(boxes, boxes, fc.constantFrom(...KINDS), (subject, other, kind) => {
        const fit = relationFit(kind, subject, other)!;
        expect(fit).toBeGreaterThanOrEqual(0);
        expect(fit).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('betweenFit', () => {
  it('is best midway', () => {
    const [left, right] = [box(0, 100, 50, 50), box(400, 100, 50, 50)];
    const fits = [
      box(200, 100, 50, 50),
      box(80, 100, 50, 50),
      box(200, 350, 50, 50),
      box(500, 100, 50, 50),
    ].map((subject) => betweenFit(subject, left, right));
    expect([...fits].sort((a, b) => b - a)).toEqual(
      [fits[0], fits[1], fits[3], fits[2]].sort((a, b) => b! - a!),
    );
    expect(fits[0]).toBeCloseTo(1, 5);
    expect(Math.max(fits[1]!, fits[2]!, fits[3]!)).toBeLessThan(0.9);
  });
});
