import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/language/expression.js';
import { mirrorExpression } from '../../src/language/mirror.js';

const words = fc.constantFrom(
  ...'left right leftmost Rightmost LEFT Right left-hand man car red the on of to far second from lefty bright middle'.split(
    ' ',
  ),
);
const texts = fc.array(words, { maxLength: 10 }).map((list) => list.join(' '));

describe('mirrorExpression', () => {
  it.each([
    ['', ''],
    ['the left lion', 'the right lion'],
    ['LEFTMOST guy, not the Right one', 'RIGHTMOST guy, not the Left one'],
    ['left-hand side', 'right-hand side'],
    ['bright lefty', 'bright lefty'],
  ])('%s', (text, mirrored) => expect(mirrorExpression(text)).toBe(mirrored));

  it('is an involution', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(mirrorExpression(mirrorExpression(text))).toBe(text);
      }),
    );
  });

  it('leaves text without sides alone', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (!/left|right/i.test(text)) expect(mirrorExpression(text)).toBe(text);
      }),
    );
  });

  it('turns selectors along x around and keeps the rest', () => {
    const flip = { min: 'max', max: 'min', middle: 'middle' } as const;
    for (const text of [
      'second man from the left',
      'far right car',
      'middle dog',
      'top left cup',
    ]) {
      const plain = parseExpression(text).selectors.map(({ axis, end, rank }) => ({
        axis,
        end: axis === 'x' ? flip[end] : end,
        rank,
      }));
      const mirrored = parseExpression(mirrorExpression(text)).selectors;
      expect(mirrored.map(({ axis, end, rank }) => ({ axis, end, rank }))).toEqual(plain);
    }
  });
});
