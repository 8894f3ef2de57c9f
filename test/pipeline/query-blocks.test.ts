import { describe, expect, it } from 'vitest';
import { VgrError } from '../../src/formats/fault.js';
import { DoneItems } from '../../src/pipeline/journal.js';
import { type AnswerBlock, intakeBlocks, refineBlocks } from '../../src/pipeline/query-blocks.js';
import { QueryIntake, type QueryLineItem } from '../../src/pipeline/query-intake.js';

const STREAM = { concurrency: 3, backpressure: 6, unordered: false };
const tools = { t: [{ bbox_2d: [1, 2, 3, 4] }] };

/** Lines as they come in pieces of any length. */
async function* pieces(
  lines: readonly QueryLineItem[],
  length: number,
): AsyncGenerator<readonly QueryLineItem[]> {
  for (let from = 0; from < lines.length; from += length) yield lines.slice(from, from + length);
}

function numbered(count: number): QueryLineItem[] {
  return Array.from({ length: count }, (_, at) => ({
    number: at + 1,
    text: JSON.stringify({ query: `dog ${at + 1}`, tools }),
  }));
}

interface RunOptions {
  readonly length?: number;
  readonly limit?: number;
  readonly done?: DoneItems;
  readonly answer?: AnswerBlock;
}

async function run(lines: readonly QueryLineItem[], options: RunOptions = {}) {
  const { length = 7, limit = Infinity, done = new DoneItems() } = options;
  const progress = { listed: 0, refined: 0 };
  const blocks: number[] = [];
  const echo: AnswerBlock = async (queries) => {
    blocks.push(queries.length);
    // Later blocks are done first.
    await new Promise((resolve) => setTimeout(resolve, 20 - Math.min(blocks.length * 3, 15)));
    return queries.map(({ query }) => JSON.stringify({ type: 'result', id: query.id }));
  };
  const intake = new QueryIntake({ index: 1, count: 1 }, progress);
  const items = intakeBlocks(pieces(lines, length), {
    intake,
    limit,
    isDone: (item) => done.hasQuery(item),
  });
  const answers = [];
  for await (const line of refineBlocks(items, options.answer ?? echo, progress, STREAM)) {
    answers.push(line);
  }
  return { answers, blocks, progress };
}

describe('queries in blocks', () => {
  it('are answered in the order of the file, whatever the pieces they come in', async () => {
    for (const length of [1, 7, 1000]) {
      const { answers, blocks, progress } = await run(numbered(300), { length });
      expect(answers.map(({ place }) => place)).toEqual(numbered(300).map(({ number }) => number));
      expect(progress).toEqual({ listed: 300, refined: 300 });
      expect(Math.max(...blocks)).toBe(Math.min(length, 128));
    }
  });

  it('keep bad lines and double ids in their places', async () => {
    const lines = numbered(4).with(1, { number: 2, text: '{' });
    const double = { number: 5, text: JSON.stringify({ id: '3', query: 'dog', tools }) };
    const { answers } = await run([...lines, double]);
    expect(answers.map(({ line }) => [line.id, line.type === 'error' && line.code])).toEqual([
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
    expect(answers.map(({ place }) => place)).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(progress.listed).toBe(10);
  });

  it('are asked one by one where a thread ends under them', async () => {
    const asked: string[][] = [];
    const { answers } = await run(numbered(5), {
      length: 5,
      answer: async (queries) => {
        asked.push(queries.map(({ query }) => query.id));
        if (queries.some(({ query }) => query.id === '3')) {
          throw new VgrError('WORKER_CRASHED', 'ended');
        }
        return queries.map(({ query }) => JSON.stringify({ type: 'result', id: query.id }));
      },
    });
    expect(asked).toEqual([['1', '2', '3', '4', '5'], ['1'], ['2'], ['3'], ['4'], ['5']]);
    expect(answers.map(({ line }) => line.type)).toEqual([
      'result',
      'result',
      'error',
      'result',
      'result',
    ]);
    expect(answers[2]!.line).toMatchObject({ id: '3', line: 3, code: 'REFINEMENT_FAILED' });
  });

  it('end with what ends the run', async () => {
    const answer: AnswerBlock = async () => {
      throw new VgrError('DEVICE_UNAVAILABLE', 'no device');
    };
    await expect(run(numbered(5), { answer })).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
    });
  });
});
