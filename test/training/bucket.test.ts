import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { candidateBucket, candidateCount } from '../../src/refinement/policy-batch.js';
import { microBatches, wordBucket } from '../../src/training/bucket.js';
import { randomExample } from '../support/policy-example.js';

describe('candidateBucket', () => {
  test.each([
    [0, 8],
    [8, 8],
    [9, 16],
    [33, 48],
    [128, 128],
    [129, 256],
    [300, 384],
  ])('%d candidates need %d', (count, expected) => {
    expect(candidateBucket(count)).toBe(expected);
  });
});

describe('wordBucket', () => {
  test('holds the longest, in steps of four, and never nothing', () => {
    expect(wordBucket([])).toBe(4);
    expect(wordBucket([randomExample(1, 2, 0)])).toBe(4);
    expect(wordBucket([randomExample(1, 2, 3), randomExample(1, 2, 9)])).toBe(12);
  });
});

describe('microBatches', () => {
  test('every example once, in the smallest graph that fits its neighbours', () => {
    const counts = fc.array(fc.nat(40), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 8 }), (each, batch) => {
        const examples = each.map((n, i) => randomExample(i, n, 1));
        const cuts = microBatches(examples, batch, 4);
        const places = cuts.flatMap(({ members }) => members);
        expect(places.toSorted((a, b) => a - b)).toEqual(each.map((_, i) => i));
        for (const { members, sizes } of cuts) {
          const most = Math.max(...members.map((place) => candidateCount(examples[place]!)));
          expect(members.length).toBeLessThanOrEqual(batch);
          expect(sizes).toEqual({ batch, candidates: candidateBucket(most), words: 4 });
        }
      }),
    );
  });
});
