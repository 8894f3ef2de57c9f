import { expect, it } from 'vitest';
import { parseQueryLine } from '../../src/formats/query-line.js';
import { parseExpression } from '../../src/language/parser.js';

const LENGTH = 500_000;

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
])('a query of half a million characters is read at once: %j and on', (piece) => {
  const start = performance.now();
  parseExpression(`${piece.repeat(LENGTH / piece.length)}dog`);
  expect(performance.now() - start).toBeLessThan(10_000);
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
