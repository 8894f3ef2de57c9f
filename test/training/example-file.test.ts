import { describe, expect, it } from 'vitest';
import { Vocabulary } from '../../src/refinement/lite-words.js';
import { decodeExamples, encodeExamples } from '../../src/training/example-file.js';
import { bothViews, knownQuery } from '../../src/training/known-query.js';
import { box, detected, request } from '../support/candidates.js';

const BOXES = detected([
  ['dog', 0.8, box(10, 10, 100, 100)],
  ['dog', 0.6, box(300, 20, 120, 110)],
]);
const KNOWN = knownQuery(request('the left dog', BOXES), box(12, 10, 100, 100), ['detector']);

describe('examples on disk', () => {
  it('come back as they were', () => {
    expect(decodeExamples(encodeExamples([KNOWN, KNOWN]))).toEqual([KNOWN, KNOWN]);
    expect(decodeExamples(encodeExamples([]))).toEqual([]);
  });

  it('count as missing when they are cut short or damaged anywhere', () => {
    const bytes = encodeExamples([KNOWN]);
    for (let length = 0; length < bytes.length; length += 97) {
      expect(decodeExamples(bytes.subarray(0, length))).toBeUndefined();
    }
  });
});

describe('knownQuery', () => {
  it('knows the overlap of every action', () => {
    expect(KNOWN.overlaps[0]).toBeCloseTo(0.96, 2);
    expect(KNOWN.overlaps[1]).toBe(0);
    // Keep has that of the tool's box, none has 0.
    expect(KNOWN.overlaps.at(-2)).toBe(KNOWN.overlaps[0]);
    expect(KNOWN.overlaps.at(-1)).toBe(0);
  });

  it('is seen mirrored as well, with the words changed', () => {
    const vocabulary = new Vocabulary(['left', 'right', 'dog', 'the']);
    const { views } = bothViews(KNOWN, vocabulary);
    expect(views).toHaveLength(2);
    const words = (view: number) => [...views[view]!.words];
    expect(words(0)).toEqual(['the', 'left', 'dog'].map((word) => vocabulary.rowOf(word)));
    expect(words(1)).toEqual(['the', 'right', 'dog'].map((word) => vocabulary.rowOf(word)));
    expect(views[1]!.boxes[0]).toBeCloseTo(1 - views[0].boxes[0]!, 6);
  });
});
