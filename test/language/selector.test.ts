import fc from 'fast-check';
import { expect, it } from 'vitest';
import { matchSelector } from '../../src/language/selector.js';

const WORDS =
  'the a very far left right top bottom back front behind second 2nd last one from to on in at of side corner largest closest nearest to us camera , man dog 3'.split(
    ' ',
  );
const START = { before: '', afterNoun: false, named: false };

it.each([
  ['second from the left man', 'second from the left', 'x', 'min', 2],
  ['3rd largest dog', '3rd largest', 'size', 'max', 3],
  ['left second man', 'left second', 'x', 'min', 2],
  ['last on the right', 'last on the right', 'x', 'max', 1],
  ['closest to us', 'closest to us', 'depth', 'min', 1],
  ['on the far left side of the picture', 'on the far left side of the picture', 'x', 'min', 1],
  ['biggest dog', 'biggest', 'size', 'max', 1],
  ['nearest man', 'nearest', 'depth', 'min', 1],
  ['third man', 'third', null, null, 3],
])('%s opens with a selector', (text, words, axis, end, rank) => {
  expect(matchSelector(text, START)).toMatchObject({ words, axis, end, rank });
});

it('takes whole words from the start of the text', () => {
  let found = 0;
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 8 }),
      fc.constantFrom('', 'the', 'red', 'man'),
      fc.boolean(),
      (words, before, afterNoun) => {
        const selector = matchSelector(words.join(' '), { before, afterNoun, named: afterNoun });
        if (!selector) return;
        found += 1;
        expect(selector.words).toBe(words.slice(0, selector.length).join(' '));
        // A direction has both or neither: an ordinal alone waits for one.
        expect(selector.axis === null).toBe(selector.end === null);
        expect(selector.axis ?? selector.rank).not.toBeNull();
      },
    ),
    { numRuns: 2000 },
  );
  expect(found).toBeGreaterThan(200);
});
