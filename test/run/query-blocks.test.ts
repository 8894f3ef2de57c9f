import { describe, expect, it } from 'vitest';
import { VgrError } from '../../src/core/error.js';
import type { LineItem } from '../../src/core/line-reader.js';
import type { Query } from '../../src/formats/query-line.js';
import { DoneItems } from '../../src/run/done-items.js';
import { intakeBlocks } from '../../src/run/intake.js';
import { answerBlocks, drawLines } from '../../src/run/refine.js';
import {
  type AskRefiner,
  answering,
  type PhotoSource,
  singlyOnError,
} from '../../src/runtime/answerer.js';
import { photoStore } from '../../src/runtime/photo-store.js';

const STREAM = { concurrency: 3, backpressure: 6, unordered: false };
const tools = { t: [{ bbox_2d: [1, 2, 3, 4] }] };

/** Lines as they come in pieces of any length. */
async function* pieces(
  lines: readonly LineItem[],
  length: number,
): AsyncGenerator<readonly LineItem[]> {
  for (let from = 0; from < lines.length; from += length) yield lines.slice(from, from + length);
}

function numbered(count: number): LineItem[] {
  return Array.from({ length: count }, (_, at) => ({
    number: at + 1,
    text: JSON.stringify({ query: `dog ${at + 1}`, tools }),
  }));
}

/** Lines that name photos, in the order given. */
function onPhotos(images: readonly (string | undefined)[]): LineItem[] {
  return images.map((image, at) => ({
    number: at + 1,
    text: JSON.stringify({ query: 'dog', ...(image === undefined ? { tools } : { image }) }),
  }));
}

const RASTER = { width: 1, height: 1, data: new Uint8Array(3) };
const PHOTO = {
  size: { width: 8, height: 6 },
  raster: RASTER,
  contentXyxy: { x1: 0, y1: 0, x2: 1, y2: 1 },
  bytes: 1,
  sha256: '',
  detections: [],
  decodeMs: 5,
  detectMs: 7,
};

/** A folder of photos, of which `lost.jpg` is missing. */
function folder(): { source: PhotoSource; looked: string[] } {
  const looked: string[] = [];
  const shelf = photoStore(4, async ({ image }) => {
    looked.push(image);
    return PHOTO;
  });
  const locate = async (image: string) => {
    if (image === 'lost.jpg') throw new VgrError('IMAGE_MISSING', 'no such photo');
    return { image, path: `/${image}` };
  };
  return { source: { locate, shelf }, looked };
}

/** Answers that took a millisecond each. */
const answersTo = (queries: readonly Query[]) => ({
  lines: queries.map(({ id }) => ({
    head: { type: 'result' as const, id },
    json: JSON.stringify({ type: 'result', id }),
  })),
  ms: queries.length,
});

interface RunOptions {
  readonly source?: PhotoSource;
  readonly draw?: (line: { readonly id: string }, photo: string) => Promise<void>;
  readonly length?: number;
  readonly limit?: number;
  readonly done?: DoneItems;
  readonly answer?: AskRefiner;
}

const WHOLE = { index: 1, count: 1 };

async function run(lines: readonly LineItem[], options: RunOptions = {}) {
  const { length = 7, limit = Infinity, done = new DoneItems(), draw } = options;
  const progress = { listed: 0, refined: 0, refineMs: 0, otherSizes: 0 };
  const blocks: number[] = [];
  const echo: AskRefiner = async (queries) => {
    blocks.push(queries.length);
    // Later blocks are done first.
    await new Promise((resolve) => setTimeout(resolve, 20 - Math.min(blocks.length * 3, 15)));
    return answersTo(queries);
  };
  const items = intakeBlocks(pieces(lines, length), {
    shard: WHOLE,
    progress,
    limit,
    blockSize: 128,
    isDone: (item) => done.hasQuery(item),
  });
  const ask = singlyOnError(options.answer ?? echo);
  const answered = answerBlocks(
    items,
    { answer: answering(ask, options.source, progress) },
    STREAM,
  );
  const answers = [];
  const drawn = draw ? drawLines(answered, { drawAnswer: draw }, STREAM) : answered;
  for await (const line of drawn) answers.push(line);
  return { answers, blocks, progress };
}

describe('queries in blocks', () => {
  it('are answered in the order of the file, whatever the pieces they come in', async () => {
    for (const length of [1, 7, 1000]) {
      const { answers, blocks, progress } = await run(numbered(300), { length });
      expect(answers.map(({ index }) => index)).toEqual(numbered(300).map(({ number }) => number));
      expect(progress).toEqual({ listed: 300, refined: 300, refineMs: 300, otherSizes: 0 });
      expect(Math.max(...blocks)).toBe(Math.min(length, 128));
    }
  });

  it('keep bad lines and double ids in their places', async () => {
    const lines = numbered(4).with(1, { number: 2, text: '{' });
    const double = { number: 5, text: JSON.stringify({ id: '3', query: 'dog', tools }) };
    const { answers } = await run([...lines, double]);
    expect(
      answers.map(({ head }) => ['id' in head && head.id, head.type === 'error' && head.code]),
    ).toEqual([
      ['1', false],
      ['2', 'QUERY_INVALID'],
      ['3', false],
      ['4', false],
      ['3', 'ID_DUPLICATE'],
    ]);
  });

  it('stop at the limit, and pass by what is done', async () => {
    const done = new DoneItems();
    done.add({ type: 'error', schema: 1, id: '2', line: 2, code: 'QUERY_INVALID', message: '' });
    const { answers, progress } = await run(numbered(50), { limit: 10, done });
    expect(answers.map(({ index }) => index)).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(progress.listed).toBe(11);
  });

  it('are asked one by one where a thread ends under them', async () => {
    const asked: string[][] = [];
    const { answers } = await run(numbered(5), {
      length: 5,
      answer: async (queries) => {
        asked.push(queries.map(({ id }) => id));
        if (queries.some(({ id }) => id === '3')) {
          throw new VgrError('WORKER_CRASHED', 'ended');
        }
        return answersTo(queries);
      },
    });
    expect(asked).toEqual([['1', '2', '3', '4', '5'], ['1'], ['2'], ['3'], ['4'], ['5']]);
    expect(answers.map(({ head }) => head.type)).toEqual([
      'result',
      'result',
      'error',
      'result',
      'result',
    ]);
    expect(answers[2]!.head).toMatchObject({ id: '3', line: 3, code: 'REFINEMENT_FAILED' });
  });

  it('are asked one by one where a thread refuses them together', async () => {
    const { answers } = await run(numbered(3), {
      length: 3,
      answer: async (queries) => {
        if (queries.some(({ id }) => id === '2')) {
          throw new VgrError('DETECTION_FAILED', 'the graph refused it');
        }
        return answersTo(queries);
      },
    });
    expect(answers.map(({ head }) => head.type === 'error' && head.code)).toEqual([
      false,
      'DETECTION_FAILED',
      false,
    ]);
  });

  it('are counted where they state another size than their photo has', async () => {
    const sizes = [
      { width: 8, height: 6 },
      { width: 6, height: 8 },
      { width: 8 },
      {},
      { width: 16, height: 12 },
    ];
    const lines = sizes.map((size, at) => ({
      number: at + 1,
      text: JSON.stringify({ query: 'dog', image: 'a.jpg', ...size }),
    }));
    const { progress } = await run(lines, { source: folder().source });
    expect(progress).toMatchObject({ refined: 5, otherSizes: 2 });
    const alone = { number: 1, text: JSON.stringify({ query: 'dog', tools, width: 1, height: 1 }) };
    expect((await run([alone], { source: folder().source })).progress.otherSizes).toBe(0);
  });

  it('are given as they are drawn, not with the last of their block', async () => {
    const { source } = folder();
    let gates: (() => void)[] = [];
    const answer = answering(async (queries) => answersTo(queries), source, {
      refined: 0,
      refineMs: 0,
      otherSizes: 0,
    });
    const items = intakeBlocks(pieces(onPhotos(['a.jpg', 'a.jpg', 'a.jpg', 'a.jpg']), 4), {
      shard: WHOLE,
      progress: { listed: 0 },
      blockSize: 128,
      isDone: () => false,
    });
    const drawAnswer = () => new Promise<void>((resolve) => gates.push(resolve));
    const drawn = drawLines(
      answerBlocks(items, { answer }, STREAM),
      { drawAnswer },
      { ...STREAM, concurrency: 2, backpressure: 2 },
    );
    const lines = drawn[Symbol.asyncIterator]();
    const first = lines.next();
    while (gates.length < 2) await new Promise((resolve) => setImmediate(resolve));
    gates[0]!();
    expect((await first).value).toMatchObject({ index: 1 });
    const rest: unknown[] = [];
    const reading = (async () => {
      for (;;) {
        const { done, value } = await lines.next();
        if (done) return;
        rest.push(value.index);
      }
    })();
    while (rest.length < 3) {
      for (const open of gates) open();
      gates = [];
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reading;
    expect(rest).toEqual([2, 3, 4]);
  });

  it('end with what ends the run', async () => {
    const answer: AskRefiner = async () => {
      throw new VgrError('DEVICE_UNAVAILABLE', 'no device');
    };
    await expect(run(numbered(5), { answer })).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
    });
  });

  it('hold the queries of one photo, which is looked at once for those near each other', async () => {
    const { source, looked } = folder();
    const images = ['a.jpg', 'a.jpg', 'b.jpg', undefined, undefined, 'a.jpg'];
    const seen: unknown[] = [];
    const { answers, blocks } = await run(onPhotos(images), {
      source,
      length: 6,
      answer: async (queries, photo) => {
        seen.push([queries.map(({ id }) => id).join(' '), photo?.fresh]);
        return answersTo(queries);
      },
    });
    expect(blocks).toEqual([]);
    expect(answers.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(looked).toEqual(['a.jpg', 'b.jpg']);
    expect(seen).toHaveLength(4);
    expect(seen).toEqual(
      expect.arrayContaining([
        ['1 2', true],
        ['3', true],
        ['4 5', undefined],
        ['6', false],
      ]),
    );
  });

  it('tell each query of a photo that cannot be seen', async () => {
    const { source } = folder();
    const { answers } = await run(onPhotos(['lost.jpg', 'lost.jpg', 'a.jpg']), { source });
    expect(
      answers.map(({ head }) => head.type === 'error' && [head.id, head.image, head.code]),
    ).toEqual([['1', 'lost.jpg', 'IMAGE_MISSING'], ['2', 'lost.jpg', 'IMAGE_MISSING'], false]);
  });

  it('tell the time of a photo once, also where a thread ends under them', async () => {
    const { source } = folder();
    const fresh: (boolean | undefined)[] = [];
    await run(onPhotos(['a.jpg', 'a.jpg', 'a.jpg']), {
      source,
      answer: async (queries, seen) => {
        fresh.push(seen?.fresh);
        if (queries.length > 1) throw new VgrError('WORKER_CRASHED', 'ended');
        return answersTo(queries);
      },
    });
    expect(fresh).toEqual([true, true, false, false]);
  });

  it('are drawn behind the blocks; one that cannot be drawn takes no other along', async () => {
    const { source } = folder();
    const drawn: string[] = [];
    const { answers } = await run(onPhotos(['a.jpg', 'a.jpg', undefined]), {
      source,
      draw: async ({ id }, path) => {
        drawn.push(`${id} ${path}`);
        if (id === '1') throw new VgrError('IMAGE_UNREADABLE', 'cut');
      },
    });
    expect(drawn).toEqual(['1 /a.jpg', '2 /a.jpg']);
    expect(answers.map(({ head }) => head.type)).toEqual(['error', 'result', 'result']);
  });
});
