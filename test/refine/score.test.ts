import { expect, it } from 'vitest';
import { boxColumns, QUERY_COLUMNS } from '../../src/refine/columns.js';
import {
  chanceOf,
  MEMBER_PARTS,
  memberParts,
  SCORE_PARTS,
  scoreParts,
} from '../../src/refine/decision.js';
import { beliefOf, PRIOR_NUMBERS, policyOf } from '../../src/refine/policy.js';

const policy = policyOf(PRIOR_NUMBERS);
const width = policy.columns.length;
const boxColumn = (name: string) => boxColumns([]).findIndex((column) => column.name === name);
const queryColumn = (name: string) => QUERY_COLUMNS.findIndex((column) => column.name === name);

/** Two boxes, each of whose columns holds its own number, and a query likewise. */
const rows = {
  boxes: Float64Array.from({ length: 2 * width }, (_, at) => -0.01 * (at + 1)),
  query: Float64Array.from(QUERY_COLUMNS, (_, at) => 0.01 * (at + 1)),
  ofTool: new Uint8Array(2),
  hidden: [],
};
const belief = { boxes: Float64Array.of(0.6, 0.2), none: 0.2 };
const part = (parts: Float64Array, name: string) =>
  parts[SCORE_PARTS.findIndex((each) => each.name === name)];

it('puts the columns of the box and of the query under their names', () => {
  const parts = scoreParts(policy, rows, belief, { at: 1, mass: 0.2 });
  expect(parts).toHaveLength(SCORE_PARTS.length);
  for (const { name } of SCORE_PARTS) {
    const [ofBox, ofQuery] = [boxColumn(name), queryColumn(name)];
    if (ofQuery >= 0) expect(part(parts, name), name).toBe(rows.query[ofQuery]);
    else if (ofBox >= 0) expect(part(parts, name), name).toBe(rows.boxes[width + ofBox]);
  }
  expect(part(parts, 'box')).toBe(1);
  expect(part(parts, 'none')).toBe(0);
  expect(part(parts, 'belief')).toBeCloseTo(Math.log(0.25 / 0.75), 9);
  expect(part(parts, 'something')).toBeCloseTo(Math.log(0.8 / 0.2), 9);
});

it('scores the answer that nothing fits by the belief in it alone', () => {
  const parts = scoreParts(policy, rows, belief, null);
  const set = SCORE_PARTS.flatMap(({ name }, at) => (parts[at] === 0 ? [] : [name]));
  expect(set).toEqual(['none', 'nothing']);
  expect(chanceOf(parts, SCORE_PARTS, {})).toBeCloseTo(0.2, 9);
});

it('keeps beliefs of 0 and 1 finite', () => {
  for (const none of [0, 1]) {
    for (const choice of [null, { at: 0, mass: 1 - none }]) {
      const parts = scoreParts(policy, rows, { boxes: Float64Array.of(1 - none, 0), none }, choice);
      expect(parts.every(Number.isFinite)).toBe(true);
    }
  }
});

it('takes weights by name, and the prior of those that are not named', () => {
  const names = [
    { name: 'one', prior: 1 },
    { name: 'two', prior: -2 },
  ];
  expect(chanceOf(Float64Array.of(1, 0.5), names, {})).toBe(0.5);
  expect(chanceOf(Float64Array.of(1, 0.5), names, { two: 0 })).toBeCloseTo(0.7311, 4);
});

it('gives a box that falls behind the best less of a chance to belong to a set', () => {
  const behind = MEMBER_PARTS.findIndex(({ name }) => name === 'behind');
  // All numbers of the first box are higher, and so are its odds.
  const [best, worse] = memberParts(policy, rows) as [Float64Array, Float64Array];
  expect(best[behind]).toBe(0);
  expect(worse[behind]).toBeLessThan(0);
  const chance = (parts: Float64Array) => chanceOf(parts, MEMBER_PARTS, { kind: 0, rival: 0 });
  expect(chance(best)).toBeGreaterThan(chance(worse));
});

it('is surer of the object in which the policy believes more', () => {
  const { boxes, none } = beliefOf(policy, rows, 'rethink');
  const score = (mass: number) =>
    chanceOf(scoreParts(policy, rows, { boxes, none }, { at: 0, mass }), SCORE_PARTS, {});
  expect(score(0.9 * (1 - none))).toBeGreaterThan(score(0.5 * (1 - none)));
});
