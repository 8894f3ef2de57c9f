import { describe, expect, it } from 'vitest';
import type { BoxXyxy } from '../../src/core/box.js';
import { PromiseCache } from '../../src/core/lru.js';
import { cropMatching } from '../../src/runtime/encoder.js';
import { box } from '../support/candidates.js';

/** An encoder of left edges: a crop's first pixel is where its box starts, a text is the number that it says. */
function countingEncoder() {
  const asked = { crops: [] as number[], texts: [] as string[], photos: [] as string[], most: 0 };
  let broken = false;
  const unit = (angle: number) => Float32Array.of(Math.cos(angle), Math.sin(angle));
  const matching = cropMatching(
    {
      scale: 10,
      bias: -1,
      embedCrops: async (crops) =>
        crops.map(({ data }) => {
          asked.crops.push(data[0]!);
          return unit(data[0]! / 100);
        }),
      embedText: async (text) => {
        asked.texts.push(text);
        return unit(Number(text) / 100);
      },
    },
    async ({ path }, boxes: readonly BoxXyxy[]) => {
      asked.photos.push(path);
      asked.most = Math.max(asked.most, boxes.length);
      if (broken) throw new Error('gone');
      return boxes.map(({ x1 }) => ({
        width: 1,
        height: 1,
        data: Uint8Array.of(Math.round(x1), 0, 0),
      }));
    },
    128,
  );
  return {
    asked,
    matching,
    breakDown: (now: boolean) => {
      broken = now;
    },
  };
}

const ref = (path: string) => ({ image: path, path });
/** A box whose widened form starts at `x`. */
const from = (x: number): BoxXyxy => box(x + 2, 5, 20, 20);

describe('cropMatching', () => {
  it('gives the cosine of each box with each text', async () => {
    const { matching } = countingEncoder();
    const rows = await matching(ref('a')).match([from(10), from(60)], ['10', '110']);
    const cos = (from: number, to: number) => expect.closeTo(Math.cos((from - to) / 100), 5);
    expect(rows.map((row) => [...row])).toEqual([
      [cos(10, 10), cos(60, 10)],
      [cos(10, 110), cos(60, 110)],
    ]);
    expect(matching(ref('a'))).toMatchObject({ scale: 10, bias: -1 });
  });

  it('looks at each box and each text once, even where they are asked for together', async () => {
    const { matching, asked } = countingEncoder();
    const { match } = matching(ref('a'));
    const [one, two] = await Promise.all([
      match([from(10), from(20), from(10)], ['1', '2']),
      match([from(20), from(30)], ['2', '3']),
    ]);
    expect(asked.crops).toEqual([10, 20, 30]);
    expect(asked.texts).toEqual(['1', '2', '3']);
    expect(one[1]![1]).toBe(two[0]![0]);
    expect(one[0]![0]).toBe(one[0]![2]);
    await match([from(10)], ['1']);
    await matching(ref('b')).match([from(10)], ['1']);
    expect(asked.photos).toEqual(['a', 'a', 'b']);
  });

  it('cuts no more than 128 crops of a photo at a time, and all of them', async () => {
    const { matching, asked } = countingEncoder();
    const boxes = Array.from({ length: 300 }, (_, at) => from(at % 200));
    const [row] = await matching(ref('a')).match(boxes, ['0']);
    expect(asked.most).toBe(128);
    expect(asked.photos).toEqual(['a', 'a']);
    expect(asked.crops).toEqual(Array.from({ length: 200 }, (_, at) => at));
    const cosines = boxes.map((_, at) => expect.closeTo(Math.cos((at % 200) / 100), 5));
    expect([...row!]).toEqual(cosines);
  });

  it('forgets what failed', async () => {
    const { matching, breakDown } = countingEncoder();
    const { match } = matching(ref('a'));
    breakDown(true);
    await expect(match([from(10)], ['1'])).rejects.toThrow('gone');
    breakDown(false);
    await expect(match([from(10)], ['1'])).resolves.toHaveLength(1);
  });
});

describe('PromiseCache', () => {
  it('keeps the last ones that were asked for', async () => {
    const cache = new PromiseCache<number>(2);
    cache.set('a', Promise.resolve(1));
    cache.set('b', Promise.resolve(2));
    expect(await cache.get('a')).toBe(1);
    cache.set('c', Promise.resolve(3));
    expect(cache.get('b')).toBeUndefined();
    expect(await cache.get('a')).toBe(1);
    expect(await cache.get('c')).toBe(3);
  });
});
