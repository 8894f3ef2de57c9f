import { describe, expect, test } from 'vitest';
import { evalResults } from '../../src/formats/eval-files.js';

async function resultsOf(...values: readonly unknown[]) {
  const lines = values.map((value, index) => ({ number: index + 1, text: JSON.stringify(value) }));
  const results = [];
  for await (const result of evalResults(lines, 'r.jsonl')) results.push(result);
  return results;
}

const result = {
  type: 'result',
  schema: 1,
  id: 'a',
  image: 'a.jpg',
  width: 640,
  height: 480,
  query: 'the lion',
  tool: { name: 'centernet', bbox_2d: [1, 2, 3, 4], score: 0.7, label: 'lion' },
  think: { bbox_2d: null, score: 0, text: 'Nothing fits.' },
  answer: { bbox_2d: [1, 2, 3, 5], score: 0.8, decision: 'adjust', text: 'A better box.' },
  candidates: 3,
};

test('a result and an error record', async () => {
  const error = { type: 'error', schema: 1, id: 'b', line: 2, code: 'IMAGE_MISSING', message: '' };
  expect(await resultsOf(result, error)).toEqual([
    {
      id: 'a',
      line: 1,
      size: { width: 640, height: 480 },
      toolName: 'centernet',
      tool: { boxXyxy: { x1: 1, y1: 2, x2: 3, y2: 4 }, score: 0.7 },
      think: { boxXyxy: null, score: 0, text: 'Nothing fits.' },
      answer: { boxXyxy: { x1: 1, y1: 2, x2: 3, y2: 5 }, score: 0.8, text: 'A better box.' },
      decision: 'adjust',
    },
    { id: 'b', line: 2, tool: null, answer: null },
  ]);
});

test('an answer that lists several boxes', async () => {
  const boxes = [
    { bbox_2d: [1, 2, 3, 5], score: 0.8 },
    { bbox_2d: [4, 4, 9, 9], score: 0.6 },
  ];
  const [several] = await resultsOf({ ...result, answer: { ...result.answer, boxes } });
  expect(several!.answer!.boxes).toEqual([
    { boxXyxy: { x1: 1, y1: 2, x2: 3, y2: 5 }, score: 0.8 },
    { boxXyxy: { x1: 4, y1: 4, x2: 9, y2: 9 }, score: 0.6 },
  ]);
});

test('an error record without an id goes by its line', async () => {
  const [error] = await resultsOf({ type: 'error', schema: 1, line: 12, code: 'QUERY_INVALID' });
  expect(error).toMatchObject({ id: '12' });
});

describe('refused, with file, line and field', () => {
  const answer = (change: object) => ({ answer: { ...result.answer, ...change } });
  test.each([
    [{ schema: 2 }, /^`r.jsonl`, line 2: field `schema`: expected 1, got `2`$/],
    [{ schema: undefined }, /field `schema`: expected 1, got nothing/],
    [{ type: 'detections' }, /expected a line of `vgr refine`, got one of `vgr detect`/],
    [{ type: 'summary' }, /field `type`: expected `result` or `error`, got `"summary"`/],
    [{ type: undefined }, /line 2: expected a line of `vgr refine`, got one without `type`/],
    [{ answer: undefined }, /field `answer`: expected an object, got nothing/],
    [{ answer: null }, /field `answer`: expected an object, got `null`/],
    [answer({ bbox_2d: undefined }), /field `bbox_2d`: expected .* or null, got nothing/],
    [answer({ bbox_2d: [3, 2, 1, 4] }), /x2 >= x1 and y2 >= y1, got `\[3,2,1,4\]`/],
    [answer({ bbox_2d: ['3', 2, 4, 4] }), /four finite numbers/],
    [answer({ score: 'high' }), /field `score`: expected a number in 0..1/],
    [answer({ score: 1.5 }), /field `score`: expected a number in 0..1, got `1.5`/],
    [answer({ boxes: { 0: {} } }), /field `boxes`: expected a list of objects/],
    [
      answer({ boxes: [{ bbox_2d: [1, 2, 3, 5] }, { bbox_2d: [9, 4, 4, 9] }] }),
      /field `bbox_2d`: .*x2 >= x1/,
    ],
    [answer({ boxes: [[1, 2, 3, 5]] }), /field `boxes\[0\]`: expected an object/],
    [answer({ boxes: [{ bbox_2d: [4, 4, 9, 9] }] }), /a list whose first box is `bbox_2d`/],
    [answer({ boxes: [] }), /a list whose first box is `bbox_2d`/],
    [{ tool: { name: 't', bbox_2d: [1, 2] } }, /field `bbox_2d`: .*four finite numbers/],
    [{ id: undefined }, /field `id`: expected a string, got nothing/],
    [{ id: 3 }, /field `id`: expected a string, got `3`/],
  ])('%j', async (change, message) => {
    await expect(resultsOf(result, { ...result, ...change })).rejects.toThrow(message);
  });

  test('a file that is cut in the middle of a line', async () => {
    const text = JSON.stringify(result);
    for (let length = 1; length < text.length; length += 7) {
      const lines = [
        { number: 1, text },
        { number: 2, text: text.slice(0, length) },
      ];
      const reading = evalResults(lines, 'r.jsonl');
      await reading.next();
      await expect(reading.next()).rejects.toThrow(/^`r.jsonl`, line 2: expected a JSON object/);
    }
  });
});
