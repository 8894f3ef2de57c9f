import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COCO_BY_ID, COCO_CATEGORIES } from '../../src/formats/coco.js';
import {
  classNames,
  labelsField,
  namesByNumber,
  parseLabelFile,
} from '../../src/models/label-list.js';

/** Names by number, as a file says. */
const namesIn = (text: string) => {
  const file = parseLabelFile(text);
  return file && namesByNumber(file);
};

describe('names of labels', () => {
  it.each([
    ['a dict', "{0: 'person', 1: 'traffic light'}", ['person', 'traffic light']],
    ['a list', "['person', \"keeper's dog\"]", ['person', "keeper's dog"]],
    ['escapes', "{0: 'keeper\\'s', 1: 'a\\\\b'}", ["keeper's", 'a\\b']],
    ['any order, with holes', "{2: 'c', 0: 'a'}", ['a', undefined, 'c']],
    ['no names at all', '{}', undefined],
  ])('in Python: %s', (_, text, names) => {
    expect(namesIn(text)).toEqual(names);
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
    ['COCO file', '{"categories": [{"id": 2, "name": "cat"}]}', [undefined, undefined, 'cat']],
    ['numbered lines', '1 cat\n0: dog bed\n3,car', ['dog bed', 'cat', undefined, 'car']],
    ['data.yaml', 'nc: 2\nnames: [cat, "dog: bed"]\n', ['cat', 'dog: bed']],
    ['data.yaml with numbers', 'path: x\nnames:\n  0: cat\n  1: dog\n', ['cat', 'dog']],
    ['data.yaml with dashes', 'names:\n- cat\n- dog\n', ['cat', 'dog']],
    [
      'pbtxt',
      "item {\n  name: 'n02'\n  id: 2\n  display_name: 'dog'\n}\nitem {\n id: 1\n name: \"cat\"\n}",
      [undefined, 'cat', 'dog'],
    ],
    ['JSON with names', '{"names": {"0": "cat"}, "nc": 1}', ['cat']],
    ['lines that only begin with numbers', '7 up\n7 up zero', ['7 up', '7 up zero']],
    ['Python', "{0: 'cat'}", ['cat']],
    ['control characters', '["c\\u001bat"]', ['c\\u001bat']],
    ['nothing', '\n \n', undefined],
    ['another JSON', '{"a": 1}', undefined],
  ])('in a file: %s', (_, text, names) => {
    expect(namesIn(text)).toEqual(names);
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
        expect(namesIn(`{${literal.join(', ')}}`)).toEqual(names);
      }),
    );
  });
});

describe('the classes of a graph', () => {
  const three = parseLabelFile('car\nbus\ntruck')!;
  const coco = (...ids: readonly number[]) =>
    parseLabelFile(JSON.stringify({ categories: ids.map((id, at) => ({ id, name: 'abc'[at] })) }))!;

  it.each([
    ['as many as names', three, { classes: 3 }, ['car', 'bus', 'truck']],
    [
      'two logits more: from 1',
      three,
      { classes: 5, hasSpareLogits: true },
      [undefined, 'car', 'bus', 'truck', undefined],
    ],
    ['one logit more', three, { classes: 4, hasSpareLogits: true }, 'ambiguous'],
    ['another number', three, { classes: 4 }, undefined],
    [
      'ids of a COCO file',
      coco(1, 2, 3),
      { classes: 4, hasSpareLogits: true },
      [undefined, 'a', 'b', 'c'],
    ],
    [
      'ids in another order',
      coco(3, 1, 2),
      { classes: 4, hasSpareLogits: true },
      [undefined, 'b', 'c', 'a'],
    ],
    ['the order of ids', coco(3, 1, 2), { classes: 3 }, ['b', 'c', 'a']],
    ['the order of ids, finished boxes', coco(3, 1, 2), { classes: undefined }, ['b', 'c', 'a']],
    [
      'finished boxes from 0',
      three,
      { classes: undefined, countsFrom: 0 },
      ['car', 'bus', 'truck'],
    ],
    [
      'numbers that are written',
      parseLabelFile('1 car\n2 bus')!,
      { classes: undefined },
      [undefined, 'car', 'bus'],
    ],
    [
      'numbers from 1 for as many classes',
      parseLabelFile('1 car\n2 bus')!,
      { classes: 2 },
      ['car', 'bus'],
    ],
  ] as const)('are named: %s', (_, file, count, names) => {
    const found = classNames(file, count);
    expect(typeof found === 'object' ? found.names : found).toEqual(names);
  });

  it('count from 1 after torchvision, unless the background is named', () => {
    const count = { classes: undefined, countsFrom: 1 } as const;
    expect(classNames(three, count)).toMatchObject({ firstClass: 1 });
    expect(classNames(parseLabelFile('__background__\ncar')!, count)).not.toHaveProperty(
      'firstClass',
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
