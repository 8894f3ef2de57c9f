import { describe, expect, it } from 'vitest';
import {
  isAdjective,
  isAnimate,
  isPerson,
  isVerb,
  isWorn,
  labelNames,
  pointersOf,
} from '../../src/language/lexicon.js';
import { pluralOf, singularOf, withArticle } from '../../src/language/morphology.js';

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

describe('pluralOf', () => {
  it.each([
    ['man', 'men'],
    ['woman', 'women'],
    ['person', 'people'],
    ['gentleman', 'gentlemen'],
    ['lady', 'ladies'],
    ['boy', 'boys'],
    ['bus', 'buses'],
    ['glass', 'glasses'],
    ['wine glass', 'wine glasses'],
    ['fire engine', 'fire engines'],
    ['bench', 'benches'],
    ['box', 'boxes'],
    ['knife', 'knives'],
    ['mouse', 'mice'],
    ['sheep', 'sheep'],
    ['skis', 'skis'],
    ['scissors', 'scissors'],
    ['tomato', 'tomatoes'],
    ['zebra', 'zebras'],
    ['', ''],
  ])('several of %s are %s', (singular, plural) => {
    expect(pluralOf(singular)).toBe(plural);
    expect(pluralOf(singular, 8)).toBe(plural);
    expect(pluralOf(singular, 1)).toBe(singular);
  });

  it('is undone by singularOf for all labels of one word', () => {
    const labels = labelNames().filter((label) => !label.includes(' '));
    expect(labels.map((label) => singularOf(pluralOf(label)))).toEqual(labels);
  });
});

describe('withArticle', () => {
  it.each([
    ['apple', 'an apple'],
    ['dog', 'a dog'],
    ['umbrella', 'an umbrella'],
    ['unicorn', 'a unicorn'],
    ['uniform', 'a uniform'],
    ['unimportant thing', 'an unimportant thing'],
    ['used car', 'a used car'],
    ['utensil', 'a utensil'],
    ['hour', 'an hour'],
    ['one', 'a one'],
    ['onion', 'an onion'],
    ['suv', 'an suv'],
    ['scissors', 'scissors'],
    ['person box', 'a person box'],
  ])('%s: %s', (noun, phrase) => expect(withArticle(noun)).toBe(phrase));
});
