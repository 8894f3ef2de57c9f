import { describe, expect, it, test } from 'vitest';
import { exactJson } from '../../src/core/exact-json.js';
import { lineBlocks } from '../../src/core/line-reader.js';
import { SeededRandom } from '../../src/core/random.js';
import { evalQueries } from '../../src/formats/eval-files.js';
import { parseQueryLine } from '../../src/formats/query-line.js';
import { expectCocoRoundTrips } from '../support/coco-round-trip.js';

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

test('COCO files of 200 runs measure as found whole', () => expectCocoRoundTrips(200, 5));
