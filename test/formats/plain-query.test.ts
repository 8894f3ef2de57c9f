import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SeededRandom } from '../../src/core/random.js';
import {
  checkedQuery,
  parseQueryLine,
  plainQuery,
  type Query,
} from '../../src/formats/query-line.js';
import { fuzzedLine } from '../support/query-fuzzer.js';

/** What the schema says of the value: the query, or the message. */
function judged(read: () => Query | undefined): unknown {
  try {
    const query = read();
    // Fields in another order would be other bytes.
    return { query, text: JSON.stringify(query) };
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

const mostly = <T>(usual: fc.Arbitrary<T>, ...odd: readonly unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 30, arbitrary: usual }, { weight: 1, arbitrary: fc.constantFrom(...odd) });

const anyPixel = fc.double({ min: -2000, max: 2000, noNaN: true });
const pixel = mostly(anyPixel, 1e9, -1e9, 1e9 + 1, 1e308, -0, '7', null);
const box = mostly(fc.tuple(pixel, pixel, pixel, pixel), [1, 2, 3], [1, 2, 3, 4, 5], {}, null);
const unit = mostly(fc.double({ min: 0, max: 1, noNaN: true }), null, 1.0001, -0.1, '0.5');
const name = fc.constantFrom('', 'a', 'person', '10', '2', 'constructor', 'toString', '\u001b');
const toolBox = mostly(
  fc.record(
    { bbox_2d: box, score: unit, label: mostly(name, null, 7) },
    { requiredKeys: ['bbox_2d'] },
  ),
  null,
  [],
  { bbox_2d: [1, 2, 3, 4], more: 7 },
  { bbox_2d: [1, 2, 3, 4], more: { deep: [[]] } },
  {},
);
const side = mostly(fc.double({ min: 1, max: 2000, noNaN: true }), 0, -1, 1e9, 2e9, '7');
const boxes = mostly(fc.array(box, { maxLength: 3 }), null, {}, 7);
const truth = fc.oneof(
  { weight: 9, arbitrary: fc.record({ bbox: mostly(box, null) }, { requiredKeys: [] }) },
  { weight: 9, arbitrary: fc.record({ boxes }) },
  { weight: 2, arbitrary: fc.record({ bbox: fc.constant(null), boxes }) },
  { weight: 1, arbitrary: fc.record({ bbox: box, boxes }) },
);
const line = fc
  .record(
    {
      id: mostly(name, '', 7, null),
      image: mostly(name, null, 3),
      query: mostly(fc.constantFrom('the left lion', ' a ', '\u0000'), ' ', '', '\u2003', 7),
      truth,
      tools: mostly(fc.dictionary(name, fc.array(toolBox, { maxLength: 3 })), [], null, { a: {} }),
      width: mostly(side, null),
      height: mostly(side, null),
      kind: fc.jsonValue(),
      7: fc.jsonValue(),
    },
    { requiredKeys: ['query'] },
  )
  .map(({ truth: boxes, ...fields }) => JSON.stringify({ ...fields, ...boxes }))
  .chain((text) =>
    fc.constantFrom(
      text,
      text,
      text,
      text.replace('"kind"', '"__proto__"'),
      text.replace('"a"', '"__proto__"'),
    ),
  );

it('reads whatever it reads as the schema does', () => {
  let plain = 0;
  fc.assert(
    fc.property(line, (written) => {
      const value: unknown = JSON.parse(written);
      const quick = plainQuery(value, 8, () => true);
      if (quick === undefined) return;
      plain += 1;
      expect(judged(() => quick)).toEqual(judged(() => checkedQuery(value, 8)));
    }),
    { numRuns: 6000, seed: 5 },
  );
  expect(plain).toBeGreaterThan(500);
});

it('says of fuzzed lines what the schema says', () => {
  const random = new SeededRandom(3);
  for (let number = 1; number <= 3000; number++) {
    const text = fuzzedLine(random, ['a.jpg'], `q${number}`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      continue;
    }
    expect(judged(() => parseQueryLine(text, number))).toEqual(
      judged(() => checkedQuery(value, number)),
    );
  }
});

it('leaves what nests too deep to the schema', () => {
  const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
  const text = (levels: number): string => `{"image":"a","query":"cat","kind":${nested(levels)}}`;
  expect(parseQueryLine(text(99), 1).extra.kind).toBeInstanceOf(Array);
  expect(() => parseQueryLine(text(100), 1)).toThrow('at most 100 levels');
});
