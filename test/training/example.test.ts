import { describe, expect, test } from 'vitest';
import {
  rethinkTarget,
  scoreTarget,
  scoreWeight,
  type TrainingExample,
  thinkTarget,
  toolOverlap,
  UNKNOWN_WORD,
  withoutWords,
} from '../../src/training/example.js';
import { RandomStream } from '../../src/training/random.js';
import { randomExample } from '../support/policy-example.js';

/** Three candidates; the last is hidden from think. Overlaps: candidates, keep, none. */
function example(overlaps: readonly number[], closed: readonly number[] = []): TrainingExample {
  const base = randomExample(1, 3, 4);
  const actionMask = base.actionMask.map((open, action) => (closed.includes(action) ? 0 : open));
  return { ...base, actionMask, overlaps: Float32Array.from(overlaps) };
}

const rounded = (values: Float32Array) => [...values].map((value) => Math.round(value * 1e4) / 1e4);

describe('targets', () => {
  test('better boxes are better targets', () => {
    const each = example([0.9, 0.8, 0, 0.3, 0]);
    // Overlaps of 0.9 and 0.8 weigh 1 and exp(-1).
    expect(rounded(thinkTarget(each, 0.1))).toEqual([0.7311, 0.2689, 0, 0]);
    expect(rounded(rethinkTarget(each, 0.1))).toEqual([0.7311, 0.2689, 0, 0, 0]);
  });

  test('think is never shown a candidate that is hidden from it', () => {
    expect(rounded(thinkTarget(example([0.2, 0.1, 0.9, 0.9, 0]), 0.1))).toEqual([0, 0, 0, 1]);
  });

  test('closed actions are no target', () => {
    const each = example([0.9, 0.1, 0.2, 0.9, 0], [0]);
    expect(rounded(rethinkTarget(each, 0.1))).toEqual([0, 0, 0, 1, 0]);
  });

  test('where nothing is right, rethink has no target', () => {
    expect(rounded(rethinkTarget(example([0.4, 0.1, 0.2, 0.49, 0]), 0.1))).toEqual([0, 0, 0, 0, 0]);
  });

  test('where nothing fits, none is the target', () => {
    const each = example([0, 0, 0, 0, 1]);
    expect(rounded(thinkTarget(each, 0.1))).toEqual([0, 0, 0, 1]);
    expect(rounded(rethinkTarget(each, 0.1))).toEqual([0, 0, 0, 0, 1]);
  });

  test('scores are about right and wrong', () => {
    expect([...scoreTarget(example([0.5, 0.49, 1, 0, 0]))]).toEqual([1, 0, 1, 0, 0]);
    expect(toolOverlap(example([0, 0, 0, 0.7, 0]))).toBeCloseTo(0.7, 6);
  });

  test('scores are learned over open actions, the likely ones more', () => {
    const each = example([0, 0, 0, 0, 0], [2]);
    expect(rounded(scoreWeight(each, [0, 0, 0, 0, 0]))).toEqual([0.25, 0.25, 0, 0.25, 0.25]);
    const weights = scoreWeight(each, [0.5, 0, 0, 0.5, 0]);
    expect(rounded(weights)).toEqual([0.375, 0.125, 0, 0.375, 0.125]);
  });
});

describe('withoutWords', () => {
  test('takes about the share of the words and leaves the example alone', () => {
    const each = { ...randomExample(1, 2, 0), words: new Int32Array(2000).fill(5) };
    const thinned = withoutWords(each, 0.3, RandomStream.fromSeed(1));
    const gone = thinned.words.filter((word) => word === UNKNOWN_WORD).length;
    expect(gone / 2000).toBeCloseTo(0.3, 1);
    expect(each.words.every((word) => word === 5)).toBe(true);
  });
});
