import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { calibrationOf } from '../../src/evaluate/answer-metrics.js';
import {
  type Evaluation,
  type EvaluationOptions,
  evaluateDump,
  evaluateResults,
  evaluateTools,
  refuseOtherQueries,
} from '../../src/evaluate/evaluation-run.js';
import { refinementReport } from '../../src/evaluate/refinement-report.js';
import { dumpRows, evalQueries, evalResults } from '../../src/formats/eval-files.js';

function lines(values: readonly unknown[]) {
  return values.map((value, index) => ({ number: index + 1, text: JSON.stringify(value) }));
}

interface Row {
  readonly id: string;
  /** Width of the box that is found, of the 100 that are there: IoU is a hundredth of it. */
  readonly tool?: number | null;
  readonly answer?: number | null;
  readonly score?: number;
  readonly kind?: string;
}

const truth = [0, 0, 100, 100];
const box = (width: number | null | undefined) => (width == null ? null : [0, 0, width, 100]);

function queryLine({ id, kind }: Row) {
  return { id, image: `${id}.jpg`, query: `the ${id}`, bbox: truth, kind };
}

function resultLine({ id, tool, answer, score = 0.5 }: Row) {
  return {
    type: 'result',
    schema: 1,
    id,
    tool: { name: 't', bbox_2d: box(tool) },
    answer: { bbox_2d: box(answer), score, decision: 'correct', text: 'because' },
  };
}

function evaluated(
  queries: readonly unknown[],
  results: readonly unknown[],
  options?: EvaluationOptions,
): Promise<Evaluation> {
  return evaluateResults(
    evalQueries(lines(queries), 'q.jsonl'),
    evalResults(lines(results), 'r.jsonl'),
    'r.jsonl',
    options,
  );
}

const rows: Row[] = [
  { id: 'a', tool: 20, answer: 80, score: 0.9, kind: 'human' },
  { id: 'b', tool: 80, answer: 80, score: 0.8, kind: 'human' },
  { id: 'c', tool: 80, answer: 20, score: 0.7 },
  { id: 'd', tool: null, answer: null },
];

describe('a results file', () => {
  test('is joined to its queries by id, in any order', async () => {
    const inOrder = await evaluated(rows.map(queryLine), rows.map(resultLine), { gallery: 9 });
    const turned = await evaluated(rows.map(queryLine), rows.map(resultLine).reverse(), {
      gallery: 9,
    });
    expect(inOrder.scores.metrics()).toMatchObject({ total: 4, accuracy: 0.5, ccr: 0.5 });
    expect(inOrder.scores.queries).toEqual(turned.scores.queries);
    expect(inOrder.gallery).toEqual(turned.gallery);
    expect(inOrder.scores.groupMetrics().get('human')).toMatchObject({ total: 2, accuracy: 1 });
    expect(refinementReport(inOrder.scores)).toMatchObject({
      missing_answers: 1,
      missing_tools: 1,
    });
  });

  test('a query without a line counts with IoU 0 and is told of', async () => {
    const { scores, notices } = await evaluated(rows.map(queryLine), [resultLine(rows[0]!)]);
    expect(scores.metrics()).toMatchObject({ total: 4, accuracy: 0.25 });
    expect(refinementReport(scores).missing_answers).toBe(3);
    expect(notices).toEqual([expect.stringMatching(/^3 of 4 queries have no line/)]);
  });

  test('of several boxes where one object is meant the best one counts, in every metric', async () => {
    const listed = (row: Row, widths: readonly number[]) => {
      const line = resultLine(row);
      return {
        ...line,
        answer: { ...line.answer, boxes: widths.map((width) => ({ bbox_2d: box(width) })) },
      };
    };
    // IoU = width / 100, but for the 1e-6 of the union: a 20 -> 80, b 80 -> 90, c 80 -> 80, d nothing -> nothing.
    const several = [
      listed({ id: 'a', tool: 20, answer: 10, score: 0.9 }, [10, 80, 60]),
      listed({ id: 'b', tool: 80, answer: 90, score: 0.8 }, [90, 40]),
      listed({ id: 'c', tool: 80, answer: 20, score: 0.7 }, [20, 80]),
      listed({ id: 'd', tool: null, answer: null }, []),
    ];
    const { scores, notices, gallery } = await evaluated(rows.map(queryLine), several, {
      gallery: 9,
    });
    const metrics = scores.metrics();
    expect(metrics).toMatchObject({ total: 4, accuracy: 0.75, tool_accuracy: 0.5, ccr: 0.5 });
    expect(metrics).toMatchObject({ refinement_rate: 0.5, follow_correct_rate: 0.5 });
    expect(metrics).toMatchObject({ worsen_rate: 0, inherited_error_rate: 1 });
    expect(metrics.mean_iou).toBeCloseTo((0.8 + 0.9 + 0.8) / 4, 8);
    expect(metrics.mean_iou_delta).toBeCloseTo((0.6 + 0.1) / 4, 8);
    expect(metrics.nsri).toBeCloseTo((0.6 / 0.8 + 0.1 / 0.2) / 4, 8);
    expect(metrics.nsri_tool_wrong).toBeCloseTo(0.6 / 0.8 / 2, 8);
    expect(notices).toEqual([
      '3 answers list several boxes for one object; the best box of each counts, and in 2 of them only a box after the first is right',
    ]);
    // d says that nothing fits, with a score of 0.5, and is wrong.
    expect(calibrationOf(scores.queries).brier).toBeCloseTo((0.01 + 0.04 + 0.09 + 0.25) / 4, 12);
    const shown = gallery.find(({ id }) => id === 'a');
    expect(shown).toMatchObject({ outcome: 'correction', answer: { boxXyxy: { x2: 80 } } });
  });

  test('ids that no query has are refused, the first five named', async () => {
    const strays = ['s', 't', 'u', 'v', 'w', 'x'].map((id) => resultLine({ id, answer: 1 }));
    await expect(evaluated(rows.map(queryLine), [resultLine(rows[0]!), ...strays])).rejects.toThrow(
      '`r.jsonl`: 6 of its ids are not in the queries; the first: `s`, `t`, `u`, `v`, `w`',
    );
  });

  test('ids that come twice are refused', async () => {
    const twice = [resultLine(rows[0]!), resultLine(rows[1]!), resultLine(rows[0]!)];
    await expect(evaluated(rows.map(queryLine), twice)).rejects.toThrow(
      '`r.jsonl`, line 3: expected one answer to `a`, got a second; the first is in line 1',
    );
    const queries = [queryLine(rows[0]!), queryLine(rows[0]!)];
    await expect(evaluated(queries, [])).rejects.toThrow(/line 2: .* got `a` again/);
  });

  test('calibration is over the answers with a score, sizes over all', async () => {
    const { scores } = await evaluated(rows.map(queryLine), rows.map(resultLine));
    const calibration = calibrationOf(scores.queries);
    expect(calibration.count).toBe(4);
    expect(calibration.bins[8]).toEqual({
      from: 0.8,
      to: 0.9,
      count: 1,
      meanScore: 0.8,
      accuracy: 1,
    });
    // |0.9 - 1|, |0.8 - 1|, |0.7 - 0| and |0.5 - 0|, each of one answer.
    expect(calibration.ece).toBeCloseTo((0.1 + 0.2 + 0.7 + 0.5) / 4, 12);
    expect(calibration.brier).toBeCloseTo((0.01 + 0.04 + 0.49 + 0.25) / 4, 12);
    expect(scores.queries.map(({ objectSize }) => objectSize)).toEqual(Array(4).fill('large'));
  });

  test('the gallery holds each outcome with its texts, and no more than it may', async () => {
    const { gallery } = await evaluated(rows.map(queryLine), rows.map(resultLine), { gallery: 4 });
    expect(gallery.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['a', 'correction'],
      ['b', 'confirmation'],
      ['c', 'loss'],
      ['d', 'error'],
    ]);
    expect(gallery[0]).toMatchObject({
      query: 'the a',
      image: 'a.jpg',
      decision: 'correct',
      truthsXyxy: [{ x1: 0, y1: 0, x2: 100, y2: 100 }],
      answer: { text: 'because', boxXyxy: { x2: 80 } },
    });
    const many = Array.from({ length: 500 }, (_, index) => ({
      id: `q${index}`,
      tool: 10,
      answer: 51 + (index % 49),
    }));
    const best = await evaluated(many.map(queryLine), many.map(resultLine), { gallery: 3 });
    expect(best.gallery.map(({ id }) => id)).toEqual(['q48', 'q97', 'q146']);
  });
});

describe('two tools of the query lines', () => {
  const withTools = (id: string, one: unknown, two: unknown) => ({
    ...queryLine({ id }),
    tools: { one: [{ bbox_2d: one }], two: [{ bbox_2d: two }] },
  });
  const queries = [
    withTools('a', box(20), box(80)),
    withTools('b', box(80), [9, 9, 1, 1]),
    queryLine({ id: 'c' }),
  ];
  const scored = (...names: [string, string]) =>
    evaluateTools(evalQueries(lines(queries), 'q.jsonl', { tools: names }), names);

  test('are scored against each other', async () => {
    const { scores, notices } = await scored('one', 'two');
    expect(scores.metrics()).toMatchObject({ total: 3, accuracy: 1 / 3, tool_accuracy: 1 / 3 });
    expect(refinementReport(scores).missing_answers).toBe(2);
    expect(notices).toEqual([expect.stringMatching(/^1 boxes have their corners .* in line 2;/)]);
  });

  test('a tool that no line has is refused', async () => {
    await expect(scored('one', 'three')).rejects.toMatchObject({
      message: expect.stringContaining('no line has boxes of the tool `three`'),
      hint: 'tools in the file: `one`, `two`',
    });
  });
});

test('a dump of the paper', async () => {
  const rowsText = JSON.stringify([
    { image_id: 1, ann_id: 1, iou: 0.9, tool_iou: 0.2 },
    { image_id: 1, ann_id: 2, iou: 0.1, tool_iou: null },
  ]);
  const { scores, ids } = await evaluateDump(dumpRows([rowsText], 'output_0.json'));
  expect(scores.metrics()).toMatchObject({ total: 2, accuracy: 0.5, ccr: 0.5 });
  expect(ids).toEqual(['1_1', '1_2']);
  expect(scores.queries.map(({ objectSize }) => objectSize)).toEqual([undefined, undefined]);
});

test('runs over other queries are not compared', async () => {
  const one = await evaluated(rows.map(queryLine), rows.map(resultLine));
  const two = await evaluated(rows.slice(0, 3).map(queryLine), rows.slice(0, 3).map(resultLine));
  expect(() => refuseOtherQueries(one, one)).not.toThrow();
  expect(() => refuseOtherQueries(one, two)).toThrow(/got no more queries for `d`/);
});

const shared = new URL('../../../shared/data/tool-predictions/', import.meta.url);
const sharedIsThere = existsSync(shared);
if (!sharedIsThere) console.log('skipped: no ../shared/data/tool-predictions');

/** The metrics once more, row by row from their definitions. */
function plainMetrics(pairs: readonly (readonly [t: number, f: number])[]) {
  const share = (part: number, whole: number) => (whole === 0 ? null : part / whole);
  const count = (holds: (t: number, f: number) => boolean) =>
    pairs.filter(([t, f]) => holds(t, f)).length;
  const gain = (t: number, f: number) => {
    if (Math.abs(f - t) <= 1e-9) return 0;
    return f > t ? (f - t) / (1 - t) : (f - t) / t;
  };
  const same = (t: number, f: number) => Math.abs(f - t) <= 1e-9;
  const toolRight = count((t) => t > 0.5);
  const sum = (of: (t: number, f: number) => number) =>
    pairs.reduce((total, [t, f]) => total + of(t, f), 0);
  return {
    total: pairs.length,
    accuracy: share(
      count((_, f) => f > 0.5),
      pairs.length,
    ),
    tool_accuracy: share(toolRight, pairs.length),
    mean_iou: share(
      sum((_, f) => f),
      pairs.length,
    ),
    ccr: share(
      count((t, f) => t <= 0.5 && f > 0.5),
      pairs.length - toolRight,
    ),
    refinement_rate: share(
      count((t, f) => t > 0.5 && f > t && !same(t, f)),
      toolRight,
    ),
    follow_correct_rate: share(
      count((t, f) => t > 0.5 && same(t, f)),
      toolRight,
    ),
    worsen_rate: share(
      count((t, f) => f < t && !same(t, f)),
      pairs.length,
    ),
    inherited_error_rate: share(
      count((t, f) => f <= 0.5 && t <= 0.5 && same(t, f)),
      count((_, f) => f <= 0.5),
    ),
    nsri: share(sum(gain), pairs.length),
    nsri_tool_wrong: share(
      sum((t, f) => (t > 0.5 ? 0 : gain(t, f))),
      pairs.length - toolRight,
    ),
  };
}

interface SharedLine {
  readonly bbox: [number, number, number, number];
  readonly tools: Record<string, { bbox_2d: [number, number, number, number] }[]>;
}

function plainIou({ bbox: [x, y, w, h], tools }: SharedLine, name: string): number {
  const [x1, y1, x2, y2] = tools[name]?.[0]?.bbox_2d ?? [0, 0, 0, 0];
  const width = Math.max(0, Math.min(x + w, x2) - Math.max(x, x1));
  const height = Math.max(0, Math.min(y + h, y2) - Math.max(y, y1));
  return (width * height) / (w * h + (x2 - x1) * (y2 - y1) - width * height + 1e-6);
}

test.skipIf(!sharedIsThere).each([
  ['refcoco-testA', 'grounding-dino-tiny', 'qwen2.5-vl-7b'],
  ['refcoco+-testA', 'qwen2.5-vl-7b', 'grounding-dino-tiny'],
  ['refcocog-test', 'llava-1.5-7b', 'internvl2.5-8b'],
])('real tools of %s against the definitions: %s, %s', async (file, tool, answer) => {
  const texts = readFileSync(new URL(`${file}.jsonl`, shared), 'utf8')
    .trim()
    .split('\n');
  const numbered = texts.map((text, index) => ({ number: index + 1, text }));
  const { scores } = await evaluateTools(evalQueries(numbered, file, { tools: [tool, answer] }), [
    tool,
    answer,
  ]);
  const pairs = texts
    .map((text) => JSON.parse(text) as SharedLine)
    .map((line) => [plainIou(line, tool), plainIou(line, answer)] as const);
  const metrics = scores.metrics();
  for (const [key, value] of Object.entries(plainMetrics(pairs))) {
    expect(Math.abs(metrics[key as keyof typeof metrics]! - value!), key).toBeLessThan(1e-9);
  }
});
