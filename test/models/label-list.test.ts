import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COCO_BY_ID, COCO_CATEGORIES } from '../../src/formats/coco.js';
import { labelsField, parseLabelFile, parsePythonNames } from '../../src/models/label-list.js';

describe('names of labels', () => {
  it.each([
    ['a dict', "{0: 'person', 1: 'traffic light'}", ['person', 'traffic light']],
    ['a list', "['person', \"keeper's dog\"]", ['person', "keeper's dog"]],
    ['escapes', "{0: 'keeper\\'s', 1: 'a\\\\b'}", ["keeper's", 'a\\b']],
    ['any order, with holes', "{2: 'c', 0: 'a'}", ['a', undefined, 'c']],
    ['no names at all', '{}', undefined],
  ])('in Python: %s', (_, text, names) => {
    expect(parsePythonNames(text)).toEqual(names);
  });

  it.each([
    ['one a line', 'cat\r\ndog\n\n', ['cat', 'dog']],
    ['a line that is empty within', 'cat\n\ndog\n', ['cat', undefined, 'dog']],
    ['JSON list', '["cat", "dog"]', ['cat', 'dog']],
    ['JSON object', '{"1": "dog", "0": "cat"}', ['cat', 'dog']],
    [
      'config.json',
      '{"model_type": "detr", "id2label": {"0": "N/A", "1": "cat"}}',
      [undefined, 'cat'],
    ],
    ['JSON behind a mark of the byte order', '\uFEFF{"id2label": {"0": "cat"}}', ['cat']],
    ['COCO file', '{"categories": [{"id": 7, "name": "cat"}]}', ['cat']],
    ['Python', "{0: 'cat'}", ['cat']],
    ['control characters', '["c\\u001bat"]', ['c\\u001bat']],
    ['nothing', '\n \n', undefined],
    ['another JSON', '{"a": 1}', undefined],
  ])('in a file: %s', (_, text, names) => {
    expect(parseLabelFile(text)).toEqual(names);
  });

  it('come back from Python as they went', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 20 })
      .filter(
        (text) => /^[\w '"\\-]*\w$/.test(text) && text.trim() === text && !/^n\/?a$/i.test(text),
      );
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), (names) => {
        const literal = names.map((text, id) => `${id}: '${text.replaceAll(/['\\]/g, '\\$&')}'`);
        expect(parsePythonNames(`{${literal.join(', ')}}`)).toEqual(names);
      }),
    );
  });
});

describe('the labels of a card', () => {
  it("are COCO's own where the names are, whatever their spelling", () => {
    const names = COCO_CATEGORIES.map(({ name }) => name);
    expect(labelsField(names)).toBe('coco-80');
    const voc: Record<string, string> = {
      airplane: 'aeroplane',
      motorcycle: 'motorbike',
      couch: 'sofa',
      tv: 'tvmonitor',
      'potted plant': 'pottedplant',
      'dining table': 'diningtable',
    };
    expect(labelsField(names.map((name) => voc[name] ?? name))).toBe('coco-80');
    expect(labelsField(COCO_BY_ID.map((category) => category?.name))).toBe('coco-91');
  });

  it('are listed otherwise, and a number without a name is named after itself', () => {
    expect(labelsField(['lion', undefined])).toEqual([
      { id: 1, name: 'lion' },
      { id: 2, name: 'class 1' },
    ]);
    const shuffled = COCO_CATEGORIES.map(({ name }) => name).toReversed();
    expect(labelsField(shuffled)).toHaveLength(80);
  });
});
