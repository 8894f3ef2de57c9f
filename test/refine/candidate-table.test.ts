import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/language/parser.js';
import {
  candidateTable,
  objectness,
  objectsOf,
  pooledChance,
} from '../../src/refine/candidates.js';
import type { Candidate, Lister } from '../../src/refine/refiner.js';

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

describe('what boxes of one object say together', () => {
  const box = (tool: string, label: string, score: number): Candidate => ({
    ...{ boxXyxy: { x1: 10, y1: 10, x2: 50, y2: 50 }, tool, rank: 0, score, label },
    listed: true,
  });
  const chances: Readonly<Record<string, number>> = { one: 0.9, two: 0.5, reader: 0.8 };
  const lister = (name: string): Lister => ({
    name,
    labels: name === 'boats' ? ['boat'] : ['dog'],
  });
  const pooled = (tools: readonly string[], names: readonly string[]) => {
    const candidates = tools.map((tool) => ({
      ...box(tool, 'dog', 0.5),
      listed: names.includes(tool) ? (true as const) : undefined,
    }));
    const listers = names.map(lister);
    const chanceOf = (at: number) => chances[tools[at]!]!;
    return pooledChance([...tools.keys()], chanceOf, { candidates, listers });
  };

  it.each([
    ['the box of a single detector', ['one'], ['one'], 0.9],
    ['the best box of a detector that gives several', ['two', 'one', 'two'], ['one'], 0.9],
    ['the mean of detectors', ['one', 'two'], ['one', 'two'], 0.7],
    ['the mean, with those that box nothing there', ['one'], ['one', 'two'], 0.45],
    ['the mean, with those that box nothing at all', ['one', 'two'], ['one', 'two', 'x'], 1.4 / 3],
    ['a tool that is no detector, where it is surer', ['two', 'reader'], ['one', 'two'], 0.8],
    ['the mean, without those that know no such label', ['one'], ['one', 'two', 'boats'], 0.45],
    ['nothing', [], ['one', 'two'], 0],
  ])('is %s', (_what, tools, listers, expected) => {
    expect(pooled(tools, listers)).toBeCloseTo(expected, 12);
  });

  it('puts what two detectors see before what one is surer of', () => {
    const alone = { ...box('one', 'dog', 0.9), boxXyxy: { x1: 60, y1: 60, x2: 99, y2: 99 } };
    const candidates = [alone, box('one', 'dog', 0.8), box('two', 'dog', 0.8)];
    const scene = { candidates, imageSize: IMAGE, singleBoxTools: new Set<string>() };
    const first = (names: readonly string[]) =>
      objectsOf(parseExpression('the dog'), { ...scene, listers: names.map(lister) }).objects[0]!
        .members;
    expect(first([])).toEqual([0]);
    expect(first(['one', 'two'])).toEqual([1, 2]);
  });
});

function orderOf({ boxXyxy, tool, rank }: Candidate): readonly unknown[] {
  return [boxXyxy, tool, rank];
}

/** The candidates by the objects that they show. */
function inOrder(candidates: readonly Candidate[]): readonly Candidate[] {
  const scene = { candidates, imageSize: IMAGE, singleBoxTools: new Set<string>(), listers: [] };
  const { objects } = objectsOf(parseExpression('far left'), scene);
  return objects.flatMap(({ members }) => members.map((at) => candidates[at]!));
}
