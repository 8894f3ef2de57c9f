import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VgrError } from '../../src/core/error.js';
import { exactJson } from '../../src/core/exact-json.js';
import { extentOf, parseQueryLine, statedId } from '../../src/formats/query-line.js';

function errorOf(text: string): VgrError {
  try {
    parseQueryLine(text, 8);
  } catch (thrown) {
    if (thrown instanceof VgrError) return thrown;
    throw thrown;
  }
  throw new Error('the line was taken');
}

describe('a query line', () => {
  it('is read with its own id, and by its number without one', () => {
    const line =
      '{"id":"q7","image":"zoo/3.jpg","query":"the left lion","bbox":[1,2,3,4],"kind":"human"}';
    expect(parseQueryLine(line, 8)).toEqual({
      id: 'q7',
      line: 8,
      imagePath: 'zoo/3.jpg',
      query: 'the left lion',
      truthsXywh: [{ x: 1, y: 2, width: 3, height: 4 }],
      tools: [],
      extra: { kind: 'human' },
    });
    expect(parseQueryLine('{"image":"a.jpg","query":"cat"}', 8).id).toBe('8');
  });

  it('says which boxes are meant: one, several, none that fits, or nothing', () => {
    const truths = (field: string) =>
      parseQueryLine(`{"image":"a.jpg","query":"cat",${field}}`, 1).truthsXywh;
    expect(truths('"boxes":[[1,2,3,4],[5,6,0,8]]')).toEqual([
      { x: 1, y: 2, width: 3, height: 4 },
      { x: 5, y: 6, width: 0, height: 8 },
    ]);
    expect(truths('"boxes":[]')).toEqual([]);
    expect(truths('"bbox":null,"boxes":[[1,2,3,4]]')).toHaveLength(1);
    expect(truths('"bbox":[1,2,3,4],"boxes":null')).toHaveLength(1);
    expect(truths('"bbox":null,"boxes":null')).toBeUndefined();
  });

  it('takes null in a field that may be left out for its absence', () => {
    const line =
      '{"id":null,"image":"a.jpg","query":"cat","bbox":null,"tools":null,"width":null,"height":5,"kind":null}';
    expect(parseQueryLine(line, 8)).toEqual({
      id: '8',
      line: 8,
      imagePath: 'a.jpg',
      query: 'cat',
      tools: [],
      extra: { kind: null },
    });
    expect(errorOf('{"image":null,"tools":null,"query":"cat"}').message).toContain('got neither');
  });

  it('brings boxes of other tools, and needs no image then', () => {
    const line =
      '{"query":"cat","width":10,"height":20,"tools":{"a":[{"bbox_2d":[1,2,3,4],"score":0.5,"label":"cat"},{"bbox_2d":[0,0,1,1]}],"b":[]}}';
    const query = parseQueryLine(line, 1);
    expect(query.imagePath).toBeUndefined();
    expect(query.imageSize).toEqual({ width: 10, height: 20 });
    expect(query.tools).toEqual([
      {
        name: 'a',
        boxes: [
          { boxXyxy: { x1: 1, y1: 2, x2: 3, y2: 4 }, score: 0.5, label: 'cat' },
          { boxXyxy: { x1: 0, y1: 0, x2: 1, y2: 1 } },
        ],
      },
      { name: 'b', boxes: [] },
    ]);
  });

  it('sorts the corners of a tool that swaps them', () => {
    const line = '{"query":"cat","tools":{"a":[{"bbox_2d":[3,9,1,4]}]}}';
    expect(parseQueryLine(line, 1).tools[0]!.boxes[0]!.boxXyxy).toEqual({
      x1: 1,
      y1: 4,
      x2: 3,
      y2: 9,
    });
  });

  it.each([
    ['{', 'line 8: expected a JSON object, got `{`'],
    ['[]', 'line 8: expected an object, got `[]`'],
    ['null', 'line 8: expected an object, got `null`'],
    ['{"query":5,"image":"a"}', 'line 8, field `query`: expected a string, got `5`'],
    ['{"image":"a"}', 'line 8, field `query`: expected a string, got nothing'],
    ['{"query":" ","image":"a"}', 'line 8, field `query`: expected words, got an empty string'],
    [
      '{"query":"x"}',
      'line 8, field `image`: expected a string, or `tools` with boxes; got neither',
    ],
    [
      '{"query":"x","image":"a","bbox":[1,2,3]}',
      'line 8, field `bbox`: expected four numbers, got `[1,2,3]`',
    ],
    [
      '{"query":"x","image":"a","bbox":[1,2,-3,4]}',
      'line 8, field `bbox`: expected [x, y, width, height] with width and height >= 0',
    ],
    [
      '{"query":"x","image":"a","bbox":[1,2,"3",4]}',
      'line 8, field `bbox.2`: expected a number, got `"3"`',
    ],
    [
      '{"query":"x","image":"a","bbox":[1,2,1e999,4]}',
      'line 8, field `bbox.2`: expected a number, got `Infinity`',
    ],
    [
      '{"query":"x","image":"a","bbox":[1,2,3,4],"boxes":[]}',
      'line 8, field `boxes`: expected the ground truth in `bbox` or in `boxes`, got both',
    ],
    [
      '{"query":"x","image":"a","boxes":[1,2,3,4]}',
      'line 8, field `boxes.0`: expected four numbers, got `1`',
    ],
    ['{"id":5.5,"query":"x","image":"a"}', 'line 8, field `id`: expected a string, got `5.5`'],
  ])('%s is refused with what is expected and what is there', (text, message) => {
    const error = errorOf(text);
    expect(error.code).toBe('QUERY_INVALID');
    expect(error.message).toBe(message);
  });

  it.each([
    [
      '{"query":"x","tools":[]}',
      'field `tools`: expected an object',
      '`tools` looks like {"NAME": [{',
    ],
    ['{"query":"x","tools":{"a":{}}}', 'field `tools.a`: expected a list', '`tools` looks like'],
    [
      '{"query":"x","tools":{"a":[[1,2,3,4]]}}',
      'field `tools.a.0`: expected an object',
      '`tools` looks like',
    ],
    [
      '{"query":"x","tools":{"a":[{"bbox":[1,2,3,4]}]}}',
      'field `tools.a.0.bbox_2d`: expected four numbers, got nothing',
      '"bbox_2d": [x1, y1, x2, y2]',
    ],
    ['{"query":"x","image":"a","bbox":{}}', 'field `bbox`', '[x, y, width, height]'],
    ['{"query":"x","image":"a","boxes":{}}', 'field `boxes`: expected a list', '[] means that'],
    ['{"query":"x","image":"a","id":[7]}', 'field `id`', '{"id": "7"}'],
    ['{"query":"","image":"a"}', 'field `query`', 'a line looks like {'],
  ])('%s is told how its field reads', (text, message, hint) => {
    const error = errorOf(text);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  it.each([
    '1.0',
    '-0',
    '0.10',
    '1e2',
    '1E+5',
    '1e-7',
    '9007199254740993',
    '1e400',
    '[2.50,{"n":10.0}]',
  ])('keeps %s of other fields as it is written', (written) => {
    const line = `{"id":7.0,"query":"x","image":"a","bbox":[1.0,2.50,1e1,-0.0],"weight":${written}}`;
    const query = parseQueryLine(line, 1);
    expect(exactJson(query.extra)).toBe(`{"weight":${written}}`);
    expect(query.id).toBe('7');
    expect(query.truthsXywh).toEqual([{ x: 1, y: 2.5, width: 10, height: -0 }]);
  });

  it('refuses what nests too deep, and keeps all else that it does not know', () => {
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    const text = (levels: number): string =>
      `{"image":"a","query":"cat","__proto__":{"x":1},"7":null,"kind":${nested(levels)}}`;
    const { extra } = parseQueryLine(text(99), 1);
    expect(Object.keys(extra)).toEqual(['7', 'kind']);
    expect(Object.getPrototypeOf(extra)).toBe(Object.prototype);
    expect(() => parseQueryLine(text(100), 1)).toThrow('at most 100 levels');
    const tools = `{"query":"cat","tools":{"a":[{"bbox_2d":[1,2,3,4],"more":${nested(97)}}]}}`;
    expect(() => parseQueryLine(tools, 1)).toThrow('at most 100 levels');
  });

  it('never throws anything but its own error, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          parseQueryLine(text, 1);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(VgrError);
        }
        statedId(text);
      }),
    );
  });

  it('gives its id away even where the rest is not valid', () => {
    expect(statedId('{"id":"q1"}')).toBe('q1');
    expect(statedId('{"id":1}')).toBe('1');
    expect(statedId('{"id":[1]}')).toBeUndefined();
    expect(statedId('null')).toBeUndefined();
    expect(statedId('{')).toBeUndefined();
  });
});

it('the extent of boxes is their furthest corner', () => {
  expect(extentOf([])).toEqual({ width: 1, height: 1 });
  expect(
    extentOf([
      { x1: 0, y1: 0, x2: 7, y2: 3 },
      { x1: 1, y1: 1, x2: 2, y2: 9 },
    ]),
  ).toEqual({ width: 7, height: 9 });
});

it.each([
  ['id,image,query', 'mlr --icsv'],
  ['[', "jq -c '.[]' FILE"],
  ['{', 'jq -c . FILE'],
  ['  "id": "a",', 'jq -c . FILE'],
  ['[{"query":"x"}]', "jq -c '.[]' FILE"],
  ['{"id": "a",}', 'sed -n 8p FILE | jq .'],
  ['{\0"\0i\0', 'iconv -f utf-16'],
])('%j is told how it becomes a line', (text, hint) => {
  expect(errorOf(text).hint).toContain(hint);
});
