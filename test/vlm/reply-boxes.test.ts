import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { looseValues, readAnswer } from '../../src/vlm/reply-boxes.js';

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
    expect(readAnswer(text, EXTENT)).toEqual({ kind: 'boxes', boxesXyxy: [BOX], notes: [] });
  });

  it('with corners in any order', () => {
    expect(readAnswer('[300, 400, 10, 20]', EXTENT)).toEqual({
      kind: 'boxes',
      boxesXyxy: [BOX],
      notes: ['swapped'],
    });
  });

  it('over the border is cut there', () => {
    expect(readAnswer('[-5, 20, 900, 400]', EXTENT)).toEqual({
      kind: 'boxes',
      boxesXyxy: [{ x1: 0, y1: 20, x2: 644, y2: 400 }],
      notes: ['clamped'],
    });
  });

  it('in shares of the sides', () => {
    expect(readAnswer('[0.25, 0.5, 0.5, 1.0]', EXTENT)).toEqual({
      kind: 'boxes',
      boxesXyxy: [{ x1: 161, y1: 238, x2: 322, y2: 476 }],
      notes: ['unit'],
    });
  });

  it('with several boxes keeps their order', () => {
    const read = readAnswer('[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6, 7, 8]}]', EXTENT);
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
      expect(readAnswer(text, EXTENT)).toEqual({ kind: 'point', x: 30, y: 40 });
    },
  );

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
    expect(readAnswer(text, EXTENT)).toEqual({ kind: 'none' });
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
  ])('%s', (_name, text) => {
    expect(readAnswer(text, EXTENT)).toMatchObject({ kind: 'unreadable' });
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
        const read = readAnswer(parts.join(''), EXTENT);
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
          expect(looseValues(text)).toEqual([JSON.parse(text)]);
        },
      ),
    );
  });

  it('is read in time that grows with its length', () => {
    const start = performance.now();
    for (const part of ['[', '{"a":', '(((', '"', "'a", '[1,', '{{', '1 x2 ', '1 x2x2'])
      readAnswer(part.repeat(50_000), EXTENT);
    expect(performance.now() - start).toBeLessThan(60_000);
  });
});
