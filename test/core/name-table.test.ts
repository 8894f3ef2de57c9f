import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NameTable } from '../../src/core/name-table.js';

it('knows exactly the names that were added', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 300 }), fc.string(), (names, other) => {
      const table = new NameTable();
      const reference = new Set<string>();
      for (const name of names) {
        expect(table.add(name)).toBe(!reference.has(name));
        reference.add(name);
      }
      for (const name of names) expect(table.has(name)).toBe(true);
      expect(table.has(other)).toBe(reference.has(other));
    }),
  );
});

it('numbers names in the order in which they are first asked for', () => {
  const table = new NameTable();
  const asked = ['b', 'a', 'b', 'c', '', 'a', '__proto__'];
  expect(asked.map((name) => table.numberOf(name))).toEqual([1, 2, 1, 3, 4, 2, 5]);
});

it('holds 200,000 running ids apart in at most 16 bytes each', () => {
  const table = new NameTable();
  for (let id = 0; id < 200_000; id++) expect(table.add(`q-${id}`)).toBe(true);
  expect(table.add('q-77')).toBe(false);
  expect(table.bytes / 200_000).toBeLessThanOrEqual(16);
});

it('numbers 200,000 photos apart in at most 16 bytes each', () => {
  const table = new NameTable();
  const name = (at: number): string => `train2017/${String(at).padStart(12, '0')}.jpg`;
  let wrong = 0;
  for (let at = 1; at <= 200_000; at++) if (table.numberOf(name(at)) !== at) wrong += 1;
  for (let at = 1; at <= 200_000; at++) if (table.numberOf(name(at)) !== at) wrong += 1;
  expect(wrong).toBe(0);
  expect(table.bytes / 200_000).toBeLessThanOrEqual(16);
});
