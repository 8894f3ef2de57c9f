import { describe, expect, it } from 'vitest';
import { denotationsOf, labelsAskedFor, meaningsOf } from '../../src/language/denotation.js';
import { parseExpression } from '../../src/language/parser.js';

const asked = (text: string) => labelsAskedFor(parseExpression(text));
const best = (text: string) =>
  [...asked(text)].flatMap(([label, weight]) => (weight === 1 ? [label] : [])).sort();

describe('labelsAskedFor', () => {
  it.each([
    ['What can I sit on?', ['bench', 'chair', 'couch']],
    ['what tells the time?', ['clock']],
    ['What is used for cutting paper?', ['scissors']],
    ['Which animal has a trunk?', ['elephant']],
    ['what protects us from the rain', ['umbrella']],
    ['what do you use to brush your teeth?', ['toothbrush']],
  ])('%s', (text, labels) => expect(best(text)).toEqual(labels));

  it('asks for no thing that the question names', () => {
    expect(asked('What do you hit the tennis ball with?').has('sports ball')).toBe(false);
    expect(best('What do you hit the tennis ball with?')).toEqual(['tennis racket']);
  });

  it('keeps to the kind that the question names', () => {
    expect([...asked('Which vehicle can fly?').keys()]).toEqual(['airplane']);
  });

  it('says nothing of what is no question, nor of words that tell nothing', () => {
    expect(asked('the man who can fly').size).toBe(0);
    expect(asked('What is abstruse?').size).toBe(0);
  });
});

describe('meaningsOf', () => {
  it('gives labels of other sets, too, and leaves the name of a thing as it is', () => {
    const labels = ['sofa', 'person', 'Chair'];
    expect([...meaningsOf(parseExpression('Where can I sit?'), labels).keys()]).toEqual([
      'sofa',
      'Chair',
    ]);
    const named = parseExpression('the left chair');
    expect(meaningsOf(named, labels)).toEqual(denotationsOf(named, labels));
  });
});
