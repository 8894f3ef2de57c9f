import fc from 'fast-check';
import type { BoxXyxy } from '../../src/core/box.js';
import type { Candidate, RefineRequest } from '../../src/refine/refiner.js';
import { answered, box, detected, HALVES, PHOTO, request } from './candidates.js';

const side = fc.double({ min: 0, max: 1000, noNaN: true });

/** Boxes inside a square of 1000 pixels, some without area. */
export const boxXyxy: fc.Arbitrary<BoxXyxy> = fc
  .tuple(side, side, side, side)
  .map(([a, b, c, d]) => ({
    x1: Math.min(a, c),
    y1: Math.min(b, d),
    x2: Math.max(a, c),
    y2: Math.max(b, d),
  }));

const LABELS = ['dog', 'cat', 'person', 'car', 'cup'];
const coordinate = (most: number) => fc.integer({ min: 0, max: most });
const photoBox: fc.Arbitrary<BoxXyxy> = fc
  .tuple(coordinate(540), coordinate(340), coordinate(300), coordinate(300))
  .map(([x, y, width, height]) =>
    box(x, y, Math.min(12 + width, PHOTO.width - x), Math.min(12 + height, PHOTO.height - y)),
  );

/** Boxes of a detector, best first, no two of the same score. */
export const detections: fc.Arbitrary<Candidate[]> = fc
  .array(fc.tuple(fc.constantFrom(...LABELS), fc.integer({ min: 6, max: 95 }), photoBox), {
    minLength: 1,
    maxLength: 8,
  })
  .map((list) =>
    detected(
      list
        .map(([label, score, b], at) => [label, score / 100 + at / 1e4, b] as const)
        .sort((a, b) => b[1] - a[1]),
    ),
  );

/** Boxes of up to three tools that read the words. */
const answers: fc.Arbitrary<Candidate[]> = fc
  .array(fc.oneof(photoBox, boxXyxy), { maxLength: 3 })
  .map((boxes) => boxes.map((each, at) => answered(`reader-${at}`, each)));

const phrases = fc
  .tuple(
    fc.constantFrom('the leftmost', 'the largest red', 'the upper', 'all the', 'both', 'far right'),
    fc.constantFrom('dog', 'cat', 'guy', 'vehicle', 'animals', 'one', 'giraffe', 'asdf'),
    fc.constantFrom(
      '',
      'on the left',
      'second from the right',
      'left of the cat',
      'next to the man in blue',
      'between the dog and the car',
      'except the leftmost',
      'sitting left of the car',
      'not standing on the right',
      'farthest from the cup',
    ),
  )
  .map((parts) => parts.join(' ').trim());
/** Expressions as people write them, and questions. */
export const expressions = fc.oneof(
  { weight: 5, arbitrary: phrases },
  { weight: 1, arbitrary: fc.constantFrom('What can I ride?', 'Which animal is on the left?') },
);

/** Requests of any words and tools; the tool that is judged is a detector, reads the words, or has found nothing. */
export const requests: fc.Arbitrary<RefineRequest> = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: expressions },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 60 }) },
    ),
    fc.oneof(detections, fc.constant([])),
    answers,
    fc.option(fc.nat(), { freq: 6 }),
    fc.boolean(),
  )
  .map(([query, boxes, others, pick, seen]) => {
    const candidates = [...boxes, ...others];
    const tool = pick === null ? null : (candidates[pick % candidates.length] ?? null);
    return { ...request(query, candidates, tool), ...(seen && { evidence: HALVES }) };
  });
