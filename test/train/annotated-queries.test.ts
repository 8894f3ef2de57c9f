import fc from 'fast-check';
import { expect, test } from 'vitest';
import { COCO_CATEGORIES } from '../../src/formats/coco.js';
import { type CocoEntry, cocoEntries } from '../../src/formats/coco-records.js';
import type { Query } from '../../src/formats/query-line.js';
import { pointersOf } from '../../src/language/lexicon.js';
import { singularOf } from '../../src/language/morphology.js';
import { annotatedQueries } from '../../src/train/annotated-queries.js';

/** What each photo shows: category, number of objects; `crowd` adds a box around many. */
type Contents = Readonly<Record<string, readonly (readonly [string, number, 'crowd'?])[]>>;

const SMALL: Contents = {
  'zoo.jpg': [
    ['zebra', 3],
    ['person', 2],
    ['giraffe', 1],
  ],
  'street.jpg': [
    ['car', 9],
    ['person', 3, 'crowd'],
    ['bus', 2],
    ['scissors', 3],
  ],
  'kitchen.jpg': [
    ['wine glass', 2],
    ['cup', 2],
    ['knife', 4],
    ['mouse', 2],
  ],
  'bar.jpg': [
    ['wine glass', 1],
    ['cup', 1],
  ],
  'empty.jpg': [],
};

function datasetOf(contents: Contents): object {
  const files = Object.keys(contents);
  const annotations = files.flatMap((file, image) =>
    contents[file]!.flatMap(([name, count, crowd]) =>
      Array.from({ length: crowd ? count + 1 : count }, (_, at) => ({
        image_id: image + 1,
        category_id: COCO_CATEGORIES.find((category) => category.name === name)!.id,
        bbox: [10 * at, 5, 8, 20],
        iscrowd: at === count ? 1 : 0,
      })),
    ),
  );
  return {
    images: files.map((file_name, at) => ({ id: at + 1, file_name })),
    annotations: annotations.map((annotation, id) => ({ id, ...annotation })),
    categories: COCO_CATEGORIES,
  };
}

async function entriesOf(dataset: object): Promise<CocoEntry[]> {
  const entries: CocoEntry[] = [];
  for await (const entry of cocoEntries([JSON.stringify(dataset)], 'a.json')) entries.push(entry);
  return entries;
}

const small = await entriesOf(datasetOf(SMALL));
const ofKind = (queries: readonly Query[], kind: string) =>
  queries.filter(({ extra }) => extra.kind === kind);
/** Many seeds, for what must hold of all of them. */
const bySeed = Array.from({ length: 40 }, (_, seed) => annotatedQueries(small, { seed }));
const many = bySeed.flat();
const wordsOf = (image: string, kind: string) =>
  [
    ...new Set(
      ofKind(many, kind).flatMap((each) => (each.imagePath === image ? [each.query] : [])),
    ),
  ].sort();

test('absent queries name nothing that the photo shows', async () => {
  const names = COCO_CATEGORIES.map(({ name }) => name);
  const contents = fc.uniqueArray(fc.constantFrom(...names), { maxLength: 70 });
  const prefix = /^(?:an?|the) (?:(?:left|right|second|red|blue|white|largest) )?/;
  const suffix = / (?:on the|from the|next to|in the|in front).*$/;
  await fc.assert(
    fc.asyncProperty(contents, fc.integer(), async (shown, seed) => {
      const entries = await entriesOf(datasetOf({ 'a.jpg': shown.map((name) => [name, 1]) }));
      const absent = ofKind(annotatedQueries(entries, { seed }), 'absent');
      if (shown.length < 40) expect(absent).toHaveLength(6);
      for (const { query, truthsXywh } of absent) {
        expect(truthsXywh).toEqual([]);
        const noun = query.replace(prefix, '').replace(suffix, '');
        expect(pointersOf(noun), query).not.toEqual([]);
        for (const { label } of pointersOf(noun)) expect(shown, query).not.toContain(label);
      }
    }),
    { numRuns: 60 },
  );
});

test('an article suits its noun, and what is said of one thing is not said of pairs', () => {
  const absent = ofKind(many, 'absent').map(({ query }) => query);
  expect(absent.some((query) => /^an [aeiou]/.test(query))).toBe(true);
  expect(absent.filter((query) => /^a [aeiou]|^an [^aeiou]/.test(query))).toEqual([]);
  expect(
    absent.filter((query) => /^a (?:scissors|skis)|second (?:scissors|skis)/.test(query)),
  ).toEqual([]);
});

test('sets are of everything of a kind, in right plurals', () => {
  expect(wordsOf('zoo.jpg', 'set')).toEqual([
    'all people',
    'all the people',
    'all the zebras',
    'all zebras',
    'both people',
    'every zebra',
    'the three zebras',
    'the two people',
  ]);
  // Nine cars are too many, and some people are annotated as a crowd.
  const street = wordsOf('street.jpg', 'set');
  expect(street.filter((query) => !query.endsWith('buses'))).toEqual(['all the scissors']);
  const kitchen = wordsOf('kitchen.jpg', 'set');
  for (const words of ['the four knives', 'both computer mice', 'both wine glasses']) {
    expect(kitchen).toContain(words);
  }
  // A glass may be one of the cups, and "glasses" are worn.
  expect(
    kitchen.filter((query) => / glass(?:es)?$/.test(query) && !query.includes('wine')),
  ).toEqual([]);
  const zebras = many.find(({ query }) => query === 'all the zebras')!;
  expect(zebras.truthsXywh).toEqual([0, 10, 20].map((x) => ({ x, y: 5, width: 8, height: 20 })));
});

test('every kind of COCO gets a plural that the reader takes for its noun', async () => {
  const shown = COCO_CATEGORIES.map(({ name }): [string, [string, number][]] => [
    `${name}.jpg`,
    [[name, 3]],
  ]);
  const entries = await entriesOf(datasetOf(Object.fromEntries(shown)));
  const queries = Array.from({ length: 20 }, (_, seed) =>
    annotatedQueries(entries, { seed }),
  ).flat();
  const sets = ofKind(queries, 'set');
  expect(new Set(sets.map(({ imagePath }) => imagePath)).size).toBe(80);
  for (const { query, imagePath } of sets) {
    const noun = query.replace(/^(?:all the|all|the three|every) /, '');
    expect(
      pointersOf(noun).map(({ label }) => `${label}.jpg`),
      query,
    ).toContain(imagePath);
    if (!query.startsWith('every') && !/broccoli|skis|scissors|sheep|glasses/.test(noun)) {
      expect(singularOf(noun.split(' ').at(-1)!)).not.toBe(noun.split(' ').at(-1));
    }
  }
});

test('a rank that a photo does not reach is the next after the last', () => {
  expect(wordsOf('zoo.jpg', 'unreached')).toEqual([
    'the fourth zebra from the left',
    'the fourth zebra from the right',
    'the second giraffe from the left',
    'the second giraffe from the right',
    'the third person from the left',
    'the third person from the right',
  ]);
  const street = wordsOf('street.jpg', 'unreached');
  expect(street).toEqual(['the third bus from the left', 'the third bus from the right']);
  for (const { truthsXywh } of ofKind(many, 'unreached')) expect(truthsXywh).toEqual([]);
});

test('a single thing is asked for by its noun alone', () => {
  expect(wordsOf('zoo.jpg', 'present')).toEqual(['the giraffe']);
  // "The glass" may be the cup.
  expect(wordsOf('bar.jpg', 'present')).toEqual(['the cup', 'the wine glass']);
  expect(ofKind(many, 'present').every(({ truthsXywh }) => truthsXywh?.length === 1)).toBe(true);
});

test('the seed decides, photo by photo', () => {
  const queries = annotatedQueries(small, { seed: 1 });
  expect(annotatedQueries(small, { seed: 1 })).toEqual(queries);
  expect(annotatedQueries(small, { seed: 2 })).not.toEqual(queries);
  const images = new Set(['kitchen.jpg']);
  const some = annotatedQueries(small, { images, seed: 1 });
  const same = queries.filter(({ imagePath }) => imagePath === 'kitchen.jpg');
  expect(some).toEqual(same.map((query, at) => ({ ...query, line: at + 1 })));
  expect(new Set(queries.map(({ id }) => id)).size).toBe(queries.length);
  expect(queries.map(({ line }) => line)).toEqual(queries.map((_, at) => at + 1));
});

test('no photo is asked the same words twice', () => {
  for (const queries of bySeed) {
    const asked = queries.map(({ imagePath, query }) => `${imagePath} ${query}`);
    expect(new Set(asked).size).toBe(asked.length);
  }
});

test('categories need not be COCO ones', async () => {
  const dataset = {
    images: [{ id: 1, file_name: 'a.jpg' }],
    annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [0, 0, 5, 5] }],
    categories: ['Sedan', 'car', 'Hard Hat'].map((name, at) => ({ id: at + 1, name })),
  };
  const queries = annotatedQueries(await entriesOf(dataset), { seed: 0 });
  expect(ofKind(queries, 'present').map(({ query }) => query)).toEqual(['the sedan']);
  // A sedan is a car.
  for (const { query } of ofKind(queries, 'absent')) expect(query).toContain('hard hat');
});

test.each([
  [
    { images: [{ id: 7 }], annotations: [], categories: COCO_CATEGORIES },
    'image 7 has no `file_name`',
  ],
  [
    {
      images: [{ id: 7, file_name: 'a.jpg' }],
      annotations: [{ id: 3, image_id: 7, category_id: 12, bbox: [0, 0, 1, 1] }],
      categories: COCO_CATEGORIES,
    },
    'annotation 3 has category 12, which `categories` does not list',
  ],
])('annotations that cannot be asked about are refused', async (dataset, message) => {
  const entries = await entriesOf(dataset);
  expect(() => annotatedQueries(entries, { seed: 0 })).toThrow(message);
});
