import { describe, expect, test } from 'vitest';
import { cocoDetections, cocoEntries } from '../../src/formats/coco-records.js';

async function listed<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const detection = { image_id: 1, category_id: 2, bbox: [1, 2, 3, 4], score: 0.5 };
const annotation = { id: 5, image_id: 1, category_id: 2, bbox: [1, 2, 3, 4] };
const images = [{ id: 1, file_name: 'a.jpg' }];
const categories = [{ id: 2, name: 'cat' }];

test('a dataset entry by entry, in the order of the file', async () => {
  const text = JSON.stringify({ info: {}, annotations: [annotation], images, categories });
  expect(await listed(cocoEntries([text], 'gt.json'))).toEqual([
    {
      kind: 'annotation',
      annotation: {
        id: 5,
        imageId: 1,
        categoryId: 2,
        boxXywh: { x: 1, y: 2, width: 3, height: 4 },
        area: 12,
        crowd: false,
      },
    },
    { kind: 'image', image: { id: 1, fileName: 'a.jpg' } },
    { kind: 'category', category: { id: 2, name: 'cat' } },
  ]);
});

test('a results list entry by entry; other fields are passed by', async () => {
  const text = JSON.stringify([{ ...detection, segmentation: [] }]);
  expect(await listed(cocoDetections([text], 'dt.json'))).toEqual([
    {
      imageId: 1,
      categoryId: 2,
      boxXywh: { x: 1, y: 2, width: 3, height: 4 },
      score: 0.5,
    },
  ]);
});

describe('refused, with file, element and field', () => {
  test.each([
    [{ bbox: [1, 2, 3] }, /field `bbox`: .*four finite numbers, got `\[1,2,3\]`/],
    [{ bbox: ['1', 2, 3, 4] }, /field `bbox`: .*got `\["1",2,3,4\]`/],
    [{ bbox: [1, 2, -3, 4] }, /field `bbox`: .*width and height >= 0, got `\[1,2,-3,4\]`/],
    [{ bbox: null }, /field `bbox`: .*got `null`/],
    [{ bbox: '1,2,3,4' }, /field `bbox`: .*got `"1,2,3,4"`/],
    [{ bbox: undefined }, /field `bbox`: .*got nothing/],
    [{ score: '0.5' }, /field `score`: expected a finite number, got `"0.5"`/],
    [{ score: undefined }, /field `score`: .*got nothing/],
    [{ image_id: ['1'] }, /field `image_id`: expected an integer or a text, got `\["1"\]`/],
    [{ image_id: 1.5 }, /field `image_id`: expected an integer/],
    [{ category_id: null }, /field `category_id`: expected an integer or a text, got `null`/],
  ])('detection with %j', async (change, message) => {
    const text = JSON.stringify([detection, { ...detection, ...change }]);
    const reading = listed(cocoDetections([text], 'dt.json'));
    await expect(reading).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(listed(cocoDetections([text], 'dt.json'))).rejects.toThrow(message);
    await expect(listed(cocoDetections([text], 'dt.json'))).rejects.toThrow(
      '`dt.json`, element 1: ',
    );
  });

  test('a number beyond the doubles', async () => {
    const text = '[{"image_id": 1, "category_id": 2, "bbox": [1, 2, 1e999, 4], "score": 1}]';
    await expect(listed(cocoDetections([text], 'dt.json'))).rejects.toThrow(/1e\d+/);
  });

  test.each([
    [{ iscrowd: 2 }, /element 0 of `annotations`: field `iscrowd`: expected 0 or 1, got `2`/],
    [{ area: 'big' }, /field `area`: expected a finite number/],
    [{ id: '' }, /field `id`: expected an integer/],
    [{ bbox: [0, 0, 0, -1] }, /width and height >= 0/],
  ])('annotation with %j', async (change, message) => {
    const text = JSON.stringify({
      images,
      categories,
      annotations: [{ ...annotation, ...change }],
    });
    await expect(listed(cocoEntries([text], 'gt.json'))).rejects.toThrow(message);
  });

  test('the wrong kind of file', async () => {
    const dataset = JSON.stringify({ images, categories, annotations: [] });
    await expect(listed(cocoDetections([dataset], 'dt.json'))).rejects.toThrow(/got an object/);
    await expect(listed(cocoEntries(['[]'], 'gt.json'))).rejects.toThrow(/with `images`/);
    await expect(listed(cocoEntries(['[{}]'], 'gt.json'))).rejects.toThrow(/got a list/);
    await expect(listed(cocoEntries(['{"images": 3}'], 'gt.json'))).rejects.toThrow(
      /expected a list under `images`/,
    );
    await expect(
      listed(cocoEntries([JSON.stringify({ images, annotations: [] })], 'gt.json')),
    ).rejects.toThrow(/expected a COCO dataset with `categories`/);
    await expect(listed(cocoDetections(['[7]'], 'dt.json'))).rejects.toThrow(
      /element 0: expected an object, got `7`/,
    );
  });
});
