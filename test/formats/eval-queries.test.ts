import { describe, expect, test } from 'vitest';
import { VgrError } from '../../src/core/error.js';
import type { LineItem } from '../../src/core/line-reader.js';
import { type EvalQueryOptions, evalQueries } from '../../src/formats/eval-files.js';

function numbered(texts: readonly string[]): LineItem[] {
  return texts.map((text, index) => ({ number: index + 1, text }));
}

async function queriesOf(values: readonly unknown[], options?: EvalQueryOptions) {
  const lines = numbered(
    values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))),
  );
  const queries = [];
  for await (const query of evalQueries(lines, 'q.jsonl', options)) queries.push(query);
  return queries;
}

const query = { id: 'a', image: 'a.jpg', query: 'the lion', bbox: [10, 20, 30, 40] };

test('a query with its ground truth as corners', async () => {
  expect(await queriesOf([{ ...query, kind: 'human', width: 9, height: 8, more: 1 }])).toEqual([
    {
      id: 'a',
      line: 1,
      query: 'the lion',
      image: 'a.jpg',
      truthsXyxy: [{ x1: 10, y1: 20, x2: 40, y2: 60 }],
      size: { width: 9, height: 8 },
      group: 'human',
    },
  ]);
});

test('a line without an id gets its line number; any field groups', async () => {
  const { id: _, ...unnamed } = query;
  const [first, second] = await queriesOf(
    [
      { ...unnamed, split: 7 },
      { ...unnamed, split: null },
    ],
    { groupBy: 'split' },
  );
  expect(first).toMatchObject({ id: '1', group: '7' });
  expect(second).toMatchObject({ id: '2' });
  expect(second!.group).toBeUndefined();
});

test('every box that is meant, or none', async () => {
  const { bbox: _, ...bare } = query;
  const lines = [
    {
      ...bare,
      boxes: [
        [1, 2, 3, 4],
        [0, 0, 5, 5],
      ],
    },
    { ...bare, bbox: null, boxes: [] },
    { ...query, boxes: null },
  ];
  expect((await queriesOf(lines)).map(({ truthsXyxy }) => truthsXyxy)).toEqual([
    [
      { x1: 1, y1: 2, x2: 4, y2: 6 },
      { x1: 0, y1: 0, x2: 5, y2: 5 },
    ],
    [],
    [{ x1: 10, y1: 20, x2: 40, y2: 60 }],
  ]);
});

test('the boxes of the tools that are asked for', async () => {
  const tools = {
    one: [{ bbox_2d: [1, 2, 3, 4], score: 0.5, label: 'lion' }, { bbox_2d: [0, 0, 1, 1] }],
    two: [],
    three: [{ bbox_2d: [5, 2, 3, 4] }],
  };
  const [got] = await queriesOf([{ ...query, tools }], { tools: ['one', 'two', 'three', 'four'] });
  expect(got).toMatchObject({
    tools: {
      entries: [
        [
          { boxXyxy: { x1: 1, y1: 2, x2: 3, y2: 4 }, score: 0.5 },
          { boxXyxy: { x1: 0, y1: 0, x2: 1, y2: 1 } },
        ],
        [],
        [{ boxXyxy: { x1: 5, y1: 2, x2: 3, y2: 4 } }],
        null,
      ],
      names: ['one', 'two', 'three'],
    },
  });
});

test('null is a tool that gave no answer', async () => {
  const tools = {
    one: null,
    two: [{ bbox_2d: null }],
    three: [{ bbox_2d: [1, 2, 3, 4], score: null }],
  };
  const [got] = await queriesOf([{ ...query, tools }], { tools: ['one', 'two', 'three'] });
  expect(got!.tools).toEqual({
    names: ['one', 'two', 'three'],
    entries: [null, [], [{ boxXyxy: { x1: 1, y1: 2, x2: 3, y2: 4 }, score: undefined }]],
  });
});

test('a tool is no word that every object knows', async () => {
  const [got] = await queriesOf([{ ...query, tools: {} }], { tools: ['constructor'] });
  expect(got!.tools!.entries).toEqual([null]);
});

describe('refused, with file, line and field', () => {
  const tools = (...box: unknown[]) => ({ tools: { t: [{ bbox_2d: box }] } });
  test.each([
    [{ bbox: undefined }, /^`q.jsonl`, line 2: field `bbox`: expected .*, got nothing$/],
    [{ bbox: [1, 2, -3, 4] }, /width and height >= 0, got `\[1,2,-3,4\]`/],
    [{ boxes: [] }, /field `boxes`: expected nothing beside `bbox`, got `\[\]`/],
    [{ bbox: null, boxes: [[1, 2, -3, 4]] }, /field `boxes\[0\]`: .*height >= 0/],
    [{ bbox: null, boxes: [1, 2, 3, 4] }, /field `boxes\[0\]`: .*four finite numbers, got `1`/],
    [{ bbox: ['1', '2', '3', '4'] }, /four finite numbers, got `\["1"/],
    [{ query: 7 }, /field `query`: expected a string, got `7`/],
    [{ id: 7.5 }, /field `id`: expected a string, got `7.5`/],
    [{ kind: ['a'] }, /field `kind`: expected a word or a number/],
    [{ tools: [] }, /field `tools`: expected an object, got `\[\]`/],
    [{ tools: { t: 3 } }, /field `t`: expected a list of boxes, got `3`/],
    [{ tools: { t: [3] } }, /expected an object, got `3`/],
    [tools(1, 2, 3), /field `bbox_2d`: .*four finite numbers/],
    [tools(1, 2, 3, 'x'), /field `bbox_2d`: .*four finite numbers/],
    [{ tools: { t: [{ bbox_2d: [1, 2, 3, 4], score: 2 }] } }, /a number in 0..1, got `2`/],
  ])('%j', async (change, message) => {
    await expect(queriesOf([query, { ...query, ...change }], { tools: ['t'] })).rejects.toThrow(
      message,
    );
  });

  test('lines that are no JSON', async () => {
    const infinite = '{"query": "a", "bbox": [1, 2, Infinity, 4]}';
    await expect(queriesOf([query, infinite])).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringMatching(/^`q.jsonl`, line 2: expected a JSON object/),
      hint: expect.stringMatching(/^Infinity is not valid JSON/),
    });
    await expect(queriesOf(['{"query": "a", "bb'])).rejects.toMatchObject({
      hint: expect.stringContaining('ends in the middle'),
    });
    await expect(queriesOf(['[]'])).rejects.toThrow(/line 1: expected an object, got `\[\]`/);
    await expect(queriesOf(['{"bbox": [1e999, 0, 1, 1], "query": "a"}'])).rejects.toThrow(/1e999/);
  });

  test('an empty file, and a line that the reader could not read', async () => {
    await expect(queriesOf([])).rejects.toThrow('`q.jsonl`: the file has no lines');
    const error = new VgrError('LINE_NOT_UTF8', 'line 3: expected UTF-8');
    const reading = evalQueries([{ number: 3, error }], 'q.jsonl').next();
    await expect(reading).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: '`q.jsonl`, line 3: expected UTF-8',
    });
  });
});
