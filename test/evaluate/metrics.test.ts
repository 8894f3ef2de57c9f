import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/core/random.js';
import type { ScoredQuery } from '../../src/evaluate/answers.js';
import { bootstrapIntervals } from '../../src/evaluate/bootstrap.js';
import {
  type RefinementMetrics,
  RefinementScores,
  signedRelativeIou,
} from '../../src/evaluate/metrics.js';
import { refinementReport } from '../../src/evaluate/refinement-report.js';
import { iouThresholds } from '../../src/evaluate/settings.js';

function scoresOf(rows: readonly ScoredQuery[], thresholds: readonly number[] = []) {
  const scores = new RefinementScores(thresholds);
  for (const row of rows) scores.add(row);
  return scores;
}

/** `rows_of` of test/evaluate/oracle/refinement_oracle.py. */
function oracleRows(seed: number, size: number): ScoredQuery[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: size }, (_, index) => {
    let toolIou = random.next();
    let finalIou = random.next();
    const pick = random.nextUint32() % 12;
    if (pick < 4) finalIou = toolIou;
    if (pick === 4) finalIou = Math.min(1, toolIou + 5e-10);
    if (pick === 5) finalIou = Math.max(0, toolIou - 2e-9);
    if (pick === 6) toolIou = 0.5;
    if (pick === 7) finalIou = 0.5;
    if (pick === 8) toolIou = 0;
    if (pick === 9) toolIou = finalIou = 0;
    return { toolIou, finalIou, group: 'abc'[index % 3]! };
  });
}

type Numbers = Record<string, number | null>;

interface OracleCase {
  readonly seed: number;
  readonly size: number;
  readonly thresholds: number[];
  readonly metrics: Numbers;
  readonly groups: Record<string, Numbers>;
  readonly bootstrap: {
    readonly seed: number;
    readonly resamples: number;
    readonly intervals: Record<string, [number, number] | null>;
  };
}

const oracle = JSON.parse(
  readFileSync(new URL('oracle/refinement.generated.json', import.meta.url), 'utf8'),
) as Record<string, OracleCase>;

function expectClose(got: RefinementMetrics, expected: Numbers): void {
  expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort());
  for (const [key, value] of Object.entries(expected)) {
    const number = (got as unknown as Numbers)[key];
    if (value === null) expect(number, key).toBeNull();
    else expect(Math.abs(number! - value), key).toBeLessThan(1e-9);
  }
}

describe.each(Object.entries(oracle))('against numpy: %s', (_, expected) => {
  const scores = scoresOf(oracleRows(expected.seed, expected.size), expected.thresholds);

  test('metrics, overall and by group', () => {
    expectClose(scores.metrics(), expected.metrics);
    const groups = scores.groupMetrics();
    expect([...groups.keys()]).toEqual(Object.keys(expected.groups));
    for (const [group, metrics] of groups) expectClose(metrics, expected.groups[group]!);
  });

  test('bootstrap intervals', () => {
    const { overall } = bootstrapIntervals(scores, expected.bootstrap);
    expect(Object.keys(overall).sort()).toEqual(Object.keys(expected.bootstrap.intervals).sort());
    for (const [key, interval] of Object.entries(expected.bootstrap.intervals)) {
      const got = overall[key as keyof typeof overall]!;
      if (interval === null) expect(got, key).toBeNull();
      else {
        expect(Math.abs(got[0] - interval[0]), key).toBeLessThan(1e-9);
        expect(Math.abs(got[1] - interval[1]), key).toBeLessThan(1e-9);
      }
    }
  });
});

describe('by hand', () => {
  test('one of each kind', () => {
    const metrics = scoresOf([
      { toolIou: 0.2, finalIou: 0.6 }, // corrected: 0.4 of 0.8
      { toolIou: 0.2, finalIou: 0.2 }, // inherited
      { toolIou: 0.8, finalIou: 0.8 }, // followed
      { toolIou: 0.6, finalIou: 0.8 }, // refined: 0.2 of 0.4
      { toolIou: 0.8, finalIou: 0.2 }, // lost: 0.6 of 0.8
    ]).metrics();
    expect(metrics).toMatchObject({ total: 5, accuracy: 3 / 5, tool_accuracy: 3 / 5, ccr: 1 / 2 });
    expect(metrics).toMatchObject({ refinement_rate: 1 / 3, follow_correct_rate: 1 / 3 });
    expect(metrics).toMatchObject({ worsen_rate: 1 / 5, inherited_error_rate: 1 / 2 });
    expect(metrics.nsri).toBeCloseTo((0.5 + 0.5 - 0.75) / 5, 12);
    expect(metrics.nsri_tool_correct).toBeCloseTo((0.5 - 0.75) / 3, 12);
    expect(metrics.nsri_tool_wrong).toBeCloseTo(0.5 / 2, 12);
    expect(metrics.mean_iou_delta).toBeCloseTo(0, 12);
  });

  test('an IoU of exactly 0.5 is wrong', () => {
    expect(scoresOf([{ toolIou: 0.5, finalIou: 0.5 }]).metrics()).toMatchObject({
      accuracy: 0,
      tool_accuracy: 0,
      ccr: 0,
      refinement_rate: null,
      inherited_error_rate: 1,
    });
  });

  test('a missing box counts as IoU 0 and is counted', () => {
    const scores = scoresOf([
      { toolIou: 0.9, finalIou: null },
      { toolIou: null, finalIou: 0.9 },
      { toolIou: null, finalIou: null },
    ]);
    expect(scores.metrics()).toMatchObject({ total: 3, accuracy: 1 / 3, ccr: 1 / 2 });
    expect(refinementReport(scores)).toMatchObject({ missing_answers: 2, missing_tools: 2 });
  });

  test.each([Number.NaN, -0.1, 1.1, Number.POSITIVE_INFINITY])('IoU %d is refused', (iou) => {
    expect(() => scoresOf([{ toolIou: iou, finalIou: 0 }])).toThrow(/IoU of the tool: expected 0/);
    expect(() => scoresOf([{ toolIou: 0, finalIou: iou }])).toThrow(/IoU of the answer/);
  });

  test.each([-0.1, 1, Number.NaN])('threshold %d is refused', (threshold) => {
    expect(() => iouThresholds(String(threshold))).toThrow(/numbers from 0 to below 1/);
  });
});

const iou = fc.oneof(fc.constantFrom(0, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true }));
const rows = fc.array(
  fc.record({ toolIou: iou, finalIou: iou, group: fc.constantFrom('a', 'b') }),
  { minLength: 1, maxLength: 60 },
);

describe('always', () => {
  test('shuffled rows leave the metrics alone', () => {
    const shuffled = rows.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(shuffled, ([list, mixed]) => {
        expectClose(
          scoresOf(mixed, [0.75]).metrics(),
          scoresOf(list, [0.75]).metrics() as unknown as Numbers,
        );
      }),
    );
  });

  test('rates are shares, signed ones lie in [-1, 1]', () => {
    fc.assert(
      fc.property(rows, (list) => {
        for (const [key, value] of Object.entries(scoresOf(list, [0.25]).metrics())) {
          if (key === 'total' || value === null) continue;
          const least = /^(mean_iou_delta|nsri|nsri_tool_\w+)$/.test(key) ? -1 : 0;
          expect(value, key).toBeGreaterThanOrEqual(least);
          expect(value, key).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test('an answer that follows the tool has NSRI 0 and never worsens', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const metrics = scoresOf(
          list.map(({ toolIou }) => ({ toolIou, finalIou: toolIou })),
        ).metrics();
        expect(metrics).toMatchObject({ nsri: 0, worsen_rate: 0, mean_iou_delta: 0 });
        expect(metrics.accuracy).toBe(metrics.tool_accuracy);
      }),
    );
  });

  test('groups add up to the whole', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const scores = scoresOf(list);
        const parts = [...scores.groupMetrics().values()];
        const right = parts.reduce((sum, part) => sum + part.total * part.accuracy!, 0);
        expect(right / list.length).toBeCloseTo(scores.metrics().accuracy!, 9);
      }),
    );
  });

  test('swapping tool and answer turns the sign of a gain that is a loss', () => {
    fc.assert(
      fc.property(iou, iou, (tool, final) => {
        expect(Math.sign(signedRelativeIou(tool, final)) + 0).toBe(
          -Math.sign(signedRelativeIou(final, tool)) + 0,
        );
      }),
    );
  });
});
