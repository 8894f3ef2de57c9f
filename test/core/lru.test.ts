import { expect, it } from 'vitest';
import { memoized } from '../../src/core/lru.js';

it('works out a text once while it is asked for, and lets go of others', () => {
  const worked: string[] = [];
  const lengthOf = memoized(2, (text) => {
    worked.push(text);
    return text.length;
  });
  for (const text of ['a', 'bb', 'a', 'ccc', 'a', 'dddd', 'a', 'bb']) {
    expect(lengthOf(text)).toBe(text.length);
  }
  expect(worked).toEqual(['a', 'bb', 'ccc', 'dddd', 'bb']);
});

it('holds no long text', () => {
  const works = (text: string): number => {
    let times = 0;
    const count = memoized(2, () => ++times);
    count(text);
    count(text);
    return times;
  };
  expect([works('x'.repeat(400)), works('x'.repeat(401))]).toEqual([1, 2]);
});
