import { describe, expect, it } from 'vitest';
import { CategoryIds, cocoDataset, cocoPredictions, expectImages } from '../../src/formats/coco.js';
import type {
  DetectionsLine,
  ErrorLine,
  OutputLine,
  ResultLine,
} from '../../src/formats/result-line.js';
import { countingImages, imagesOfCocoFile } from '../../src/run/image-numbering.js';

const detections = (image: string, count: number): DetectionsLine => ({
  type: 'detections',
  schema: 1,
  image,
  width: 100,
  height: 50,
  detections: Array.from({ length: count }, (_, index) => ({
    bbox_2d: [index, 1, index + 10.1, 20.2] as const,
    score: 0.5,
    label: 'cat',
    category_id: 17,
  })),
});

const result = (id: string, image: string, label?: string): ResultLine => ({
  type: 'result',
  schema: 1,
  id,
  image,
  width: 100,
  height: 50,
  query: 'the cat',
  tool: { name: 'centernet', bbox_2d: [0, 0, 5, 5], score: 0.4, label: 'cat' },
  think: { bbox_2d: null, score: 0, text: '' },
  answer: {
    bbox_2d: [1, 2, 4, 8],
    score: 0.9,
    decision: 'correct',
    text: '',
    ...(label && { label }),
  },
  candidates: 2,
});

const failed: ErrorLine = { type: 'error', schema: 1, id: 'x', code: 'IMAGE_MISSING', message: '' };
const categories = new CategoryIds([{ id: 17, name: 'cat' }]);
const OPTIONS = () => ({ images: countingImages(), categories });
const idsOf = (dataset: unknown) => imagesOfCocoFile([JSON.stringify(dataset)], 'instances.json');

async function text(chunks: AsyncIterable<string>): Promise<string> {
  let whole = '';
  for await (const chunk of chunks) whole += chunk;
  return whole;
}

const reading = (lines: readonly OutputLine[]) =>
  async function* (): AsyncGenerator<OutputLine> {
    yield* lines;
  };

describe('COCO files', () => {
  it('of nothing are empty, and valid', async () => {
    expect(JSON.parse(await text(cocoPredictions(reading([]), OPTIONS())))).toEqual([]);
    const dataset = JSON.parse(await text(cocoDataset(reading([]), OPTIONS())));
    expect(dataset).toMatchObject({ images: [], annotations: [] });
  });

  it('hold every box of a set under the id of its query, and none where nothing fits', async () => {
    const one = result('q1', 'a.jpg', 'cat');
    const set: ResultLine = {
      ...one,
      id: 'q2',
      answer: {
        ...one.answer,
        boxes: [
          { bbox_2d: [1, 2, 4, 8], score: 0.9, label: 'cat' },
          { bbox_2d: [5, 2, 9, 8], score: 0.6 },
        ],
      },
    };
    const none: ResultLine = {
      ...one,
      id: 'q3',
      answer: { bbox_2d: null, score: 0.7, decision: 'none', text: '' },
    };
    const lines = reading([one, set, none]);
    const { annotations } = JSON.parse(await text(cocoDataset(lines, OPTIONS())));
    const told = annotations.map((each: Record<string, unknown>) => [
      each.id,
      each.query_id,
      each.bbox,
      each.score,
      each.category_id,
    ]);
    expect(told).toEqual([
      [1, 'q1', [1, 2, 3, 6], 0.9, 17],
      [2, 'q2', [1, 2, 3, 6], 0.9, 17],
      [3, 'q2', [5, 2, 4, 6], 0.6, 18],
    ]);
    const predictions = JSON.parse(await text(cocoPredictions(lines, OPTIONS())));
    expect(predictions.map(({ score }: { score: number }) => score)).toEqual([0.9, 0.9, 0.6]);
  });

  it('number images and annotations from 1, without gaps or repeats', async () => {
    const lines = [detections('a.jpg', 2), failed, detections('b.jpg', 0), detections('c.jpg', 1)];
    const dataset = JSON.parse(await text(cocoDataset(reading(lines), OPTIONS())));
    expect(dataset.images).toEqual([
      { id: 1, file_name: 'a.jpg', width: 100, height: 50 },
      { id: 2, file_name: 'b.jpg', width: 100, height: 50 },
      { id: 3, file_name: 'c.jpg', width: 100, height: 50 },
    ]);
    expect(dataset.annotations.map(({ id }: { id: number }) => id)).toEqual([1, 2, 3]);
    expect(dataset.annotations[1]).toMatchObject({
      image_id: 1,
      category_id: 17,
      bbox: [1, 1, 10.1, 19.2],
    });
    expect(dataset.annotations[2].image_id).toBe(3);
  });

  it('carry the query, the tool and the decision of refine; an image stands once', async () => {
    const lines = [result('q1', 'a.jpg', 'cat'), result('q2', 'a.jpg')];
    const dataset = JSON.parse(await text(cocoDataset(reading(lines), OPTIONS())));
    expect(dataset.images).toHaveLength(1);
    expect(dataset.annotations[0]).toEqual({
      id: 1,
      image_id: 1,
      category_id: 17,
      bbox: [1, 2, 3, 6],
      area: 18,
      iscrowd: 0,
      score: 0.9,
      query_id: 'q1',
      caption: 'the cat',
      tool_bbox: [0, 0, 5, 5],
      decision: 'correct',
    });
    expect(dataset.annotations[1].category_id).toBe(18);
    expect(dataset.categories).toEqual([
      { id: 17, name: 'cat', supercategory: 'animal' },
      { id: 18, name: 'object', supercategory: 'object' },
    ]);
  });

  it('take image ids from another file by name, and leave out what it does not list', async () => {
    const images = await idsOf({
      images: [
        { id: 42, file_name: 'val/b.jpg' },
        { id: 43, file_name: 'val/sub/c.jpg' },
        { id: 7, file_name: 'a.jpg' },
      ],
    });
    const lines = [detections('a.jpg', 1), detections('b.jpg', 1), detections('z.jpg', 1)];
    const predictions = JSON.parse(
      await text(cocoPredictions(reading(lines), { images, categories })),
    );
    expect(predictions.map((entry: { image_id: number }) => entry.image_id)).toEqual([7, 42]);
    expect(images.leftOut).toBe(1);
  });

  it.each([
    ['backslashes', 'images\\a.jpg', 'images/a.jpg'],
    ['backslashes, from elsewhere', '..\\label\\a.jpg', 'a.jpg'],
    ['dots', './images//a.jpg', 'images/a.jpg'],
    ['composed letters', 'caf\u00e9.jpg', 'cafe\u0301.jpg'],
    ['decomposed letters', 'cafe\u0301.jpg', 'caf\u00e9.jpg'],
    ['another case of the extension', 'a.JPG', 'a.jpg'],
    ['percent codes', 'my%20cat.jpg', 'my cat.jpg'],
    ['a folder more', '/data/images/a.jpg', 'a.jpg'],
    ['a folder less', 'a.jpg', 'images/a.jpg'],
  ])('know a photo by another spelling of its path: %s', async (_name, listed, photo) => {
    const images = await idsOf({ images: [{ id: 7, file_name: listed }] });
    expect(images.idOf(photo, photo)).toBe(7);
  });

  it('give no photo the entry of another', async () => {
    const images = await idsOf({
      images: [
        { id: 7, file_name: 'cam1/1.jpg' },
        { id: 8, file_name: 'x/2.jpg' },
      ],
    });
    const photos = ['cam1/1.jpg', '1.jpg', 'cam2/1.jpg', 'a/x/2.jpg', 'b/x/2.jpg'];
    for (const photo of photos) images.expect(photo, photo, { width: 1, height: 1 });
    expect(photos.map((photo) => images.idOf(photo, photo))).toEqual([
      7,
      ...Array(4).fill(undefined),
    ]);
    expect(images.leftOut).toBe(4);
  });

  it.each([
    ['an extension', ['a.jpg', 'a.JPG'], 'a.jpg', 0],
    ['percent codes', ['my cat.jpg', 'my%20cat.jpg'], 'my%20cat.jpg', 1],
    ['letters', ['cafe\u0301.jpg', 'caf\u00e9.jpg'], 'caf\u00e9.jpg', 1],
    ['a folder', ['x/a.jpg', 'y/a.jpg', 'a.JPG'], './a.jpg', 2],
  ])(
    'tell photos that only %s tells apart: the best one has the entry',
    async (_name, photos, listed, best) => {
      const size = { width: 1, height: 1 };
      for (const order of [photos, photos.toReversed()]) {
        const images = await idsOf({ images: [{ id: 7, file_name: listed }] });
        for (const photo of order) images.expect(photo, photo, size);
        const ids = photos.map((photo) => images.idOf(photo, photo));
        expect(ids).toEqual(photos.map((_, at) => (at === best ? 7 : undefined)));
        expect(images.leftOut).toBe(photos.length - 1);
      }
    },
  );

  it('give one photo one entry, however the queries spell its path', async () => {
    const spelled = ['my cat.JPG', 'my%20cat.jpg', './my cat.jpg', 'my cat.jpg'];
    const lines = spelled.map((image, at) => ({
      ...result(String(at), image),
      made_of: { settings: '0', line: '0', query: '0', bytes: 1, sha256: 'ab' },
    }));
    for (const images of [
      countingImages(),
      await idsOf({ images: [{ id: 1, file_name: 'my cat.jpg' }] }),
    ]) {
      await expectImages(reading(lines), images);
      const json = await text(cocoDataset(reading(lines), { images, categories }));
      const dataset = JSON.parse(json) as {
        images: unknown[];
        annotations: { image_id: number }[];
      };
      expect(dataset.images).toEqual([{ id: 1, file_name: spelled[0], width: 100, height: 50 }]);
      expect(dataset.annotations.map(({ image_id }) => image_id)).toEqual([1, 1, 1, 1]);
      expect(images.leftOut).toBe(0);
    }
  });

  it('refuse an id, and take no path, that two entries have', async () => {
    const twice = {
      images: [
        { id: 7, file_name: 'a.jpg' },
        { id: 7, file_name: 'b.jpg' },
      ],
    };
    await expect(idsOf(twice)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    const images = await idsOf({
      images: [
        { id: 7, file_name: 'a.jpg' },
        { id: 8, file_name: 'a.jpg' },
      ],
    });
    images.expect('a.jpg', 'a.jpg', { width: 1, height: 1 });
    expect(images.idOf('a.jpg', 'a.jpg')).toBeUndefined();
  });

  it.each([
    [
      'NaN in annotations',
      '{"annotations":[{"area":NaN}],"images":[{"id":7,"file_name":"a.jpg"}]}',
    ],
    ['words of no language', '{"info":{"x":[nan,"]"]},"images":[{"id":7,"file_name":"a.jpg"}]}'],
    [
      'a value in place of a list',
      '{"annotations":Infinity,"images":[{"id":7,"file_name":"a.jpg"}]}',
    ],
  ])('leave %s alone', async (_name, file) => {
    const images = await imagesOfCocoFile([file], 'ids.json');
    expect(images.idOf('a.jpg', 'a.jpg')).toBe(7);
  });

  it('take ids of any length, and texts', async () => {
    const file =
      '{"images":[{"id":12345678901234567890,"file_name":"a.jpg"},{"id":"b7","file_name":"b.jpg"}]}';
    const images = await imagesOfCocoFile([file], 'ids.json');
    const lines = [detections('a.jpg', 1), detections('b.jpg', 1)];
    const predictions = await text(cocoPredictions(reading(lines), { images, categories }));
    expect(predictions).toContain('"image_id":12345678901234567890,');
    expect(predictions).toContain('"image_id":"b7",');
  });

  it('take categories by name where the file names them, and leave out others', async () => {
    const images = await idsOf({
      images: [{ id: 7, file_name: 'a.jpg' }],
      categories: [
        { id: 1, name: 'Cat' },
        { id: 17, name: 'tree' },
      ],
    });
    const ids = new CategoryIds(
      [
        { id: 17, name: 'cat' },
        { id: 18, name: 'dog' },
      ],
      images.categories,
    );
    const dog = { ...detections('a.jpg', 1).detections[0]!, label: 'dog', category_id: 18 };
    const line = {
      ...detections('a.jpg', 1),
      detections: [...detections('a.jpg', 1).detections, dog],
    };
    const predictions = JSON.parse(
      await text(cocoPredictions(reading([line]), { images, categories: ids })),
    );
    expect(predictions).toMatchObject([{ category_id: 1 }]);
    expect([...ids.unlisted]).toEqual(['dog']);
  });

  it('have one image a photo, with whole sizes that hold all of its boxes', async () => {
    const lines = [
      { ...result('1', 'x.jpg'), width: 163.84, height: 479.04 },
      { ...result('2', './x.jpg'), width: 620.5, height: 400 },
      { ...result('3', 'x.jpg'), width: 640, height: 480 },
    ];
    const dataset = JSON.parse(await text(cocoDataset(reading(lines), OPTIONS())));
    expect(dataset.images).toEqual([{ id: 1, file_name: 'x.jpg', width: 640, height: 480 }]);
  });

  it('have polygons where they are wanted', async () => {
    const options = { ...OPTIONS(), polygons: true };
    const { annotations } = JSON.parse(
      await text(cocoDataset(reading([detections('a.jpg', 1)]), options)),
    );
    expect(annotations[0].segmentation).toEqual([[0, 1, 10.1, 1, 10.1, 20.2, 0, 20.2]]);
  });

  it('refuse an id file that is no dataset', async () => {
    await expect(idsOf([])).rejects.toThrow(/expected a COCO dataset/);
    await expect(idsOf({ images: [{ id: 1 }] })).rejects.toThrow(/file_name/);
  });
});
