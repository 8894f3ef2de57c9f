import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COCO_METRIC_KEYS, type CocoMetrics, evaluateCoco } from '../../src/evaluate/coco.js';
import { CocoDetections, CocoGroundTruth } from '../../src/evaluate/coco-columns.js';
import { cocoDetections, cocoEntries } from '../../src/formats/coco-records.js';

async function evaluated(truthText: string, detectionText: string) {
  const truth = new CocoGroundTruth();
  for await (const entry of cocoEntries([truthText], 'gt.json')) truth.add(entry);
  const detections = new CocoDetections();
  for await (const entry of cocoDetections([detectionText], 'dt.json')) detections.add(entry);
  return evaluateCoco(truth, detections);
}

function expectClose(got: CocoMetrics, expected: CocoMetrics): void {
  for (const key of COCO_METRIC_KEYS) {
    expect(Math.abs(got[key] - expected[key]), key).toBeLessThan(1e-12);
  }
}

interface Case {
  readonly gt: unknown;
  readonly dt: unknown;
  readonly expected: CocoMetrics;
}

const oracle = JSON.parse(
  readFileSync(new URL('oracle/coco.generated.json', import.meta.url), 'utf8'),
) as Record<string, Case>;

test.each(Object.entries(oracle))('against pycocotools: %s', async (_, { gt, dt, expected }) => {
  const { coco } = await evaluated(JSON.stringify(gt), JSON.stringify(dt));
  expectClose(coco, expected);
});

const shared = new URL('../../../shared/data/coco-eval/', import.meta.url);
const sharedIsThere = existsSync(shared);
if (!sharedIsThere) console.log('skipped: no ../shared/data/coco-eval');

test.skipIf(!sharedIsThere).each(['small', 'crowds-and-ties', 'photos'])(
  'against pycocotools, shared case %s',
  async (name) => {
    const read = (part: string) => readFileSync(new URL(`${name}.${part}.json`, shared), 'utf8');
    const { coco } = await evaluated(read('gt'), read('dt'));
    expectClose(coco, JSON.parse(read('expected')) as CocoMetrics);
  },
);

type Annotation = [image: number, category: number, bbox: number[], more?: object];
type Detection = [image: number, category: number, bbox: number[], score: number];

function dataset(annotations: readonly Annotation[], images = [1, 2], categories = [1, 2]): string {
  return JSON.stringify({
    images: images.map((id) => ({ id })),
    categories: categories.map((id) => ({ id, name: `c${id}` })),
    annotations: annotations.map(([image_id, category_id, bbox, more], index) => ({
      id: index + 1,
      image_id,
      category_id,
      bbox,
      ...more,
    })),
  });
}

function results(detections: readonly Detection[]): string {
  return JSON.stringify(
    detections.map(([image_id, category_id, bbox, score]) => ({
      image_id,
      category_id,
      bbox,
      score,
    })),
  );
}

describe('by hand', () => {
  // Precision is divided by a sum that is one rounding step too large, here as in pycocotools.
  const close = (value: number) => expect.closeTo(value, 12) as number;
  const box = [10, 10, 40, 40];

  test('a perfect detector has AP 1 where there is something to find', async () => {
    const { coco, categories } = await evaluated(
      dataset([[1, 1, box]]),
      results([[1, 1, box, 0.3]]),
    );
    expect(coco).toMatchObject({
      AP: close(1),
      AP50: close(1),
      APm: close(1),
      APs: -1,
      APl: -1,
      AR1: close(1),
      ARs: -1,
    });
    expect(categories.map(({ name, metrics }) => [name, metrics.AP])).toEqual([
      ['c1', close(1)],
      ['c2', -1],
    ]);
  });

  test('half of the box, half of the thresholds up to its IoU', async () => {
    // 40 x 32 of 40 x 40: IoU 0.8, which meets 0.5 .. 0.8, seven of ten.
    const { coco } = await evaluated(
      dataset([[1, 1, box]]),
      results([[1, 1, [10, 10, 40, 32], 1]]),
    );
    expect(coco.AP).toBeCloseTo(0.7, 12);
    expect(coco).toMatchObject({ AP50: close(1), AP75: close(1) });
  });

  test('a wrong box before the right one halves precision, after it costs nothing', async () => {
    const wrong = [300, 300, 40, 40];
    const before = results([
      [1, 1, wrong, 0.9],
      [1, 1, box, 0.8],
    ]);
    const after = results([
      [1, 1, box, 0.9],
      [1, 1, wrong, 0.8],
    ]);
    const truth = dataset([[1, 1, box]]);
    expect((await evaluated(truth, before)).coco).toMatchObject({
      AP: close(0.5),
      AR1: 0,
      AR10: close(1),
    });
    expect((await evaluated(truth, after)).coco).toMatchObject({
      AP: close(1),
      AR1: close(1),
      AR10: close(1),
    });
  });

  test('a box inside a crowd counts neither for nor against', async () => {
    const truth = dataset([
      [1, 1, [100, 100, 200, 200], { iscrowd: 1 }],
      [1, 1, box],
    ]);
    const found = results([
      [1, 1, [120, 120, 40, 40], 0.9],
      [1, 1, [180, 180, 40, 40], 0.8],
      [1, 1, box, 0.1],
    ]);
    expect((await evaluated(truth, found)).coco).toMatchObject({
      AP: close(1),
      AR1: 0,
      AR10: close(1),
    });
  });

  test('the mask area of an annotation decides its range', async () => {
    const truth = dataset([[1, 1, box, { area: 500 }]]);
    const { coco } = await evaluated(truth, results([[1, 1, box, 0.9]]));
    expect(coco).toMatchObject({ APs: close(1), APm: -1 });
  });
});

describe('what does not fit', () => {
  test('detections of unknown images are refused, the first five named', async () => {
    const strays = [9, 8, 7, 6, 5, 4, 9].map((id): Detection => [id, 1, [0, 0, 1, 1], 1]);
    await expect(
      evaluated(dataset([[1, 1, [0, 0, 1, 1]]]), results([[1, 1, [0, 0, 1, 1], 1], ...strays])),
    ).rejects.toThrow(/6 image ids are not in the ground truth; the first: 9, 8, 7, 6, 5$/);
  });

  test('unknown categories and the annotation id 0 are said', async () => {
    const { notices } = await evaluated(
      dataset([
        [1, 1, [0, 0, 1, 1], { id: 0 }],
        [77, 1, [0, 0, 1, 1]],
      ]),
      results([[1, 3, [0, 0, 1, 1], 1]]),
    );
    expect(notices).toEqual([
      expect.stringMatching(/^1 annotations name an image or a category/),
      expect.stringMatching(/^1 detections name a category/),
      expect.stringMatching(/the id 0/),
      expect.stringMatching(/no detection overlaps an object of its category/),
    ]);
  });

  test('an annotation id that comes twice is refused', async () => {
    const twice = dataset([
      [1, 1, [0, 0, 1, 1], { id: 7 }],
      [1, 1, [0, 0, 1, 1], { id: 7 }],
    ]);
    await expect(evaluated(twice, '[]')).rejects.toThrow(/annotation id 7 comes twice/);
  });
});

test('the order of detections of different scores does not matter', async () => {
  const { gt, dt } = oracle['boxes of all sizes']!;
  const distinct = (dt as { score: number }[]).map((entry, index) => ({
    ...entry,
    score: entry.score + index * 1e-7,
  }));
  const { coco } = await evaluated(JSON.stringify(gt), JSON.stringify(distinct));
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(distinct, { minLength: distinct.length }),
      async (shuffled) => {
        expectClose((await evaluated(JSON.stringify(gt), JSON.stringify(shuffled))).coco, coco);
      },
    ),
    { numRuns: 30 },
  );
});
