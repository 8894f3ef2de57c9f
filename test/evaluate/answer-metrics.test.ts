import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BoxXyxy } from '../../src/core/box.js';
import { iouXyxy } from '../../src/core/box.js';
import { areaUnderRoc } from '../../src/evaluate/answer-metrics.js';
import { matchOneToOne } from '../../src/evaluate/answers.js';
import { evaluateResults, evaluateTools } from '../../src/evaluate/evaluation-run.js';
import { flatMetrics } from '../../src/evaluate/metrics.js';
import { refinementReport } from '../../src/evaluate/refinement-report.js';
import { metricsOverview } from '../../src/evaluate/tables.js';
import { evalQueries, evalResults } from '../../src/formats/eval-files.js';

const numbered = (texts: readonly string[]) =>
  texts.map((text, index) => ({ number: index + 1, text }));
const file = (name: string) => fileURLToPath(new URL(`oracle/${name}`, import.meta.url));
const linesOf = (name: string) => numbered(readFileSync(file(name), 'utf8').trimEnd().split('\n'));

const NAMES = ['before', 'after'] as const;
const QUERIES = 'answers.queries.jsonl';
const RESULTS = 'answers.results.jsonl';

const reports = {
  results: async () =>
    refinementReport(
      (
        await evaluateResults(
          evalQueries(linesOf(QUERIES), QUERIES),
          evalResults(linesOf(RESULTS), RESULTS),
          RESULTS,
        )
      ).scores,
    ),
  tools: async () =>
    refinementReport(
      (await evaluateTools(evalQueries(linesOf(QUERIES), QUERIES, { tools: NAMES }), NAMES)).scores,
    ),
};

type Numbers = Record<string, number | null>;
interface Expected {
  readonly metrics: Numbers & { by_size: Numbers };
  readonly groups: Record<string, Numbers & { by_size: Numbers }>;
}

function expectClose(got: Numbers, { by_size, ...rest }: Expected['metrics'], name: string): void {
  const expected: Numbers = { ...rest };
  for (const [size, value] of Object.entries(by_size)) expected[`by_size.${size}`] = value;
  expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort());
  for (const [key, value] of Object.entries(expected)) {
    if (value === null) expect(got[key], `${name} ${key}`).toBeNull();
    else expect(Math.abs(got[key]! - value), `${name} ${key}`).toBeLessThan(1e-9);
  }
}

describe.each(['results', 'tools'] as const)('every metric of %s', (kind) => {
  test('is that of the second implementation, overall and by group', async () => {
    const expected = JSON.parse(readFileSync(file('answers.generated.json'), 'utf8'))[
      kind
    ] as Expected;
    const report = await reports[kind]();
    expectClose(flatMetrics(report.metrics), expected.metrics, 'all');
    expect(Object.keys(report.groups!)).toEqual(Object.keys(expected.groups));
    for (const [group, metrics] of Object.entries(report.groups!)) {
      expectClose(flatMetrics(metrics), expected.groups[group]!, group);
    }
    expect(report).toMatchObject({ absent_queries: 30, set_queries: 30 });
  });

  test('the second implementation still gives what is stored', (context) => {
    const args = kind === 'results' ? [file(RESULTS)] : ['--tool', NAMES[0], '--answer', NAMES[1]];
    const script = fileURLToPath(
      new URL('../../scripts/reference/eval_metrics.py', import.meta.url),
    );
    const run = spawnSync('python3', [script, file(QUERIES), ...args], { encoding: 'utf8' });
    if (run.error) context.skip('python3 is not here');
    expect(run.stderr).toBe('');
    const stored = JSON.parse(readFileSync(file('answers.generated.json'), 'utf8'));
    expect(JSON.parse(run.stdout)).toEqual(stored[kind]);
  });
});

interface Case {
  readonly truths: readonly number[][];
  readonly tool?: number[] | null;
  readonly boxes: readonly number[][] | 'fallback' | 'error';
}

/** The metrics of one query. */
async function metricsOf({ truths, tool = null, boxes }: Case) {
  const query = { id: 'a', query: 'it', boxes: truths };
  const listed = typeof boxes === 'string' ? [] : boxes;
  const decision = boxes === 'fallback' ? 'fallback' : listed[0] ? 'correct' : 'none';
  const answer = {
    bbox_2d: listed[0] ?? null,
    decision,
    score: 0.5,
    ...(listed.length > 1 && { boxes: listed.map((box) => ({ bbox_2d: box, score: 0.5 })) }),
  };
  const result = {
    type: boxes === 'error' ? 'error' : 'result',
    schema: 1,
    id: 'a',
    tool: { name: 't', bbox_2d: tool },
    answer,
  };
  const { scores } = await evaluateResults(
    evalQueries(numbered([JSON.stringify(query)]), 'q'),
    evalResults(numbered([JSON.stringify(result)]), 'r'),
    'r',
  );
  return refinementReport(scores).metrics;
}

describe('a query that nothing fits', () => {
  const box = [0, 0, 9, 9];

  test.each([
    ['none corrects a tool that gave a box', { tool: box, boxes: [] }, 1, 0, 1, 1],
    ['none confirms a tool that gave none', { tool: null, boxes: [] }, 1, 1, null, 1],
    ['a box is wrong', { tool: null, boxes: [box] }, 0, 1, null, 0],
    ['a fallback without a box is no `none`', { tool: null, boxes: 'fallback' }, 0, 1, null, 0],
    ['an error is no `none`', { boxes: 'error' }, 0, 0, 0, 0],
  ] as const)('%s', async (_, told, accuracy, tool, ccr, none) => {
    expect(await metricsOf({ truths: [], ...told } as unknown as Case)).toMatchObject({
      accuracy,
      tool_accuracy: tool,
      ccr,
      n_acc: none,
      t_acc: null,
    });
  });

  test('is answered exactly by no box, whatever the decision, but not by an error', async () => {
    const exact = async (boxes: Case['boxes']) =>
      (await metricsOf({ truths: [], boxes })).set_precision;
    expect([
      await exact([]),
      await exact('fallback'),
      await exact('error'),
      await exact([box]),
    ]).toEqual([1, 1, 0, 0]);
  });
});

describe('a query that means several', () => {
  const truths = [
    [0, 0, 10, 10],
    [20, 0, 10, 10],
  ];
  const [left, right, other] = [
    [0, 0, 10, 10],
    [20, 0, 30, 10],
    [50, 50, 60, 60],
  ] as const;

  test.each([
    ['all, in any order', [right, left], 1, 1],
    ['one of them', [right], 1, 0],
    ['one over', [left, right, other], 1, 0],
    ['one twice', [left, left], 1, 0],
    ['another first', [other, left], 0, 0],
    ['none', [], 0, 0],
  ])('is answered with %s', async (_, boxes, accuracy, exact) => {
    const metrics = await metricsOf({ truths, boxes: boxes as unknown as number[][] });
    expect(metrics).toMatchObject({ accuracy, set_precision: exact, t_acc: boxes.length ? 1 : 0 });
    expect(metrics.by_size).toEqual({ small: null, medium: null, large: null });
  });
});

test('an IoU just above each threshold counts, one just below does not', async () => {
  // [0, 0, w, 100] against [0, 0, 100, 100]: IoU is w / 100, but for the 1e-6 of the union.
  const at = (width: number) =>
    metricsOf({ truths: [[0, 0, 100, 100]], boxes: [[0, 0, width, 100]] });
  expect(await at(50.1)).toMatchObject({ accuracy_50: 1, accuracy_75: 0, mean_accuracy: 0.1 });
  expect(await at(75)).toMatchObject({ accuracy_50: 1, accuracy_75: 0, mean_accuracy: 0.5 });
  expect(await at(75.1)).toMatchObject({ accuracy_75: 1, accuracy_90: 0, mean_accuracy: 0.6 });
  expect(await at(96)).toMatchObject({ accuracy_90: 1, mean_accuracy: 1 });
  expect((await at(96)).by_size).toEqual({ small: null, medium: null, large: 1 });
});

test('the table that people see leaves out what the queries do not ask for', async () => {
  const rowsOf = (report: Parameters<typeof metricsOverview>[0]) =>
    metricsOverview(report).rows.map(([key]) => key);
  const report = await reports.results();
  expect(rowsOf(report)).toEqual(
    expect.arrayContaining(['n_acc', 't_acc', 'set_precision', 'score_auc', 'by_size.small']),
  );
  const plain = { ...report, absent_queries: 0, set_queries: 0 };
  for (const key of ['n_acc', 't_acc', 'set_precision']) expect(rowsOf(plain)).not.toContain(key);
});

test('the area under the curve is the share of pairs in order', () => {
  const scores = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 20 });
  fc.assert(
    fc.property(scores, scores, (right, wrong) => {
      const got = areaUnderRoc(right, wrong);
      const won = right.flatMap((r) => wrong.map((w) => (r > w ? 1 : r === w ? 0.5 : 0)));
      if (won.length === 0) expect(got).toBeNull();
      else
        expect(got).toBeCloseTo(won.reduce<number>((sum, each) => sum + each, 0) / won.length, 12);
    }),
  );
});

test('sets match where some order of their boxes does', () => {
  const side = fc.integer({ min: 0, max: 2 });
  const box = fc
    .tuple(side, side, fc.integer({ min: 4, max: 6 }))
    .map(([x, y, size]): BoxXyxy => ({ x1: x, y1: y, x2: x + size, y2: y + size }));
  const orders = (boxes: readonly BoxXyxy[]): BoxXyxy[][] =>
    boxes.length === 0
      ? [[]]
      : boxes.flatMap((first, at) =>
          orders(boxes.filter((_, other) => other !== at)).map((rest) => [first, ...rest]),
        );
  let matched = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 4 }).chain((size) => {
        const boxes = fc.array(box, { minLength: size, maxLength: size });
        return fc.tuple(boxes, boxes);
      }),
      ([given, truths]) => {
        const expected = orders(truths).some((order) =>
          order.every((truth, at) => iouXyxy(given[at]!, truth) >= 0.5),
        );
        if (expected && given.length > 1) matched += 1;
        expect(matchOneToOne(given, truths)).toBe(expected);
        if (truths.length > 0) expect(matchOneToOne(given, truths.slice(1))).toBe(false);
      },
    ),
    { numRuns: 500, seed: 1 },
  );
  expect(matched).toBeGreaterThan(10);
});
