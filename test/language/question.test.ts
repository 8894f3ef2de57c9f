import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/language/parser.js';

describe('a question that names its thing', () => {
  it.each([
    ['Which dog is on the left?', 'the dog on the left'],
    ['Which one is the largest dog?', 'the largest dog'],
    ['Which is the largest dog?', 'the largest dog'],
    ['Where is the red cup next to the laptop?', 'the red cup next to the laptop'],
    ['which man is next to the car', 'man next to the car'],
    ['Which small dog is the closest?', 'small dog the closest'],
  ])('%s means %s', (question, description) => {
    const { text: _text, words: _words, ...asked } = parseExpression(question);
    const { text: _same, words: _plain, ...said } = parseExpression(description);
    expect(asked).toEqual(said);
    expect(asked.head).not.toBeNull();
  });

  it.each([
    'What can I sit on?',
    'What is the man riding?',
    'Where can I litter?',
    'Which of them can fly?',
    'Which is faster?',
    'Which animal has a trunk?',
    'Which animal is used for riding?',
    'Which?',
    'which one',
  ])('%s stays a question', (question) => {
    const { head, selectors, words } = parseExpression(question);
    expect(head).toBeNull();
    expect(selectors).toEqual([]);
    expect(words.length).toBeGreaterThan(0);
  });
});
