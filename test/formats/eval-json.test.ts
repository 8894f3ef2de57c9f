import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type JsonElement, jsonElements } from '../../src/formats/foreign-json.js';

async function elementsOf(...chunks: string[]): Promise<JsonElement[]> {
  const elements: JsonElement[] = [];
  for await (const element of jsonElements(chunks, 'file.json')) elements.push(element);
  return elements;
}

/** What a reader that holds the whole text sees. */
function wholeElements(text: string): JsonElement[] {
  const top = JSON.parse(text) as unknown[] | Record<string, unknown>;
  const list = (section: string, values: readonly unknown[]) =>
    values.map((value, index) => ({ section, index, value }));
  if (Array.isArray(top)) return list('', top);
  return Object.entries(top).flatMap(([section, value]) =>
    Array.isArray(value) ? list(section, value) : [{ section, index: -1, value }],
  );
}

const json = fc.oneof(
  fc.array(fc.jsonValue()),
  // A key that comes twice or looks like a number is put in another place by an object.
  fc.dictionary(
    fc.string().map((key) => `k${key}`),
    fc.oneof(fc.jsonValue(), fc.array(fc.jsonValue())),
  ),
);

describe('elements', () => {
  test('of a list', async () => {
    expect(await elementsOf('[1, "a,]}", {"b": [2]}, [], null]')).toEqual([
      { section: '', index: 0, value: 1 },
      { section: '', index: 1, value: 'a,]}' },
      { section: '', index: 2, value: { b: [2] } },
      { section: '', index: 3, value: [] },
      { section: '', index: 4, value: null },
    ]);
  });

  test('of the lists of an object, and its other values', async () => {
    expect(await elementsOf('\ufeff{"info": {"year": 2}, "images": [{"id": 1}], "n": 5}')).toEqual([
      { section: 'info', index: -1, value: { year: 2 } },
      { section: 'images', index: 0, value: { id: 1 } },
      { section: 'n', index: -1, value: 5 },
    ]);
  });

  test('there are none in an empty list or object', async () => {
    expect(await elementsOf(' [ ] ')).toEqual([]);
    expect(await elementsOf('{"images": [], "n": {}}')).toEqual([
      { section: 'n', index: -1, value: {} },
    ]);
  });

  test('are those of JSON.parse, wherever the text is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        json,
        fc.nat(2),
        fc.array(fc.nat(200), { maxLength: 20 }),
        async (value, indent, lengths) => {
          const text = JSON.stringify(value, null, indent);
          const chunks: string[] = [];
          let at = 0;
          for (const length of lengths) {
            chunks.push(text.slice(at, at + length));
            at += length;
          }
          chunks.push(text.slice(at));
          expect(await elementsOf(...chunks)).toEqual(wholeElements(text));
          expect(await elementsOf(...text)).toEqual(wholeElements(text));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a text that is not whole', () => {
  test('is refused wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        json,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        async (value, share) => {
          const text = JSON.stringify(value);
          await expect(elementsOf(text.slice(0, Math.floor(share * text.length)))).rejects.toThrow(
            /file is empty|ends in the middle/,
          );
        },
      ),
    );
  });

  test('says at which element it ends', async () => {
    await expect(elementsOf('{"annotations": [{"id": 1}, {"id": 2}, {"id')).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: '`file.json`, element 2 of `annotations`, character 44: the file ends in the middle',
    });
    await expect(elementsOf('')).rejects.toThrow('`file.json`: the file is empty');
  });
});

describe('a text that is not JSON', () => {
  test.each([
    ['hello', /expected a JSON array or object, got `h`/],
    ['[1 2]', /element 1, character 4: unexpected `2`/],
    ['[1,]', /unexpected `\]`/],
    ['[,1]', /unexpected `,`/],
    ['[1,,2]', /unexpected `,`/],
    ['{"a" 1}', /unexpected `1`/],
    ['{a: 1}', /unexpected `a`/],
    ['{"a": 1,}', /unexpected `}`/],
    ['{"a": }', /unexpected `}`/],
    ['[}', /unexpected `}`/],
    ['[{"a": 1]}]', /expected JSON, got `\{"a": 1\]`/],
    ['[tru]', /element 0, .*expected JSON, got `tru`/],
    ['["a\nb"]', /expected JSON/],
    ['[1]]', /text after the end/],
    ['{"id":1}\n{"id":2}', /text after the end of the JSON value, `\{"id":2\}`/],
  ])('%j is refused', async (text, message) => {
    await expect(elementsOf(text)).rejects.toThrow(message);
    await expect(elementsOf(...text)).rejects.toThrow(/file\.json/);
  });

  test('NaN and Infinity are named', async () => {
    await expect(elementsOf('[{"score": 1}, {"score": NaN}]')).rejects.toMatchObject({
      message: expect.stringContaining('element 1'),
      hint: expect.stringMatching(/^NaN is not valid JSON/),
    });
    await expect(elementsOf('[-Infinity]')).rejects.toMatchObject({
      hint: expect.stringMatching(/^-Infinity is not valid JSON/),
    });
  });

  test('an object and a list that hold each other do not end before their time', async () => {
    await expect(elementsOf(`[${'['.repeat(5000)}`)).rejects.toThrow(/ends in the middle/);
  });
});
