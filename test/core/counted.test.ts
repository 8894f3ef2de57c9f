import { expect, it } from 'vitest';
import { counted } from '../../src/core/text.js';

it.each([
  [0, 'photo', '0 photos'],
  [1, 'photo', '1 photo'],
  [1, 'query', '1 query'],
  [2, 'query', '2 queries'],
])('counts %i %s', (count, noun, text) => {
  expect(counted(count, noun)).toBe(text);
});
