import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coreSplits } from '../../src/runtime/tuning.js';

describe('ways to split the cores', () => {
  it('are powers of two of sessions, each with its share of threads', () => {
    expect(coreSplits(6)).toEqual([
      { sessions: 1, threads: 6, batchSize: 1 },
      { sessions: 2, threads: 3, batchSize: 1 },
      { sessions: 4, threads: 1, batchSize: 1 },
    ]);
  });

  it('never ask for more threads than there are cores', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), (cores) => {
        const splits = coreSplits(cores);
        expect(splits.length).toBeGreaterThan(0);
        for (const { sessions, threads } of splits) {
          expect(threads).toBeGreaterThanOrEqual(1);
          expect(sessions * threads).toBeLessThanOrEqual(cores);
        }
      }),
    );
  });
});
