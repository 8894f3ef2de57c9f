import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { looseValues } from '../../src/vlm/loose-values.js';
import { readAnswer } from '../../src/vlm/reply-boxes.js';

const EXTENT = { width: 644, height: 476 };
const BOX = { x1: 10, y1: 20, x2: 300, y2: 400 };

describe('an answer whose meaning is clear', () => {
  it.each([
    ['an object', '{"bbox_2d": [10, 20, 300, 400]}'],
    ['a list', '[{"bbox_2d": [10, 20, 300, 400], "label": "lion"}]'],
    ['numbers alone', '[10, 20, 300, 400]'],
    ['a list in a list', '[[10, 20, 300, 400]]'],
    ['single quotes', "{'bbox_2d': [10, 20, 300, 400]}"],
    ['an apostrophe in a label', "[{'label': 'man's hat', 'bbox_2d': [10, 20, 300, 400]}]"],
    ['a trailing comma', '[{"bbox_2d": [10, 20, 300, 400,],},]'],
    ['no end', '{"bbox_2d": [10, 20, 300, 400'],
    ['bare keys', '{bbox_2d: [10, 20, 300, 400]}'],
    ['another key', '{"bbox": [10, 20, 300, 400]}'],
    ['numbers in strings', '{"bbox_2d": ["10", "20", "300", "400"]}'],
    ['a list in a string', '{"bbox_2d": "[10, 20, 300, 400]"}'],
    ['named corners', '{"x1": 10, "y1": 20, "x2": 300, "y2": 400}'],
    ['a corner and a size', '{"x": 10, "y": 20, "width": 290, "height": 380}'],
    ['pairs', '[[10, 20], [300, 400]]'],
    ['pairs without a list', '(10, 20), (300, 400)'],
    ['marks of Qwen-VL', '<|box_start|>(10,20),(300,400)<|box_end|>'],
    ['marks of InternVL', '<ref>lion</ref><box>[[10, 20, 300, 400]]</box>'],
    ['words around it', 'The lion is at {"bbox_2d": [10, 20, 300, 400]}, as one sees.'],
    ['no brackets', '10, 20, 300, 400'],
    ['the whole escaped', '{\\"bbox_2d\\": [10, 20, 300, 400]}'],
    ['a string in a string', '"[{\\"bbox_2d\\": [10, 20, 300, 400]}]"'],
    ['names in place of brackets', 'x1=10, y1=20, x2=300, y2=400'],
    ['words between the numbers', 'from 10 px, 20 px to 300 px and 400 px'],
    ['fractions', '[10.0, 20.0, 300.0, 400.0]'],
  ])('%s', (_name, text) => {
    expect(readAnswer(text, { extent: EXTENT })).toEqual({
      kind: 'boxes',
      boxesXyxy: [BOX],
      notes: [],
    });
  });

  it.each([
    ['a size by the key', '{"bbox_xywh": [10, 20, 290, 380]}'],
    ['a size by the format', '{"format": "[x, y, w, h]", "bbox": [10, 20, 290, 380]}'],
    ['a centre by the key', '{"bbox_cxcywh": [155, 210, 290, 380]}'],
    [
      'a centre by the format',
      '{"box_format": "x_center, y_center, width, height", "box": [155, 210, 290, 380]}',
    ],
    ['a centre and a size', '{"center": [155, 210], "size": [290, 380]}'],
    ['a centre and sides', '{"centre": {"x": 155, "y": 210}, "width": 290, "height": 380}'],
    ['a centre by names', '{"x_center": 155, "y_center": 210, "w": 290, "h": 380}'],
    ['a centre in words', 'center (155, 210), size (290, 380)'],
    ['sides', '{"left": 10, "top": 20, "right": 300, "bottom": 400}'],
    ['sides and a size', '{"left": 10, "top": 20, "width": 290, "height": 380}'],
    ['capitals', '{"X": 10, "Y": 20, "W": 290, "H": 380}'],
    ['corners from 0', '{"x0": 10, "y0": 20, "x1": 300, "y1": 400}'],
    ['corners by camel case', '{"xMin": "10", "yMin": "20px", "xMax": 300, "yMax": 400}'],
    ['named corners', '{"top_left": [10, 20], "bottom_right": {"x": 300, "y": 400}}'],
    ['the other corners', '{"topRight": [300, 20], "bottomLeft": [10, 400]}'],
    ['ranges', '{"x": [10, 300], "y": {"min": 20, "max": 400}}'],
    ['an outline', '{"polygon": [[10, 20], [300, 20], [300, 400], [10, 400]]}'],
    ['rows first by the key', '{"box_2d": [20, 10, 400, 300]}'],
    ['rows first by the format', '{"format": "yxyx", "bbox": [20, 10, 400, 300]}'],
    ['sides in words', 'x = 10, y = 20, width = 290, height = 380'],
    ['attributes', '<box x="10" y="20" width="290" height="380"/>'],
    ['a label that holds numbers', '{"label": "number 12 of 20", "bbox_2d": [10, 20, 300, 400]}'],
    ['a confidence', '{"bbox_2d": [10, 20, 300, 400], "confidence": 0.9}'],
  ])('by its names: %s', (_name, text) => {
    expect(readAnswer(text, { extent: EXTENT })).toMatchObject({ boxesXyxy: [BOX] });
  });

  it.each([
    ['percent signs', '["25%", "50%", "50%", "100%"]'],
    ['percent signs without quotes', '[25%, 50%, 50%, 100%]'],
    ['percent in words', '25%, 50%, 50%, 100%'],
    ['a unit', '{"unit": "percent", "bbox": [25, 50, 50, 100]}'],
    ['thousandths', '{"bbox_1000": [250, 500, 500, 1000]}'],
    ['a scale', '{"scale": 1000, "bbox": [250, 500, 500, 1000]}'],
    ['shares', '{"normalized": true, "x": 0.25, "y": 0.5, "width": 0.25, "height": 0.5}'],
  ])('in another unit: %s', (_name, text) => {
    expect(readAnswer(text, { extent: EXTENT })).toEqual({
      kind: 'boxes',
      boxesXyxy: [{ x1: 161, y1: 238, x2: 322, y2: 476 }],
      notes: ['unit'],
    });
  });

  it.each([
    [
      'the last in words',
      'The tool says [1, 2, 30, 40], another one. The right box is [10, 20, 300, 400].',
    ],
    [
      'the last behind a comma',
      "The tool's box [1, 2, 30, 40] is wrong, so it is [10, 20, 300, 400]",
    ],
    ['the one that its words do not reject', 'It is [10, 20, 300, 400], not [1, 2, 30, 40].'],
    [
      'the one before "rather than"',
      'I take [10, 20, 300, 400] rather than the [1, 2, 30, 40] of the tool',
    ],
    ['the final one', '**Final answer:** [10, 20, 300, 400]. The tool gave [1, 2, 30, 40].'],
    ['the final key', '{"tool_bbox": [1, 2, 30, 40], "final_bbox": [10, 20, 300, 400]}'],
    [
      'the answer, not the thought',
      '{"thought": "at [1, 2, 30, 40]", "answer": [10, 20, 300, 400]}',
    ],
    ['the final, not candidates', '{"candidates": [[1, 2, 30, 40]], "final": [10, 20, 300, 400]}'],
    [
      'the last fence with a box',
      '```\n[1, 2, 30, 40]\n```\n```json\n[10, 20, 300, 400]\n```\n```\nx = 1\n```',
    ],
    [
      'the fence, not words behind it',
      '```json\n[10, 20, 300, 400]\n``` The tool had [1, 2, 30, 40].',
    ],
    ['one of equal boxes', '[[10, 20, 300, 400], [10, 20, 300, 400]]'],
    [
      'no labelled quotation',
      '[{"label": "tool 1", "bbox_2d": [1, 2, 30, 40]}, {"bbox_2d": [10, 20, 300, 400]}]',
    ],
  ])('of several boxes: %s', (_name, text) => {
    expect(readAnswer(text, { extent: EXTENT })).toMatchObject({ boxesXyxy: [BOX] });
  });

  it('with rows first where the model writes so', () => {
    const form = { extent: { width: 1000, height: 1000 }, layout: 'yxyx' } as const;
    const box = { x1: 100, y1: 200, x2: 300, y2: 900 };
    for (const text of ['[200, 100, 900, 300]', '[{"box_2d": [200, 100, 900, 300]}]'])
      expect(readAnswer(text, form)).toMatchObject({ boxesXyxy: [box] });
    expect(readAnswer('{"point": [200, 100]}', form)).toMatchObject({ x: 100, y: 200 });
  });

  it('with corners in any order', () => {
    expect(readAnswer('[300, 400, 10, 20]', { extent: EXTENT })).toEqual({
      kind: 'boxes',
      boxesXyxy: [BOX],
      notes: ['swapped'],
    });
  });

  it('over the border is cut there', () => {
    expect(readAnswer('[-5, 20, 900, 400]', { extent: EXTENT })).toEqual({
      kind: 'boxes',
      boxesXyxy: [{ x1: 0, y1: 20, x2: 644, y2: 400 }],
      notes: ['clamped'],
    });
  });

  it('in shares of the sides', () => {
    expect(readAnswer('[0.25, 0.5, 0.5, 1.0]', { extent: EXTENT })).toEqual({
      kind: 'boxes',
      boxesXyxy: [{ x1: 161, y1: 238, x2: 322, y2: 476 }],
      notes: ['unit'],
    });
  });

  it('with several boxes keeps their order', () => {
    const read = readAnswer('[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6, 7, 8]}]', {
      extent: EXTENT,
    });
    expect(read).toMatchObject({
      boxesXyxy: [
        { x1: 1, y1: 2, x2: 3, y2: 4 },
        { x1: 5, y1: 6, x2: 7, y2: 8 },
      ],
    });
  });

  it.each(['{"point_2d": [30, 40]}', '[30, 40]', '(30, 40)', '<point>30 40</point>'])(
    'a point: %s',
    (text) => {
      expect(readAnswer(text, { extent: EXTENT })).toEqual({ kind: 'point', x: 30, y: 40 });
    },
  );

  it('a point with attributes, in percent', () => {
    expect(readAnswer('<point x="25.0" y="50" alt="a (b)">b</point>', { extent: EXTENT })).toEqual({
      kind: 'point',
      x: 161,
      y: 238,
    });
  });

  it.each([
    '[]',
    '{}',
    'null',
    'None',
    '{"bbox_2d": null}',
    '{"bbox_2d": []}',
    "{'bbox_2d': None}",
    '[{"bbox_2d": null, "label": "lion"}]',
    'No matching object.',
  ])('nothing: %s', (text) => {
    expect(readAnswer(text, { extent: EXTENT })).toEqual({ kind: 'none' });
  });
});

describe('an answer whose meaning is not clear', () => {
  it.each([
    ['three numbers', '[10, 20, 300]'],
    ['a coordinate that is none', '{"bbox_2d": [NaN, 20, 300, 400]}'],
    ['a coordinate without end', '{"bbox_2d": [10, 20, Infinity, 400]}'],
    ['a coordinate that is null', '{"bbox_2d": [null, 20, 300, 400]}'],
    ['three numbers under a name with a digit', '{"bbox_2d": [10, 20, 300]}'],
    ['a cut before the last number', '{"bbox_2d": [10, 20, 300,'],
    ['a cut before the first number', '{"bbox_2d": ['],
    ['a cut before the list', '[{"bbox_2d":'],
    ['a cut behind the name', '{"bbox_2d"'],
    ['a cut at once', '['],
    ['brackets alone', '['.repeat(40)],
    ['four numbers in a sentence', 'I see 12 men, 24 dogs, 36 cats and 48 birds.'],
    ['no words at all', ''],
    ['a sentence', 'It is the lion on the left.'],
    ['no area', '[10, 20, 10, 400]'],
    ['outside', '[700, 20, 900, 400]'],
    ['five numbers', '10 20 300 400 500'],
    ['half a box', '{"bbox_2d": [10, 20]}'],
    ['pixels or shares', '[0, 0, 1, 1]'],
    ['shares beyond 1', '{"normalized": true, "bbox": [10, 20, 300, 400]}'],
    ['mixed units', '["10%", 20, "30%", 400]'],
    ['several points', '[[10, 20], [30, 40], [50, 60]]'],
    ['several points of Molmo', '<points x1="10" y1="20" x2="30" y2="40" alt="x">x</points>'],
    ['a broken box behind a draft', 'Draft [1, 2, 30, 40]. Final: [10, 20, 300]'],
    ['words that reject the box', "It is not the tool's [10, 20, 300, 400]."],
    ['drafts alone', '{"tool_bbox": [10, 20, 300, 400]}'],
  ])('%s', (_name, text) => {
    expect(readAnswer(text, { extent: EXTENT })).toMatchObject({ kind: 'unreadable' });
  });
});

describe('a reply that was cut off', () => {
  const read = (text: string) => readAnswer(text, { extent: EXTENT, isCut: true });

  it.each([
    '{"bbox_2d": [10, 20, 300, 40',
    '{"bbox_2d": [10, 20, 300, 4',
    '<|box_start|>(10,20),(300,4',
    '{"x1": 10, "y1": 20, "x2": 300, "y2": 40',
    '{"x": 10, "y": 20, "w": 290, "h": 38',
    '[0.1, 0.1, 0.5, 0.',
    '10 20 300 40',
    '["10%", "20%", "30%", 4',
    '{"bbox_2d": [10, 20,',
    'The tool says [1, 2, 30, 40], but I think',
    'The tool says [1, 2, 30, 40], but it is [10, 20, 3',
    '{"candidates": [[1, 2, 30, 40]], "final": [10, 20, 300, 4',
  ])('gives no box that may lack digits: %s', (text) => {
    expect(read(text)).toMatchObject({ kind: 'unreadable' });
  });

  it.each([
    '[{"bbox_2d": [10, 20, 300, 400]}, {"bbox_2d": [5, 5, 6',
    '{"bbox_2d": [10, 20, 300, 400]',
    '[[10, 20, 300, 400], [10, 20, 300, 400], [10, 20, 300, 400], [10, ',
  ])('gives those that are whole: %s', (text) => {
    expect(read(text)).toMatchObject({ boxesXyxy: [BOX] });
  });
});

describe('any text', () => {
  const fragments = fc.array(
    fc.oneof(
      fc.constantFrom(...'[](){}",\':;= \\', 'bbox_2d', 'null', 'None', '12', '-3.5', '1e9', 'é'),
      fc.string(),
    ),
    { maxLength: 60 },
  );

  it('is read without error, and boxes lie inside the picture', () => {
    fc.assert(
      fc.property(fragments, (parts) => {
        const read = readAnswer(parts.join(''), { extent: EXTENT });
        if (read.kind !== 'boxes') return;
        for (const { x1, y1, x2, y2 } of read.boxesXyxy) {
          expect(x1 >= 0 && y1 >= 0 && x2 > x1 && y2 > y1).toBe(true);
          expect(x2 <= EXTENT.width && y2 <= EXTENT.height).toBe(true);
        }
      }),
    );
  });

  it('that is JSON is read as JSON reads it', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ depthSize: 'small', maxDepth: 4, noUnicodeString: true }),
        (value) => {
          fc.pre(typeof value === 'object' && value !== null);
          const text = JSON.stringify(value);
          // Escapes and exponents are beyond what a box needs.
          fc.pre(!text.includes('\\') && !/"[\p{L}\p{N}]/u.test(text.replace(/"[^"]*"/g, '')));
          fc.pre(!/"[^"]*"[\p{L}\p{N}]/u.test(text) && !text.includes('"__proto__"'));
          expect(looseValues(text).map(({ value }) => value)).toEqual([JSON.parse(text)]);
        },
      ),
    );
  });

  it('is read in time that grows with its length', () => {
    const start = performance.now();
    for (const part of ['[', '{"a":', '(((', '"', "'a", '[1,', '{{', '1 x2 ', '1 x2x2'])
      readAnswer(part.repeat(50_000), { extent: EXTENT });
    expect(performance.now() - start).toBeLessThan(60_000);
  });
});
