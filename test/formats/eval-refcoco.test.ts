import { describe, expect, test } from 'vitest';
import { cocoEntries } from '../../src/formats/coco-records.js';
import { refCocoQueries } from '../../src/formats/eval-files.js';

const instances = {
  images: [{ id: 3, file_name: 'COCO_3.jpg' }],
  annotations: [
    { id: 8, image_id: 3, category_id: 1, bbox: [0, 0, 1, 1] },
    { id: 9, image_id: 3, category_id: 1, bbox: [10, 20, 30, 40] },
  ],
  categories: [{ id: 1, name: 'lion' }],
};
const ref = {
  ref_id: 1,
  ann_id: 9,
  image_id: 3,
  split: 'testA',
  file_name: 'COCO_3_9.jpg',
  sentences: [
    { sent_id: 11, sent: 'left lion', raw: 'Left lion!' },
    { sent_id: 12, sent: 'lion by the tree' },
  ],
};

const queriesOf = (...values: readonly unknown[]) => queriesOfFile(values);

async function queriesOfFile(file: unknown) {
  const entries = cocoEntries([JSON.stringify(instances)], 'instances.json');
  const queries = [];
  for await (const query of refCocoQueries([JSON.stringify(file)], 'refs.json', entries)) {
    queries.push(query);
  }
  return queries;
}

test('one query an expression, with the box of its annotation and the photo of the data set', async () => {
  expect(await queriesOf(ref)).toMatchObject([
    {
      id: '1-11',
      query: 'left lion',
      image: 'COCO_3.jpg',
      truthsXyxy: [{ x1: 10, y1: 20, x2: 40, y2: 60 }],
      group: 'testA',
    },
    { id: '1-12', query: 'lion by the tree' },
  ]);
});

test.each([
  ['a list under `refs`', { info: { version: 1 }, refs: [ref] }],
  ['expressions as plain texts', [{ ...ref, sentences: ['left lion', 'lion by the tree'] }]],
  ['ids as texts', [{ ...ref, ref_id: '1' }]],
])('takes %s', async (_name, file) => {
  const [first, second] = await queriesOfFile(file);
  expect(first).toMatchObject({ query: 'left lion', truthsXyxy: [{ x1: 10, y2: 60 }] });
  expect(second).toMatchObject({ query: 'lion by the tree', image: 'COCO_3.jpg' });
});

test.each([[[]], [{}], [{ images: [] }]])('refuses a file without refs: %j', async (file) => {
  await expect(queriesOfFile(file)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
});

test('of gRefCOCO: several objects, or none', async () => {
  const both = { ...ref, ann_id: [8, 9], sentences: [{ sent_id: 1, raw: 'both lions' }] };
  const none = { ...ref, ann_id: [-1], no_target: true, sentences: [{ sent: 'a zebra' }] };
  expect(await queriesOf(both, none)).toMatchObject([
    { query: 'both lions', truthsXyxy: [{ x2: 1 }, { x2: 40 }] },
    { query: 'a zebra', truthsXyxy: [] },
  ]);
});

describe('refused, with file and element', () => {
  test.each([
    [{ ann_id: 77 }, /`refs.json`, element 1: annotation 77 of image 3 is not in the annotation/],
    [{ image_id: 4 }, /annotation 9 of image 4 is not in the annotation/],
    [{ ann_id: undefined }, /field `ann_id`: expected an integer or a text, got nothing/],
    [{ sentences: 'left lion' }, /field `sentences`: expected a list/],
    [{ sentences: [{ tokens: ['a'] }] }, /field `raw`: expected a string, got nothing/],
    [{ ann_id: [9, 77] }, /annotation 77 of image 3 is not in the annotation/],
  ])('%j', async (change, message) => {
    await expect(queriesOf(ref, { ...ref, ...change })).rejects.toThrow(message);
  });
});
