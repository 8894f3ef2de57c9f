import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  candidateCount,
  type PaddedSizes,
  type PolicyExample,
  packPolicyBatch,
  unpackActions,
} from '../../src/refinement/policy-batch.js';
import { parameterCount } from '../../src/tensor/expression.js';
import { UNCALIBRATED } from '../../src/training/calibration.js';
import { startValues } from '../../src/training/parameter-values.js';
import { RandomStream } from '../../src/training/random.js';
import { policyParameters, writePolicy } from '../../src/training/training-graph.js';
import { randomExample, SMALL_POLICY } from '../support/policy-example.js';
import { type GraphSession, openModel } from '../training/graph-session.js';

let session: GraphSession;

beforeAll(async () => {
  const parameters = policyParameters(SMALL_POLICY);
  session = await openModel(
    writePolicy({
      settings: SMALL_POLICY,
      values: startValues(parameters, RandomStream.fromSeed(7)),
      calibration: UNCALIBRATED,
    }),
  );
});

afterAll(() => session.close());

interface Answer {
  readonly think: Float32Array;
  readonly rethink: Float32Array;
  readonly score: Float32Array;
}

async function answers(
  examples: readonly PolicyExample[],
  sizes?: PaddedSizes,
): Promise<readonly Answer[]> {
  const results = await session.run(packPolicyBatch(SMALL_POLICY, examples, sizes));
  const batch = sizes?.batch ?? examples.length;
  const row = (name: keyof Answer, index: number, extra: number) => {
    const data = results[name]!;
    const tensor = { type: 'float32', data, dims: [batch, data.length / batch] } as const;
    return unpackActions(tensor, index, candidateCount(examples[index]!), extra);
  };
  return examples.map((_, index) => ({
    think: row('think', index, 1),
    rethink: row('rethink', index, 2),
    score: row('score', index, 2),
  }));
}

function expectClose(got: Float32Array, expected: ArrayLike<number>): void {
  expect(got).toHaveLength(expected.length);
  got.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!), `at ${i}`).toBeLessThan(2e-6);
  });
}

function largestChange(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

/** The example with its candidates in another order: row i of the result is row `order[i]`. */
function reordered(example: PolicyExample, order: readonly number[]): PolicyExample {
  const rows = <T extends Float32Array | Uint8Array>(values: T): T => {
    const width = values.length / order.length;
    const moved = values.slice() as T;
    order.forEach((from, to) => {
      moved.set(values.subarray(from * width, (from + 1) * width), to * width);
    });
    return moved;
  };
  const actionMask = example.actionMask.slice();
  actionMask.set(rows(example.actionMask.slice(0, order.length)));
  return {
    ...example,
    candidates: rows(example.candidates),
    boxes: rows(example.boxes),
    thinkMask: rows(example.thinkMask),
    tool: rows(example.tool),
    actionMask,
  };
}

const seeds = fc.integer({ min: 0, max: 1e6 });
const counts = fc.integer({ min: 2, max: 9 });
const RUNS = { numRuns: 25 };

describe('policy', () => {
  test('think is blind to the tool, rethink is not', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, seeds, counts, async (seed, other, n) => {
        const example = randomExample(seed, n, 4);
        const { tool } = randomExample(other + 1_000_003, n, 4);
        const actionMask = new Uint8Array(n + 2).map((_, action) => (action < 2 ? 1 : 0));
        const [one] = await answers([example]);
        const [two] = await answers([{ ...example, tool, actionMask }]);
        expect(two!.think).toEqual(one!.think);
        expect(largestChange(two!.rethink, one!.rethink)).toBeGreaterThan(1e-4);
      }),
      RUNS,
    );
  });

  test('think is blind to candidates that are hidden from it', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, counts, async (seed, n) => {
        const example = randomExample(seed, n, 4);
        const candidates = example.candidates.slice();
        const boxes = example.boxes.slice();
        candidates.subarray(-SMALL_POLICY.candidateFeatures).fill(0.9);
        boxes.set([0.5, 0.5, 0.9, 0.9], boxes.length - 4);
        const [one] = await answers([example]);
        const [two] = await answers([{ ...example, candidates, boxes }]);
        expect(two!.think).toEqual(one!.think);
        expect(one!.think[n - 1]).toBe(0);
        expect(largestChange(two!.rethink, one!.rethink)).toBeGreaterThan(1e-6);
      }),
      RUNS,
    );
  });

  test('the order of candidates does not matter', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, counts, async (seed, n) => {
        const example = randomExample(seed, n, 4);
        const order = RandomStream.fromSeed(seed).shuffled(Array.from({ length: n }, (_, i) => i));
        const [one, two] = await answers([example, reordered(example, order)]);
        for (const name of ['think', 'rethink', 'score'] as const) {
          const moved = one![name].slice();
          order.forEach((from, to) => {
            moved[to] = one![name][from]!;
          });
          expectClose(two![name], moved);
        }
      }),
      RUNS,
    );
  });

  test('padding and neighbours in the batch change nothing', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.nat(6), fc.nat(5), async (seed, n, w) => {
        const example = randomExample(seed, n, w);
        const [alone] = await answers([example]);
        const padded = await answers([randomExample(seed + 1, 11, 8), example], {
          batch: 4,
          candidates: 16,
          words: 12,
        });
        for (const name of ['think', 'rethink', 'score'] as const) {
          expectClose(padded[1]![name], alone![name]);
        }
      }),
      RUNS,
    );
  });

  test('padding changes nothing where think may see no candidate at all', async () => {
    const example = { ...randomExample(3, 4, 3), thinkMask: new Uint8Array(4) };
    const [alone] = await answers([example]);
    const [padded] = await answers([example], { batch: 1, candidates: 20, words: 3 });
    expectClose(padded!.rethink, alone!.rethink);
    expect([...alone!.think]).toEqual([0, 0, 0, 0, 1]);
  });

  test('probabilities add up over the open actions alone', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, counts, async (seed, n) => {
        const example = randomExample(seed, n, 4);
        const open = RandomStream.fromSeed(seed);
        const actionMask = example.actionMask.map((_, i) =>
          i === 1 || open.uniform() < 0.5 ? 1 : 0,
        );
        const [answer] = await answers([{ ...example, actionMask }]);
        const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
        expect(sum(answer!.rethink)).toBeCloseTo(1, 5);
        expect(sum(answer!.think)).toBeCloseTo(1, 5);
        answer!.rethink.forEach((value, action) => {
          if (actionMask[action] === 0) expect(value).toBe(0);
        });
      }),
      RUNS,
    );
  });

  test('keeping the tool is as right as the box that it keeps', async () => {
    const [answer] = await answers([randomExample(11, 5, 4)]);
    expect(answer!.score[5]).toBeCloseTo(answer!.score[0]!, 6);
  });

  test('the shipped sizes stay far below a million values', () => {
    const settings = {
      ...SMALL_POLICY,
      candidateFeatures: 120,
      queryFeatures: 40,
      vocabulary: 2000,
      wordWidth: 24,
      width: 64,
      heads: 4,
      hidden: 128,
    };
    expect(parameterCount(policyParameters(settings))).toBeLessThan(300_000);
  });
});

describe('packPolicyBatch', () => {
  test('refuses what does not fit', () => {
    const example = randomExample(1, 3, 2);
    const pack = (each: PolicyExample, sizes?: PaddedSizes) => () =>
      packPolicyBatch(SMALL_POLICY, [each], sizes);
    expect(pack(example, { batch: 1, candidates: 2, words: 2 })).toThrow(
      'an example of 3 candidates and 2 words in a batch for 2 candidates and 2 words',
    );
    expect(pack(example, { batch: 0, candidates: 3, words: 2 })).toThrow('batch of 0: got 1');
    expect(pack({ ...example, query: new Float32Array(3) })).toThrow(
      'query: expected 4 numbers, got 3',
    );
    expect(pack({ ...example, words: Int32Array.of(0, 30) })).toThrow(
      'words: expected rows below 30, got 30',
    );
  });
});
