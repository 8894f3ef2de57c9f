import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { orderedMap, take, untilAborted } from '../../src/core/ordered-map.js';

async function* numbers(upTo: number, onTake?: (value: number) => void): AsyncGenerator<number> {
  for (let value = 0; value < upTo; value++) {
    onTake?.(value);
    yield value;
  }
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('orderedMap', () => {
  it('keeps the order although later items are done first', async () => {
    const options = { concurrency: 4, backpressure: 8, unordered: false };
    const slowFirst = async (value: number): Promise<number> => {
      await pause(value % 4 === 0 ? 6 : 0);
      return value;
    };
    expect(await collect(orderedMap(numbers(20), slowFirst, options))).toEqual(
      Array.from({ length: 20 }, (_, index) => index),
    );
  });

  it('takes no more from the source than the reader lets it', async () => {
    let taken = 0;
    const source = numbers(1000, () => {
      taken += 1;
    });
    const options = { concurrency: 2, backpressure: 4, unordered: false };
    const results = orderedMap(source, async (value) => value, options)[Symbol.asyncIterator]();
    await results.next();
    await pause(10);
    expect(taken).toBeLessThanOrEqual(6);
    await results.return?.();
  });
});

describe('untilAborted', () => {
  it('ends a source that never answers', async () => {
    const controller = new AbortController();
    async function* stalled(): AsyncGenerator<number> {
      yield 1;
      await new Promise(() => undefined);
    }
    setTimeout(() => controller.abort(), 5);
    expect(await collect(untilAborted(stalled(), controller.signal))).toEqual([1]);
  });

  it('holds nothing of the items that went through', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const heldBytes = (): number => {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const items = untilAborted(numbers(100_000), new AbortController().signal);
    await items.next();
    const before = heldBytes();
    for (let taken = 1; taken < 100_000; taken++) await items.next();
    expect(heldBytes() - before).toBeLessThan(4e6);
    await items.return(undefined);
  });
});

it('take ends the source after its items', async () => {
  let taken = 0;
  const source = numbers(100, () => {
    taken += 1;
  });
  expect(await collect(take(source, 3))).toEqual([0, 1, 2]);
  expect(taken).toBe(3);
  expect(await collect(take(numbers(5), 0))).toEqual([]);
});
