import { expect, it } from 'vitest';
import { AGES } from '../../src/language/vocabulary.js';

it.each([
  ['baby', 'young'],
  ['younger', 'young'],
  ['adult', 'grown'],
  ['mother', 'grown'],
  ['spotted', undefined],
])('%s', (word, age) => expect(AGES.get(word)).toBe(age));
