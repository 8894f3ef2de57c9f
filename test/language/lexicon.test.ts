import { describe, expect, it } from 'vitest';
import {
  isAdjective,
  isAnimate,
  isPerson,
  isVerb,
  isWorn,
  pointersOf,
} from '../../src/language/lexicon.js';
import { singularOf } from '../../src/language/morphology.js';

describe('pointersOf', () => {
  it('weighs senses as photos show them', () => {
    expect(pointersOf('chair')).toEqual([{ label: 'chair', kind: 'exact', weight: 1 }]);
    expect(pointersOf('mouse').map(({ label }) => label)).toEqual(['mouse']);
    expect(pointersOf('pig').some(({ label, weight }) => label === 'person' && weight > 0.5)).toBe(
      false,
    );
  });

  it('knows plurals of several words', () => {
    expect(pointersOf('wine glasses')[0]?.label).toBe('wine glass');
    expect(pointersOf('fire trucks')[0]?.label).toBe('truck');
  });

  it('is empty for what no label covers', () => {
    expect(pointersOf('freedom')).toEqual([]);
    expect(pointersOf('')).toEqual([]);
  });
});

describe('word classes', () => {
  it('tells persons, animals, garments', () => {
    expect([isPerson('skier'), isPerson('shirt'), isPerson('dog')]).toEqual([true, false, false]);
    expect([isAnimate('dog'), isAnimate('car')]).toEqual([true, false]);
    expect([isWorn('jeans'), isWorn('car')]).toEqual([true, false]);
  });

  it('tells adjectives and verbs from nouns', () => {
    expect([isAdjective('fluffy'), isAdjective('dog')]).toEqual([true, false]);
    expect([isVerb('hold'), isVerb('table')]).toEqual([true, false]);
  });
});

describe('singularOf', () => {
  it.each([
    ['men', 'man'],
    ['people', 'person'],
    ['ladies', 'lady'],
    ['buses', 'bus'],
    ['bus', 'bus'],
    ['knives', 'knife'],
    ['sheep', 'sheep'],
    ['glasses', 'glasses'],
    ['benches', 'bench'],
    ['vases', 'vase'],
    ['zebras', 'zebra'],
    ['skis', 'skis'],
    ['grass', 'grass'],
    ['', ''],
  ])('%s is %s', (plural, singular) => expect(singularOf(plural)).toBe(singular));
});
