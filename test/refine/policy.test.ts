import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxColumns, QUERY_COLUMNS } from '../../src/refine/columns.js';
import {
  beliefOf,
  logitsOf,
  named,
  type PolicyRows,
  PRIOR_NUMBERS,
  policyOf,
} from '../../src/refine/policy.js';
import { detections, expressions } from '../support/arbitraries.js';
import { PRIOR, refined, request } from '../support/candidates.js';

const NUMBERS = { ...PRIOR_NUMBERS, tools: ['detector'], boxes: { 'from:detector': 1.5, tool: 2 } };
const POLICY = policyOf(NUMBERS);
const WIDTH = POLICY.columns.length;
const HIDDEN = [WIDTH - 1, WIDTH - 4];

const value = fc.double({ min: -20, max: 20, noNaN: true });
/** Rows of up to 6 boxes, some of them the judged tool's. */
const anyRows: fc.Arbitrary<PolicyRows> = fc.array(fc.boolean(), { maxLength: 6 }).chain((ofTool) =>
  fc.record({
    boxes: fc
      .array(value, { minLength: ofTool.length * WIDTH, maxLength: ofTool.length * WIDTH })
      .map((values) => Float64Array.from(values)),
    query: fc
      .array(value, { minLength: QUERY_COLUMNS.length, maxLength: QUERY_COLUMNS.length })
      .map((values) => Float64Array.from(values)),
    ofTool: fc.constant(Uint8Array.from(ofTool, Number)),
    hidden: fc.constant(HIDDEN),
  }),
);

describe('a policy', () => {
  it('gives a column that the numbers do not name its prior weight', () => {
    const policy = policyOf({ ...PRIOR_NUMBERS, boxes: { kind: 2.5 }, none: { foreign: 7 } });
    for (const [at, { name, prior }] of boxColumns([]).entries()) {
      expect(policy.boxes[at], name).toBe(name === 'kind' ? 2.5 : prior);
    }
    for (const [at, { name, prior }] of QUERY_COLUMNS.entries()) {
      expect(policy.none[at], name).toBe(name === 'foreign' ? 7 : prior);
    }
  });

  it('is the same after its weights were written by name, to six digits', () => {
    const again = policyOf({ ...NUMBERS, boxes: named(POLICY.columns, POLICY.boxes) });
    expect(again.boxes).toEqual(POLICY.boxes);
    expect(named([{ name: 'kind' }], Float64Array.of(1.23456789))).toEqual({ kind: 1.23457 });
  });
});

describe('beliefOf', () => {
  it('sums to 1', () => {
    fc.assert(
      fc.property(anyRows, fc.constantFrom('think', 'rethink'), (rows, stage) => {
        const { boxes, none } = beliefOf(POLICY, rows, stage);
        expect(boxes.every((belief) => belief >= 0)).toBe(true);
        expect(boxes.reduce((sum, belief) => sum + belief, none)).toBeCloseTo(1, 9);
      }),
    );
  });

  it('of think sees neither hidden columns nor the judged tool’s boxes, to the last bit', () => {
    fc.assert(
      fc.property(anyRows, value, (rows, other) => {
        const boxes = rows.boxes.map((own, at) => {
          const isHidden = HIDDEN.includes(at % WIDTH) || rows.ofTool[Math.floor(at / WIDTH)] === 1;
          return isHidden ? other : own;
        });
        const think = beliefOf(POLICY, rows, 'think');
        expect(beliefOf(POLICY, { ...rows, boxes }, 'think')).toEqual(think);
        for (const [at, ofTool] of rows.ofTool.entries()) {
          if (ofTool === 1) expect(think.boxes[at]).toBe(0);
        }
      }),
    );
  });

  it('of rethink sees both', () => {
    const boxes = new Float64Array(2 * WIDTH);
    const rows = {
      boxes,
      query: new Float64Array(QUERY_COLUMNS.length),
      ofTool: Uint8Array.of(1, 0),
      hidden: HIDDEN,
    };
    boxes[POLICY.columns.findIndex(({ name }) => name === 'tool')] = 1;
    expect([...logitsOf(POLICY, rows, 'rethink')]).toEqual([2, 0]);
    expect([...logitsOf(POLICY, rows, 'think')]).toEqual([Number.NEGATIVE_INFINITY, 0]);
  });

  it('is that nothing fits where there is no box to see', () => {
    const query = new Float64Array(QUERY_COLUMNS.length).fill(-9);
    const rows = { boxes: new Float64Array(WIDTH), query, ofTool: Uint8Array.of(1), hidden: [] };
    expect(beliefOf(POLICY, rows, 'think')).toEqual({ boxes: Float64Array.of(0), none: 1 });
    expect(beliefOf(POLICY, rows, 'rethink').none).toBeLessThan(1);
  });
});

it('thinks alike whichever box the detector answers, to the last bit', async () => {
  const spec = { ...PRIOR, numbers: NUMBERS };
  await fc.assert(
    fc.asyncProperty(detections, expressions, fc.nat(), async (candidates, query, pick) => {
      const other = candidates[pick % candidates.length]!;
      const one = await refined(request(query, candidates), spec);
      const two = await refined(request(query, candidates, other), spec);
      const none = await refined(request(query, candidates, null), spec);
      expect(two.think).toEqual(one.think);
      expect(none.think).toEqual(one.think);
    }),
  );
});
