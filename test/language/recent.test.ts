import { expect, it } from 'vitest';
import { Recent } from '../../src/language/recent.js';

it('works out a text once while it is asked for, and lets go of others', () => {
  const worked: string[] = [];
  const lengths = new Recent<number>(2);
  const lengthOf = (text: string): number =>
    lengths.of(text, (each) => {
      worked.push(each);
      return each.length;
    });
  for (const text of ['a', 'bb', 'a', 'ccc', 'a', 'dddd', 'a', 'bb']) {
    expect(lengthOf(text)).toBe(text.length);
  }
  expect(worked).toEqual(['a', 'bb', 'ccc', 'dddd', 'bb']);
});

it('holds no long text', () => {
  const lengths = new Recent<number>(2);
  const works = (text: string): number => {
    let times = 0;
    for (let asked = 0; asked < 2; asked++) {
      lengths.of(text, (each) => {
        times += 1;
        return each.length;
      });
    }
    return times;
  };
  expect([works('x'.repeat(400)), works('x'.repeat(401))]).toEqual([1, 2]);
});
