import { expect } from 'vitest';
import { exactJson, parseExact } from '../../src/core/exact-json.js';
import { SeededRandom } from '../../src/core/random.js';
import { evaluateCoco } from '../../src/evaluate/coco.js';
import { CocoDetections, CocoGroundTruth } from '../../src/evaluate/coco-columns.js';
import {
  CategoryIds,
  COCO_CATEGORIES,
  cocoDataset,
  cocoPredictions,
  expectImages,
} from '../../src/formats/coco.js';
import { cocoDetections, cocoEntries } from '../../src/formats/coco-records.js';
import type { DetectionsLine } from '../../src/formats/result-line.js';
import { countingImages, imagesOfCocoFile } from '../../src/run/image-numbering.js';

/**
 * Writes COCO files of seeded runs, with ids of every kind and paths in any spelling, and measures each against itself: nothing
 * may be lost.
 */
export async function expectCocoRoundTrips(count: number, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const below = (limit: number) => random.nextBelow(limit);
  const one = <Item>(items: readonly Item[]): Item => items[below(items.length)]!;
  const ids = (kind: number, at: number) =>
    [at + 1, `photo ${at}`, parseExact(`9007199254740${993 + 2 * at}`)][kind];
  const names = ['a.jpg', 'sub/b.JPG', 'sub/caf\u00e9.jpg', 'c d.jpg'];
  const spelled = (name: string) =>
    one([name, name.replace('/', '\\'), name.normalize('NFD'), `./${name}`, encodeURI(name)]);

  function run(): DetectionsLine[] {
    return names.map((image) => ({
      type: 'detections',
      schema: 1,
      image,
      width: 640,
      height: 480,
      detections: Array.from({ length: 1 + below(3) }, (_, at) => {
        const { id, name } = one(COCO_CATEGORIES);
        const x = at * 200;
        return {
          bbox_2d: [x, 5, x + 50 + below(100), 100],
          score: 0.9,
          label: name,
          category_id: id,
        };
      }),
    }));
  }

  async function textOf(chunks: AsyncIterable<string>): Promise<string> {
    let text = '';
    for await (const chunk of chunks) text += chunk;
    return text;
  }

  for (let time = 0; time < count; time++) {
    const lines = run();
    const read = async function* () {
      yield* lines;
    };
    const kind = below(4);
    const listed = names.map((name, at) => ({ id: ids(kind, at), file_name: spelled(name) }));
    const file = exactJson({ images: listed, categories: COCO_CATEGORIES });
    const images = kind < 3 ? await imagesOfCocoFile([file], 'ids.json') : countingImages();
    await expectImages(read, images);
    const categories = new CategoryIds(COCO_CATEGORIES, images.categories);
    const [dataset, predictions] = [
      await textOf(cocoDataset(read, { images, categories })),
      await textOf(cocoPredictions(read, { images, categories })),
    ];
    const truth = new CocoGroundTruth();
    for await (const entry of cocoEntries([dataset], 'gt.json')) truth.add(entry);
    const found = new CocoDetections();
    for await (const each of cocoDetections([predictions], 'dt.json')) found.add(each);
    expect(images.leftOut).toBe(0);
    expect(truth.images.size).toBe(names.length);
    expect(evaluateCoco(truth, found).coco.AP).toBeCloseTo(1);
    if (kind < 3) expect([...truth.images]).toEqual(listed.map(({ id }) => id));
  }
}
