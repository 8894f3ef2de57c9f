import { describe, expect, it } from 'vitest';
import { exactJson, parseExact } from '../../src/core/exact-json.js';
import { lineBlocks } from '../../src/core/line-reader.js';
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
import { evalQueries } from '../../src/formats/eval-files.js';
import { parseQueryLine } from '../../src/formats/query-line.js';
import type { DetectionsLine } from '../../src/formats/result-line.js';
import { countingImages, imagesOfCocoFile } from '../../src/run/image-numbering.js';

const random = new SeededRandom(3);
const below = (limit: number) => random.nextBelow(limit);
const one = <Item>(items: readonly Item[]): Item => items[below(items.length)]!;
const pixels = () => one([below(500), below(5000) / 10, Number((random.next() * 500).toFixed(5))]);

describe('2,000 lines of queries, spelled in many ways', () => {
  const digits = () => one(['7', '9007199254740993', '12345678901234567890', '1e400', '0.25']);
  const lines = Array.from({ length: 2000 }, (_, at) => {
    const box = [pixels(), pixels(), pixels(), pixels()];
    const [x1, x2] = [box[0]!, box[0]! + box[2]!];
    const tool = {
      bbox_2d: [x1, 0, x2, 9],
      score: one([0.5, 1.0000001, -1e-7, null]),
      label: null,
    };
    const fields = [
      `"id":${one([`"q${at}"`, String(at + 5000), `"${at} é"`])}`,
      `"image":${one(['"a.jpg"', '"sub\\\\b.jpg"', '"caf\\u00e9.jpg"'])}`,
      '"query":"the left lion"',
      one([`"bbox":${JSON.stringify(box)}`, `"boxes":[${JSON.stringify(box)}]`, '"boxes":[]']),
      `"tools":${JSON.stringify({ t: one([[tool], [{ bbox_2d: null }, tool], []]), u: null })}`,
      one(['"width":null', '"width":640,"height":480', '"height":null']),
      `"scene":${digits()}`,
    ];
    const text = `{${fields.toSorted(() => random.next() - 0.5).join(one([',', ', ', ' ,']))}}`;
    return one(['', '\ufeff']) + text + one(['', ' ', '\r']);
  });

  it('are one thing to refine and to eval, with all digits', async () => {
    async function* blocks() {
      yield Buffer.from(`${lines.join('\n')}\n`);
    }
    const items = [];
    for await (const block of lineBlocks(blocks())) items.push(...block);
    const options = { groupBy: 'scene', tools: ['t'] };
    let count = 0;
    for await (const read of evalQueries(items, 'q.jsonl', options)) {
      const item = items[count]!;
      if ('error' in item) throw item.error;
      const query = parseQueryLine(item.text, item.number);
      const [boxes] = read.tools?.entries ?? [];
      expect({ id: read.id, image: read.image, group: read.group }).toEqual({
        id: query.id,
        image: query.imagePath,
        group: /"scene":([^,} ]*)/.exec(item.text)![1],
      });
      expect(read.truthsXyxy).toHaveLength(query.truthsXywh!.length);
      expect(boxes?.map(({ score }) => score)).toEqual(
        query.tools[0]!.boxes.map(({ score }) => score),
      );
      expect(item.text).toContain(`"scene":${exactJson(query.extra.scene)}`);
      count += 1;
    }
    expect(count).toBe(2000);
  });
});

describe('COCO files of runs', () => {
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

  it('measure as found whole, with ids of every kind and paths in any spelling', async () => {
    for (let time = 0; time < 200; time++) {
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
  });
});
