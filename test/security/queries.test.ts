import { expect, it } from 'vitest';
import { matchOneToOne } from '../../src/evaluate/answers.js';
import { parseQueryLine } from '../../src/formats/query-line.js';
import { parseExpression } from '../../src/language/parser.js';

const LENGTH = 150_000;

it.each([
  ...[
    ',',
    ', ',
    ' ',
    '-',
    ' - ',
    '(',
    '"',
    "'",
    '<',
    '<ref>',
    '#',
    'no.',
    '\n',
    '.',
    '/',
    '9',
    'é',
  ],
  ...[
    'dog ',
    'dog, ',
    "dog's ",
    'please ',
    'please "',
    'in the picture ',
    'find ',
    'the dog left of ',
  ],
  ...[
    'not ',
    'second ',
    'three ',
    'and the ',
    'that is ',
    'the bounding box of ',
    'w/o ',
    'between ',
  ],
])('a query of 150,000 characters is read at once: %j and on', (piece) => {
  const start = performance.now();
  parseExpression(`${piece.repeat(LENGTH / piece.length)}dog`);
  expect(performance.now() - start).toBeLessThan(5000);
});

it('a line of more boxes than any detector gives is refused', () => {
  const box = { bbox_2d: [1, 2, 3, 4] };
  const line = (tools: object) => JSON.stringify({ query: 'the dog', tools });
  const many = new Array(10_000).fill(box);
  expect(parseQueryLine(line({ a: many }), 1).tools).toHaveLength(1);
  const names = Object.fromEntries(many.map((_, at) => [`t${at}`, []]));
  for (const tools of [{ a: [...many, box] }, { a: many, b: [box] }, { ...names, more: [] }]) {
    expect(() => parseQueryLine(line(tools), 1)).toThrow('expected at most 10000 boxes');
  }
});

it('sets of thousands of boxes are compared at once', () => {
  const row = (count: number, step: number) =>
    Array.from({ length: count }, (_, at) => ({ x1: at * step, y1: 0, x2: at * step + 9, y2: 9 }));
  const start = performance.now();
  expect(matchOneToOne(row(10_000, 0), row(10_000, 0))).toBe(true);
  // Each box matches its neighbours too, and the first truth comes last.
  expect(matchOneToOne(row(500, 2), row(500, 2).reverse())).toBe(true);
  expect(matchOneToOne(row(500, 0), [...row(499, 0), { x1: 50, y1: 0, x2: 59, y2: 9 }])).toBe(
    false,
  );
  expect(performance.now() - start).toBeLessThan(20_000);
});
