import type { EvalQuery } from '../formats/eval-queries.js';
import { quoted, VgrError } from '../formats/fault.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { DoubleColumn } from './column.js';
import type { QueryTruth } from './scored-answer.js';

/** Queries and their ground truth by id, compact enough for a million of them. */
export class QueryTruths {
  readonly #rows = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #queries: string[] = [];
  readonly #images: (string | undefined)[] = [];
  readonly #sizes: (ImageSize | undefined)[] = [];
  readonly #groups: (string | undefined)[] = [];
  readonly #corners = new DoubleColumn();
  /** Of each query the place of its first box; its last one stands before the next query's. */
  readonly #starts = new DoubleColumn();

  get length(): number {
    return this.#ids.length;
  }

  get ids(): readonly string[] {
    return this.#ids;
  }

  /** @throws VgrError INPUT_INVALID for an id that comes twice */
  add({ id, line, query, image, size, group, truthsXyxy }: EvalQuery): void {
    const earlier = this.#rows.get(id);
    if (earlier !== undefined) {
      throw new VgrError(
        'INPUT_INVALID',
        `queries, line ${line}: expected an id that is new in the file, got ${quoted(id)} again`,
        { hint: 'give each line an `id` of its own, or leave `id` out: the line number stands in' },
      );
    }
    this.#rows.set(id, this.#ids.length);
    this.#ids.push(id);
    this.#queries.push(query);
    this.#images.push(image);
    this.#sizes.push(size);
    this.#groups.push(group);
    this.#starts.push(this.#corners.length);
    for (const { x1, y1, x2, y2 } of truthsXyxy) {
      for (const corner of [x1, y1, x2, y2]) this.#corners.push(corner);
    }
  }

  rowOf(id: string): number | undefined {
    return this.#rows.get(id);
  }

  group(row: number): string | undefined {
    return this.#groups[row];
  }

  /** Every box that is meant. */
  truthsXyxy(row: number): BoxXyxy[] {
    const corners = this.#corners.view();
    const starts = this.#starts.view();
    const truths: BoxXyxy[] = [];
    for (let at = starts[row]!; at < (starts[row + 1] ?? corners.length); at += 4) {
      truths.push({
        x1: corners[at]!,
        y1: corners[at + 1]!,
        x2: corners[at + 2]!,
        y2: corners[at + 3]!,
      });
    }
    return truths;
  }

  at(row: number): QueryTruth {
    const image = this.#images[row];
    const size = this.#sizes[row];
    const group = this.#groups[row];
    return {
      id: this.#ids[row]!,
      query: this.#queries[row]!,
      truthsXyxy: this.truthsXyxy(row),
      ...(image !== undefined && { image }),
      ...(size && { size }),
      ...(group !== undefined && { group }),
    };
  }
}
