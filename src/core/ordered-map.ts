import { pMapIterable } from 'p-map';

export interface OrderedMapOptions {
  /** Items in work at a time. */
  readonly concurrency: number;
  /** Items taken from the source and not yet collected; bounds memory when the reader is slow. */
  readonly backpressure: number;
  /** Give results as they come instead of in input order. */
  readonly unordered: boolean;
}

/**
 * Maps a stream with bounded concurrency and bounded read-ahead, in input order unless told otherwise. An error thrown by
 * `mapper` ends the stream after the results before it.
 */
export function orderedMap<Item, Result>(
  source: AsyncIterable<Item>,
  mapper: (item: Item) => Promise<Result>,
  { concurrency, backpressure, unordered }: OrderedMapOptions,
): AsyncIterable<Result> {
  return pMapIterable(source, mapper, {
    concurrency,
    backpressure,
    preserveOrder: !unordered,
  }) as AsyncIterable<Result>;
}

/** The source up to the moment the signal fires, even when it is stalled. What is in progress downstream is completed. */
export async function* untilAborted<Item>(
  source: AsyncIterable<Item>,
  signal: AbortSignal,
): AsyncGenerator<Item> {
  const iterator = source[Symbol.asyncIterator]();
  // One listener for the whole run: a race against one promise would hold something of every item until the end.
  let leave = (): void => undefined;
  const onAbort = (): void => leave();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    while (!signal.aborted) {
      const next = await new Promise<IteratorResult<Item> | undefined>((resolve, reject) => {
        leave = () => resolve(undefined);
        iterator.next().then(resolve, reject);
      });
      if (!next || next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // A stalled source never answers: it is told to end, but not waited for.
    void iterator.return?.().catch(() => undefined);
  }
}

/** The same items; `note` hears of each. */
export async function* noted<Item>(
  source: AsyncIterable<Item>,
  note: (item: Item) => void,
): AsyncGenerator<Item> {
  for await (const item of source) {
    note(item);
    yield item;
  }
}

/** The first `limit` items; all without one. */
export async function* take<Item>(
  source: AsyncIterable<Item>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<Item> {
  if (limit <= 0) return;
  let count = 0;
  for await (const item of source) {
    yield item;
    count += 1;
    if (count >= limit) return;
  }
}

/** Number of items. */
export async function countOf(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _item of items) count += 1;
  return count;
}
