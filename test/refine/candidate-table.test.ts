import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/language/parser.js';
import { candidateTable, objectness, objectsOf } from '../../src/refine/candidates.js';
import type { Candidate } from '../../src/refine/refiner.js';

const IMAGE = { width: 100, height: 80 };

const candidate: fc.Arbitrary<Candidate> = fc
  .record({
    x: fc.integer({ min: 0, max: 60 }),
    y: fc.integer({ min: 0, max: 40 }),
    width: fc.integer({ min: 0, max: 40 }),
    height: fc.integer({ min: 0, max: 40 }),
    tool: fc.constantFrom('a', 'b'),
    rank: fc.nat(3),
    score: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    label: fc.option(fc.constantFrom('dog', 'cat'), { nil: undefined }),
  })
  .map(({ x, y, width, height, tool, rank, score, label }) => ({
    boxXyxy: { x1: x, y1: y, x2: x + width, y2: y + height },
    tool,
    rank,
    ...(score !== undefined && { score }),
    ...(label !== undefined && { label }),
  }));

describe('candidateTable', () => {
  it('tells of each candidate what is told of it alone', () => {
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 12 }), (candidates) => {
        const table = candidateTable(candidates, IMAGE);
        for (const [at, each] of candidates.entries()) {
          expect(table.objectness[at]).toBe(objectness(each, IMAGE));
        }
      }),
    );
  });

  it('orders the candidates alike, however they are shuffled', () => {
    const shuffled = fc
      .uniqueArray(candidate, { maxLength: 10, selector: (each) => JSON.stringify(orderOf(each)) })
      .chain((candidates) =>
        fc.tuple(
          fc.constant(candidates),
          fc.shuffledSubarray(candidates, { minLength: candidates.length }),
        ),
      );
    fc.assert(
      fc.property(shuffled, ([one, other]) => {
        expect(inOrder(one)).toEqual(inOrder(other));
      }),
    );
  });

  it('is kept with the list and the photo, and is another for others', () => {
    const candidates: Candidate[] = [];
    const table = candidateTable(candidates, IMAGE);
    expect(candidateTable(candidates, IMAGE)).toBe(table);
    expect(candidateTable([], IMAGE)).not.toBe(table);
    expect(candidateTable(candidates, { ...IMAGE })).not.toBe(table);
  });
});

function orderOf({ boxXyxy, tool, rank }: Candidate): readonly unknown[] {
  return [boxXyxy, tool, rank];
}

/** The candidates by the objects that they show. */
function inOrder(candidates: readonly Candidate[]): readonly Candidate[] {
  const scene = { candidates, imageSize: IMAGE, singleBoxTools: new Set<string>() };
  const { objects } = objectsOf(parseExpression('far left'), scene);
  return objects.flatMap(({ members }) => members.map((at) => candidates[at]!));
}
