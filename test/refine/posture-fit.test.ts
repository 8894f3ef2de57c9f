import { describe, expect, it } from 'vitest';
import { postureOf } from '../../src/language/vocabulary.js';
import { postureFit } from '../../src/refine/cue.js';
import { box, detected, PHOTO, refined, request } from '../support/candidates.js';

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
    expect(postureFit('upright', 'person', tall, PHOTO)).toBeGreaterThan(0.8);
    expect(postureFit('seated', 'person', square, PHOTO)).toBeGreaterThan(0.8);
    expect(postureFit('lying', 'person', wide, PHOTO)).toBeGreaterThan(0.8);
    expect(postureFit('upright', 'person', wide, PHOTO)).toBeLessThan(0.05);
  });

  it('tells a lying animal from one that stands or sits', () => {
    expect(postureFit('lying', 'animal', wide, PHOTO)).toBeGreaterThan(0.8);
    expect(postureFit('upright', 'animal', wide, PHOTO)).toBeLessThan(0.2);
    expect(postureFit('seated', 'animal', square, PHOTO)).toBeGreaterThan(0.6);
  });

  it('leaves open what the border of the photo may hide', () => {
    const { height } = PHOTO;
    expect(postureFit('upright', 'person', box(0, 50, 60, 180), PHOTO)).toBe(0.5);
    expect(postureFit('seated', 'person', box(50, height - 60, 60, 60), PHOTO)).toBe(0.5);
    expect(postureFit('upright', 'person', box(0, 0, 60, height), PHOTO)).toBe(0.5);
    expect(postureFit('lying', 'animal', box(0, 50, 200, 80), PHOTO)).toBeGreaterThan(0.8);
    expect(postureFit('lying', 'animal', box(50, height - 80, 200, 80), PHOTO)).toBe(0.5);
  });
});

it('a posture is told without naming anything', async () => {
  const dogs = detected([
    ['dog', 0.9, box(60, 60, 100, 110)],
    ['dog', 0.5, box(300, 150, 200, 80)],
  ]);
  const { answer } = await refined(request('dog lying down', dogs));
  expect(answer.boxXyxy).toEqual(dogs[1]!.boxXyxy);
});

describe('postures among persons', () => {
  const persons = detected([
    ['person', 0.9, box(60, 60, 60, 180)],
    ['person', 0.88, box(300, 150, 100, 120)],
  ]);
  const [standing, sitting] = persons.map(({ boxXyxy }) => boxXyxy);
  it.each([
    ['the man sitting on the grass', sitting],
    ['the seated man', sitting],
    ['the man not standing', sitting],
    ['the man not sitting', standing],
    ['the woman standing there', standing],
  ])('%s', async (query, meant) => {
    const { answer } = await refined(request(query, persons));
    expect(answer.boxXyxy).toEqual(meant);
  });
});
