import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxColumns, COLUMNS_VERSION, QUERY_COLUMNS } from '../../src/refine/columns.js';
import { rowsOf } from '../../src/refine/policy.js';
import type { Candidate, RefineRequest } from '../../src/refine/refiner.js';
import { situationOf } from '../../src/refine/situation.js';
import { requests } from '../support/arbitraries.js';
import { answered, box, detected, HALVES, request } from '../support/candidates.js';

const COLUMNS = boxColumns(['detector', 'reader-0']);
const READ = [answered('reader-0', box(0, 0, 90, 90))];

/** A box column by name for the candidates, NaN for those that are no answer of their own. */
function columnOf(name: string, asked: RefineRequest): number[] {
  const situation = situationOf(asked);
  const { value } = COLUMNS.find((column) => column.name === name)!;
  return asked.candidates.map((_, at) => {
    const action = situation.actions.find(({ source, fused }) => source === at && !fused);
    return action === undefined ? Number.NaN : value(action, situation);
  });
}

const queryColumn = (name: string, asked: RefineRequest): number =>
  QUERY_COLUMNS.find((column) => column.name === name)!.value(situationOf(asked));

describe('all columns', () => {
  it('have names of their own, and a weight before anything is fitted', () => {
    for (const columns of [COLUMNS, QUERY_COLUMNS]) {
      const names = columns.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      expect(columns.every(({ prior, says }) => Number.isFinite(prior) && says !== '')).toBe(true);
    }
  });

  it('have a version that is made of all names', () => {
    const names = [...boxColumns(['*']), ...QUERY_COLUMNS].map(({ name }) => name);
    const hash = createHash('sha256').update(names.join('\n')).digest('hex');
    expect(COLUMNS_VERSION).toBe(hash.slice(0, 16));
  });

  it('are hidden from think where they tell of the judged answer', () => {
    const hidden = rowsOf(situationOf(request('dog', READ, READ[0])), COLUMNS).hidden.map(
      (at) => COLUMNS[at]!.name,
    );
    expect(hidden).toEqual([
      'tool',
      'tool-unjudged',
      'tool-object',
      'reader',
      'reader-object',
      'reader-overlap',
      'from:reader-0',
      'overlaps:reader-0',
      'agrees:reader-0',
    ]);
  });

  it('are finite numbers, whatever is asked', () => {
    fc.assert(
      fc.property(requests, (asked) => {
        const situation = situationOf(asked);
        const { boxes, query } = rowsOf(situation, COLUMNS);
        expect(boxes).toHaveLength(situation.actions.length * COLUMNS.length);
        expect(boxes.every(Number.isFinite)).toBe(true);
        expect(query.every(Number.isFinite)).toBe(true);
      }),
    );
  });
});

const dogs = detected([
  ['dog', 0.9, box(20, 100, 120, 100)],
  ['dog', 0.8, box(400, 100, 120, 100)],
  ['cat', 0.7, box(250, 100, 60, 60)],
]);

describe('columns of a box', () => {
  it('tell the detector’s answer from that of a tool that read the words', () => {
    expect(columnOf('tool', request('dog', dogs))).toEqual([1, 0, 0]);
    expect(columnOf('reader', request('dog', dogs))).toEqual([0, 0, 0]);
    const read = [answered('a', box(0, 0, 90, 90)), answered('b', box(300, 0, 90, 90))];
    expect(columnOf('reader', request('dog', read))).toEqual([1, 0]);
    expect(columnOf('tool', request('dog', read))).toEqual([0, 0]);
  });

  it('count the votes of other tools that read the words, not that of the judged one', () => {
    const [here, there] = [box(0, 0, 90, 90), box(300, 0, 90, 90)];
    const read = [answered('a', here), answered('b', there), answered('c', box(302, 0, 90, 90))];
    expect(columnOf('votes', request('dog', read))).toEqual([0, 2, 2]);
    expect(columnOf('votes', request('dog', read, read[1]))).toEqual([1, 1, 1]);
  });

  it('count the answer of a tool that read the words and lists several boxes', () => {
    const dogs = detected([
      ['dog', 0.8, box(100, 100, 100, 100)],
      ['dog', 0.7, box(300, 100, 100, 100)],
    ]);
    const listing = dogs.map((each) => ({ ...each, tool: 'reader-0' }));
    const reading = listing
      .toReversed()
      .map((each, rank): Candidate => ({ ...each, rank, read: true }));
    const votesOf = (more: readonly Candidate[]) =>
      columnOf('votes', request('dog', [...dogs, ...more], dogs[0])).slice(0, 2);
    expect(votesOf(listing)).toEqual([0, 0]);
    expect(votesOf(reading)).toEqual([0, 1]);
    // The judged tool has no vote.
    expect(
      columnOf('votes', request('dog', [...dogs, ...reading], reading[0])).slice(0, 2),
    ).toEqual([0, 0]);
    expect(
      columnOf('agrees:reader-0', request('dog', [...dogs, ...reading], dogs[0])).slice(0, 2),
    ).toEqual([0, 1]);
  });

  it('see colour and place where they are asked for, and the excepted', () => {
    const seen = { ...request('the red dog', dogs), evidence: HALVES };
    const [red, green] = columnOf('colour', seen) as [number, number];
    expect(red).toBeGreaterThan(green + 1);
    expect(columnOf('colour', request('the red dog', dogs))).toEqual([0, 0, 0]);
    const [left, right] = columnOf('place', request('the left dog', dogs)) as [number, number];
    expect(left).toBeGreaterThan(right + 3);
    const excepted = columnOf('excepted', request('all dogs except the leftmost', dogs));
    expect(excepted[0]).toBeLessThan(-3);
    expect(excepted[1]).toBeGreaterThan(-0.2);
  });

  it('count a relation in the column of its sort alone', () => {
    const asked = request('the dog right of the cat', dogs);
    const [left, right] = columnOf('side-of', asked) as [number, number];
    expect(right).toBeGreaterThan(left + 1);
    for (const other of ['beside', 'above-below', 'between', 'far-from']) {
      expect(columnOf(other, asked).every((value) => value === 0)).toBe(true);
    }
  });
});

describe('columns of the query', () => {
  const read = [answered('a', box(0, 0, 90, 90))];
  it.each<[string, string, string, readonly Candidate[]]>([
    ['unfound', 'the giraffe', 'the dog', dogs],
    ['unfound-wider', 'the vehicle', 'the animal', dogs],
    ['other-kind', 'the carpet', 'the dog', dogs],
    ['no-word', 'the asdf', 'the dog', dogs],
    ['foreign', 'der linke Hund', 'the left dog', dogs],
    ['worn', 'the hat', 'the dog', dogs],
    ['unnamed', 'far left', 'the left dog', dogs],
    ['unreached', 'the third dog from the left', 'the second dog from the left', dogs],
    ['unjudged', 'the abstruse dog', 'the dog', dogs],
  ])('%s is higher for "%s" than for "%s"', (name, doubtful, plain, candidates) => {
    const [high, low] = [doubtful, plain].map((query) =>
      queryColumn(name, request(query, candidates)),
    ) as [number, number];
    expect(low).toBeGreaterThan(-0.1);
    expect(low).toBeLessThan(0.5);
    expect(high).toBeGreaterThan(low + 0.5);
  });

  it('doubt a giraffe in a kitchen, and no cup', () => {
    const kitchen = detected([
      ['oven', 0.9, box(20, 100, 120, 100)],
      ['sink', 0.9, box(400, 100, 120, 100)],
    ]);
    expect(queryColumn('context', request('the giraffe', kitchen))).toBeGreaterThan(0.5);
    expect(queryColumn('context', request('the cup', kitchen))).toBeLessThan(-0.5);
    expect(queryColumn('context', request('the person', kitchen))).toBe(0);
  });

  it('doubt a colour that no dog has', () => {
    const ask = (query: string) =>
      queryColumn('off-colour', { ...request(query, dogs), evidence: HALVES });
    expect(ask('the blue dog')).toBeGreaterThan(ask('the green dog') + 1);
  });

  it('ask for no rank where tools that read the words box the answer alone', () => {
    expect(queryColumn('unreached', request('the second dog from the left', read))).toBe(0);
    expect(queryColumn('reader', request('the dog', read))).toBe(1);
    expect(queryColumn('unlabelled', request('the dog', read))).toBe(1);
    expect(queryColumn('unlabelled', request('the dog', dogs))).toBe(0);
  });
});

it('lists the words that no column could use', () => {
  const unjudged = (query: string) => situationOf(request(query, dogs)).unjudged;
  expect(unjudged('the left dog beside the cat')).toEqual([]);
  expect(unjudged('the dog beside the xylophone')).toEqual(['beside xylophone']);
  expect(unjudged('the red dog')).toEqual(['red']);
});
