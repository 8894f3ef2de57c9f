import { expect, it } from 'vitest';
import { ageOf } from '../../src/language/stature.js';

it.each([
  ['baby', 'young'],
  ['younger', 'young'],
  ['adult', 'grown'],
  ['mother', 'grown'],
  ['spotted', null],
])('%s', (word, age) => expect(ageOf(word)).toBe(age));
