import fc from 'fast-check';
import { expect, it } from 'vitest';
import { IdSet } from '../../src/core/id-set.js';

it('knows exactly the ids that were added', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 300 }), fc.string(), (ids, other) => {
      const set = new IdSet();
      const reference = new Set<string>();
      for (const id of ids) {
        expect(set.add(id)).toBe(!reference.has(id));
        reference.add(id);
      }
      for (const id of ids) expect(set.has(id)).toBe(true);
      expect(set.has(other)).toBe(reference.has(other));
    }),
  );
});

it('holds 200,000 running ids apart in at most 16 bytes each', () => {
  const set = new IdSet();
  for (let id = 0; id < 200_000; id++) expect(set.add(`q-${id}`)).toBe(true);
  expect(set.add('q-77')).toBe(false);
  expect(set.bytes / 200_000).toBeLessThanOrEqual(16);
});
