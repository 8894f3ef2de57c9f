import { describe, expect, it } from 'vitest';
import { VgrError } from '../../src/core/error.js';
import type { LineItem } from '../../src/core/line-reader.js';
import { errorLine, type OutputLine } from '../../src/formats/result-line.js';
import type { Listed } from '../../src/photos/find-photos.js';
import type { RefineRequest, Refiner } from '../../src/refine/refiner.js';
import { detectPhotos, intakePhotos } from '../../src/run/detect.js';
import { DoneItems } from '../../src/run/done-items.js';
import { type IntakeItem, intakeBlocks } from '../../src/run/intake.js';
import { answerBlocks } from '../../src/run/refine.js';
import { type AskRefiner, answering } from '../../src/runtime/answerer.js';
import { type ExamineParts, examinePhoto, photoStore } from '../../src/runtime/photo-store.js';
import { type PhotoRef, type RunLine, startedProgress } from '../../src/runtime/ports.js';
import { answerQueries } from '../../src/runtime/query-answer.js';

const WHOLE = { index: 1, count: 1 };
const STREAM = { concurrency: 4, backpressure: 8, unordered: false };

async function* stream<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function linesOf(lines: AsyncIterable<RunLine>): Promise<OutputLine[]> {
  return (await collect(lines)).map(({ json }) => JSON.parse(json));
}

/** Blocks of one item each, of lines that all come in one piece. */
function blocksOf(
  lines: readonly LineItem[],
  isDone: (item: IntakeItem) => boolean | Promise<boolean> = () => false,
): AsyncIterable<readonly IntakeItem[]> {
  const intake = { shard: WHOLE, progress: { listed: 0 }, blockSize: 1, isDone };
  return intakeBlocks(stream([lines]), intake);
}

/** A camera and a detector of the test's own: photos whose name says what happens to them. */
function parts(log: string[] = []): ExamineParts {
  const crashed = new Set<string>();
  return {
    progress: startedProgress(),
    open: async ({ image }) => {
      log.push(`open ${image}`);
      if (image === 'missing') throw new VgrError('IMAGE_MISSING', 'no photo');
      const raster = { width: 1, height: 1, data: new Uint8Array([1, 2, image.length]) };
      const size = { width: 100, height: 50 };
      return { size, raster, contentXyxy: { x1: 0, y1: 0, x2: 1, y2: 1 }, bytes: 1, sha256: image };
    },
    detector: {
      name: 'testdet',
      spec: { width: 1, height: 1, fit: 'stretch', fill: 0 },
      categories: [{ id: 17, name: 'cat' }],
      detect: async ({ raster, sha256: image }) => {
        log.push(`detect ${image}`);
        if (image === 'always-crash' || (image === 'crash' && !crashed.has(image))) {
          crashed.add(image);
          throw new VgrError('WORKER_CRASHED', 'ended');
        }
        if (image === 'gone') throw new VgrError('DEVICE_UNAVAILABLE', 'no device');
        const boxXyxy = { x1: 1, y1: 2, x2: 3, y2: 4 };
        const cat = { boxXyxy, score: 0.5, label: 'cat', categoryId: 17 };
        return { raster, detections: [cat], ms: 7 };
      },
    },
  };
}

const ref = (image: string): PhotoRef => ({ image, path: `/photos/${image}` });

describe('a photo', () => {
  it('is decoded and detected once more when the worker ends under it', async () => {
    const log: string[] = [];
    const photo = await examinePhoto(ref('crash'), parts(log));
    expect(photo).toMatchObject({ detections: [{ label: 'cat' }], detectMs: 7 });
    expect(log).toEqual(['open crash', 'detect crash', 'open crash', 'detect crash']);
  });

  it('is an item error when the worker ends twice', async () => {
    await expect(examinePhoto(ref('always-crash'), parts())).rejects.toMatchObject({
      code: 'DETECTION_FAILED',
      exit: 1,
    });
  });

  it('is looked at once for queries near each other, and anew when it was long ago', async () => {
    const log: string[] = [];
    const store = photoStore(2, (wanted) => examinePhoto(wanted, parts(log)));
    const images = ['a', 'a', 'b', 'a', 'c', 'b'];
    const fresh: boolean[] = [];
    for (const image of images) {
      const looked = store(ref(image), 'cat');
      fresh.push(looked.fresh);
      await looked.photo;
    }
    expect(fresh).toEqual([true, false, true, false, true, true]);
  });
});

describe('detect', () => {
  const run = { parts: parts(), stream: STREAM, timing: false };

  it('gives one line a photo, in order, errors among them', async () => {
    const items: Listed[] = [
      ref('a'),
      ref('missing'),
      { image: 'link', error: new VgrError('IMAGE_OUTSIDE', 'leads out') },
      ref('crash'),
    ];
    const lines = await linesOf(
      detectPhotos(intakePhotos(stream(items), WHOLE, { listed: 0 }), run),
    );
    expect(lines.map((line) => [line.type, line.image])).toEqual([
      ['detections', 'a'],
      ['error', 'missing'],
      ['error', 'link'],
      ['detections', 'crash'],
    ]);
    expect(lines[0]).toEqual({
      type: 'detections',
      schema: 1,
      image: 'a',
      width: 100,
      height: 50,
      detections: [{ bbox_2d: [1, 2, 3, 4], score: 0.5, label: 'cat', category_id: 17 }],
    });
  });

  it('ends when the device is gone, after the lines before it', async () => {
    const lines: OutputLine[] = [];
    const all = (async () => {
      const photos = intakePhotos(stream([ref('a'), ref('gone'), ref('b')]), WHOLE, { listed: 0 });
      for await (const { json } of detectPhotos(photos, run)) {
        lines.push(JSON.parse(json));
      }
    })();
    await expect(all).rejects.toMatchObject({ code: 'DEVICE_UNAVAILABLE' });
    expect(lines).toHaveLength(1);
  });
});

const line = (number: number, value: unknown): LineItem => ({
  number,
  text: JSON.stringify(value),
});

describe('refine', () => {
  function runOf(lines: readonly LineItem[], log: string[] = [], toolName?: string) {
    const examine = parts(log);
    const requests: RefineRequest[] = [];
    const refiner: Refiner = {
      name: 'test',
      refine: async (request) => {
        requests.push(request);
        const boxXyxy = request.tool?.boxXyxy ?? null;
        return {
          think: { boxXyxy, score: 0.5, text: 'thought' },
          answer: { boxXyxy, score: 0.5, decision: 'confirm', text: 'stands' },
        };
      },
    };
    const settings = { detectors: [{ name: 'testdet' }], toolName, timing: false };
    const photos = {
      locate: async (image: string) => ref(image),
      shelf: photoStore(4, (wanted) => examinePhoto(wanted, examine)),
    };
    const ask: AskRefiner = (queries, seen) => answerQueries({ queries, seen, settings }, refiner);
    const answer = answering(ask, photos, examine.progress);
    const results = linesOf(answerBlocks(blocksOf(lines), { answer }, STREAM));
    return { results, requests };
  }

  it('answers every line in order; bad lines, double ids and broken photos are errors', async () => {
    const log: string[] = [];
    const { results } = runOf(
      [
        line(1, { id: 'a', image: 'x', query: 'cat', kind: 'human' }),
        { number: 2, text: '{' },
        line(3, { id: 'a', image: 'x', query: 'cat' }),
        line(4, { image: 'missing', query: 'cat' }),
        line(5, { image: 'x', query: 'cat' }),
      ],
      log,
    );
    const lines = await results;
    expect(
      lines.map((each) => [each.type, 'id' in each && each.id, 'code' in each && each.code]),
    ).toEqual([
      ['result', 'a', false],
      ['error', '2', 'QUERY_INVALID'],
      ['error', 'a', 'ID_DUPLICATE'],
      ['error', '4', 'IMAGE_MISSING'],
      ['result', '5', false],
    ]);
    expect(lines[0]).toEqual({
      type: 'result',
      schema: 1,
      id: 'a',
      image: 'x',
      width: 100,
      height: 50,
      query: 'cat',
      tool: { name: 'testdet', bbox_2d: [1, 2, 3, 4], score: 0.5, label: 'cat' },
      think: { bbox_2d: [1, 2, 3, 4], score: 0.5, text: 'thought' },
      answer: {
        bbox_2d: [1, 2, 3, 4],
        score: 0.5,
        decision: 'confirm',
        text: 'stands',
        label: 'cat',
      },
      candidates: 1,
      extra: { kind: 'human' },
    });
    expect(log.filter((entry) => entry === 'open x')).toHaveLength(1);
  });

  it('puts the tools of a line before the detector, and takes the one that is named', async () => {
    const tools = { qwen: [{ bbox_2d: [5, 5, 9, 9] }], dino: [] };
    const lines = [line(1, { image: 'x', query: 'cat', tools })];
    const first = runOf(lines);
    expect((await first.results)[0]).toMatchObject({ tool: { name: 'qwen' }, candidates: 2 });
    expect((await runOf(lines, [], 'dino').results)[0]).toMatchObject({
      tool: { name: 'dino', bbox_2d: null },
    });
    expect((await runOf(lines, [], 'testdet').results)[0]).toMatchObject({
      tool: { name: 'testdet', bbox_2d: [1, 2, 3, 4] },
    });
    // A tool that the line has no boxes of gave no answer.
    expect((await runOf(lines, [], 'other').results)[0]).toMatchObject({
      type: 'result',
      tool: { name: 'other', bbox_2d: null },
    });
  });

  it('measures a line without an image by its size, else by its boxes', async () => {
    const tools = { qwen: [{ bbox_2d: [5, 5, 90, 40] }] };
    const { results, requests } = runOf([
      line(1, { query: 'cat', tools, width: 200, height: 100 }),
      line(2, { query: 'cat', tools }),
    ]);
    await results;
    expect(requests.map(({ imageSize }) => imageSize)).toEqual([
      { width: 200, height: 100 },
      { width: 90, height: 40 },
    ]);
    expect(requests[0]!.evidence).toBeUndefined();
  });
});

describe('a journal', () => {
  it('tells which queries are done, with results or errors, and which are not', async () => {
    const done = new DoneItems();
    const lines: OutputLine[] = [
      { type: 'error', schema: 1, id: 'a', line: 3, code: 'ID_DUPLICATE', message: '' },
      { type: 'error', schema: 1, id: '2', line: 2, code: 'QUERY_INVALID', message: '' },
    ];
    for (const each of lines) done.add(each);
    const read = [
      line(1, { id: 'a', image: 'x', query: 'cat' }),
      { number: 2, text: '{' },
      line(3, { id: 'a', image: 'x', query: 'cat' }),
      line(4, { id: 'b', image: 'x', query: 'cat' }),
    ];
    const left = (await collect(blocksOf(read, (item) => done.hasQuery(item)))).flat();
    expect(left.map((item) => 'query' in item && item.query.line)).toEqual([1, 4]);
    expect(new DoneItems(true).count).toBe(0);
    expect(done.count).toBe(2);
  });

  it('knows a broken line that states the id of another one by its number alone', async () => {
    const read = [
      line(1, { id: 'a', image: 'x', query: 'cat' }),
      line(2, { id: 'a', image: 'x' }),
      line(3, { id: 'c', image: 'x' }),
    ];
    const items = (await collect(blocksOf(read))).flat();
    const done = new DoneItems();
    for (const item of items.slice(1)) {
      if ('error' in item) done.add(errorLine(item, item.error));
    }
    expect(items.map((item) => done.hasQuery(item))).toEqual([false, true, true]);
    expect(items.slice(1)).toMatchObject([{ line: 2 }, { line: 3, id: 'c' }]);
    expect(items[1]).not.toHaveProperty('id');
    expect(done.tally).toEqual({ items: 2, errors: 2, replacements: 0, placed: 0 });
  });
});
