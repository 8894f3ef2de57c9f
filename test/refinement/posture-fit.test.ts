import { describe, expect, it } from 'vitest';
import { postureOf } from '../../src/language/posture.js';
import { postureFit } from '../../src/refinement/posture-fit.js';
import { createScorerRefiner } from '../../src/refinement/scorer-refiner.js';
import { box, detected, PHOTO, request } from '../support/candidates.js';

describe('postureOf', () => {
  it('finds the word among others', () => {
    expect(postureOf('sitting on')).toBe('seated');
    expect(postureOf('standing next to')).toBe('upright');
    expect(postureOf('holding')).toBeNull();
  });
});

describe('postureFit', () => {
  const [tall, square, wide] = [box(50, 50, 60, 200), box(50, 50, 110, 110), box(50, 50, 200, 80)];

  it('tells standing, sitting and lying by the shape', () => {
    expect(postureFit('upright', tall, PHOTO)).toBeGreaterThan(0.8);
    expect(postureFit('seated', square, PHOTO)).toBeGreaterThan(0.8);
    expect(postureFit('lying', wide, PHOTO)).toBeGreaterThan(0.8);
    expect(postureFit('upright', wide, PHOTO)).toBeLessThan(0.05);
  });

  it('says nothing of a box that the border of the photo cuts', () => {
    expect(postureFit('upright', box(0, 50, 60, 180), PHOTO)).toBe(0.5);
    expect(postureFit('seated', box(50, 50, 60, 350), PHOTO)).toBe(0.5);
  });
});

describe('postures among persons', () => {
  const persons = detected([
    ['person', 0.9, box(60, 60, 60, 180)],
    ['person', 0.88, box(300, 150, 100, 120)],
  ]);
  const [standing, sitting] = persons.map(({ boxXyxy }) => boxXyxy);
  const answer = async (query: string) =>
    (await createScorerRefiner().refine([request(query, persons)]))[0]!.answer.boxXyxy;

  it.each([
    ['the man sitting on the grass', sitting],
    ['the seated man', sitting],
    ['the man not standing', sitting],
    ['the man not sitting', standing],
    ['the woman standing there', standing],
  ])('%s', async (query, meant) => expect(await answer(query)).toEqual(meant));
});
