import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/language/expression.js';
import {
  besideRows,
  ENCODER_FEATURES,
  encoderRows,
  encoderTexts,
} from '../../src/refinement/encoder-features.js';
import {
  liteDraft,
  litePolicySettings,
  mirroredExample,
  withCrops,
} from '../../src/refinement/lite-example.js';
import { CANDIDATE_FEATURES } from '../../src/refinement/lite-features.js';
import { Vocabulary } from '../../src/refinement/lite-words.js';
import { box, detected, request } from '../support/candidates.js';

const SEEN = Uint8Array.of(1, 1, 1);

/** Numbers of one text for one candidate. */
const numbers = (rows: Float32Array, row: number, text = 0): number[] =>
  [...rows.subarray(row * ENCODER_FEATURES + text * 7, row * ENCODER_FEATURES + text * 7 + 7)].map(
    (value) => Math.round(value * 1e4) / 1e4 + 0,
  );

describe('encoderTexts', () => {
  it.each([
    ['The second red car, left of the bus!', 'the second red car left of the bus', 'red car'],
    ['man in a red shirt', 'man in a red shirt', 'man'],
    ['2nd from right', '2nd from right', '2nd from right'],
  ])('%s', (text, whole, thing) => {
    expect(encoderTexts(parseExpression(text))).toEqual([whole, thing]);
  });
});

describe('encoderRows', () => {
  const cosines = [Float32Array.of(0.3, 0.2, 0.1), Float32Array.of(0.1, 0.1, 0.4)];

  it('tells cosine, lead, share, its log, rank, best and the chance of a match', () => {
    const rows = encoderRows(cosines, { scale: 10, bias: -2 }, SEEN);
    // Scores 3, 2, 1: shares by softmax 0.6652, 0.2447, 0.0900.
    expect(numbers(rows, 0)).toEqual([0.3, 0.1244, 0.6652, -0.0453, 1, 1, 0.7311]);
    expect(numbers(rows, 1)).toEqual([0.2, 0, 0.2447, -0.1564, 0.5, 0, 0.5]);
    expect(numbers(rows, 2)).toEqual([0.1, -0.1244, 0.09, -0.2675, 0.3333, 0, 0.2689]);
    expect(numbers(rows, 2, 1)[2]).toBeCloseTo(1 / (1 + 2 * Math.exp(-3)), 4);
    expect([0, 1, 2].map((row) => rows[row * ENCODER_FEATURES + 14])).toEqual([0, 0, 0]);
  });

  it('gives no chance of a match where the encoder has no bias', () => {
    const rows = encoderRows(cosines, { scale: 100, bias: null }, SEEN);
    expect([0, 1, 2].map((row) => numbers(rows, row)[6])).toEqual([0, 0, 0]);
    // Shares fade, logarithms have a floor.
    expect(numbers(rows, 2)[3]).toBe(-1);
  });

  it('marks all as missing without cosines', () => {
    const rows = encoderRows(undefined, undefined, SEEN);
    const missing = [...new Array<number>(14).fill(0), 1];
    expect([...rows]).toEqual([...missing, ...missing, ...missing]);
  });

  it('does not let what think may not see change the others', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 8 }),
        fc.double({ min: -1, max: 1, noNaN: true }),
        (values, other) => {
          const mask = Uint8Array.from(values, (_, at) => (at === 0 ? 0 : 1));
          const scale = { scale: 20, bias: null };
          const rows = (first: number) => {
            const own = Float32Array.of(first, ...values.slice(1));
            return encoderRows([own, own], scale, mask).subarray(ENCODER_FEATURES);
          };
          expect(rows(values[0]!)).toEqual(rows(other));
        },
      ),
    );
  });
});

describe('withCrops', () => {
  const boxes = detected([
    ['dog', 0.9, box(10, 10, 50, 50)],
    ['dog', 0.5, box(200, 10, 50, 50)],
    ['cat', 0.4, box(400, 10, 50, 50)],
  ]);
  const asked = request('the left dog', boxes);
  /** Fits the better the further left. */
  const crops = {
    scale: 10,
    bias: null,
    match: async (all: readonly { x1: number }[], texts: readonly string[]) =>
      texts.map(() => Float32Array.from(all, ({ x1 }) => 1 - x1 / 500)),
  };

  it('puts the group behind all other numbers', async () => {
    const plain = liteDraft(asked, ['detector']);
    const { example, proposals } = await withCrops(plain, { ...asked, crops });
    const width = CANDIDATE_FEATURES + ENCODER_FEATURES;
    expect(example.candidates).toHaveLength(proposals.length * width);
    for (const [row, { boxXyxy }] of proposals.entries()) {
      const own = example.candidates.subarray(row * width, (row + 1) * width);
      expect(own.subarray(0, CANDIDATE_FEATURES)).toEqual(
        plain.example.candidates.subarray(row * CANDIDATE_FEATURES, (row + 1) * CANDIDATE_FEATURES),
      );
      expect(own[CANDIDATE_FEATURES]).toBeCloseTo(1 - boxXyxy.x1 / 500, 6);
    }
    expect({ ...example, candidates: [] }).toEqual({ ...plain.example, candidates: [] });
    expect(litePolicySettings(SIZES, new Vocabulary([]), true).candidateFeatures).toBe(width);
    expect(litePolicySettings(SIZES, new Vocabulary([])).candidateFeatures).toBe(
      CANDIDATE_FEATURES,
    );
  });

  it('stays as it is in the mirrored photo', async () => {
    const { example } = await withCrops(liteDraft(asked, ['detector']), { ...asked, crops });
    const plain = liteDraft(asked, ['detector']).example;
    const turned = mirroredExample(example, example.query);
    const expected = mirroredExample(plain, plain.query);
    const width = CANDIDATE_FEATURES + ENCODER_FEATURES;
    for (let row = 0; row < example.thinkMask.length; row++) {
      const at = row * width;
      expect(turned.candidates.subarray(at, at + CANDIDATE_FEATURES)).toEqual(
        expected.candidates.subarray(row * CANDIDATE_FEATURES, (row + 1) * CANDIDATE_FEATURES),
      );
      expect(turned.candidates.subarray(at + CANDIDATE_FEATURES, at + width)).toEqual(
        example.candidates.subarray(at + CANDIDATE_FEATURES, at + width),
      );
    }
  });

  it('says so where there is no photo, and asks nothing where there is no box', async () => {
    const { example } = await withCrops(liteDraft(asked, ['detector']), asked);
    expect(example.candidates.at(-1)).toBe(1);
    const empty = request('the dog', [], null);
    const { example: none } = await withCrops(liteDraft(empty, []), { ...empty, crops });
    expect(none.candidates).toHaveLength(0);
  });
});

const SIZES = {
  wordWidth: 4,
  width: 8,
  heads: 2,
  hidden: 8,
  thinkLayers: 1,
  rethinkLayers: 1,
};

describe('besideRows', () => {
  it('joins row by row', () => {
    expect([...besideRows(Float32Array.of(1, 2, 3, 4), Float32Array.of(8, 9), 2)]).toEqual([
      1, 2, 8, 3, 4, 9,
    ]);
  });
});
