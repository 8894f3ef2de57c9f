import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WordFilter } from '../../src/core/word-filter.js';

describe('WordFilter', () => {
  it('holds every word that was added, and few others', () => {
    const words = Array.from({ length: 5000 }, (_, at) => `word${at.toString(36)}`);
    const filter = WordFilter.ofSize(words.length);
    for (const word of words) filter.add(word);
    expect(words.every((word) => filter.has(word))).toBe(true);
    const others = Array.from({ length: 5000 }, (_, at) => `none${at.toString(36)}`);
    expect(others.filter((word) => filter.has(word)).length).toBeLessThan(40);
  });

  it('takes any string', () => {
    const filter = WordFilter.ofSize(10);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (word) => {
        filter.add(word);
        expect(filter.has(word)).toBe(true);
      }),
    );
  });
});
