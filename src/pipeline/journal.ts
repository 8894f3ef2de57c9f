import type { OutputLine } from '../formats/result-line.js';
import type { PhotoItem } from './detect-run.js';
import { IdSet } from './id-set.js';
import type { IntakeItem } from './query-intake.js';

/**
 * What a journal already holds. A query is known by its id; a line that became an error is known by its number, since its
 * id may be another line's.
 */
export class DoneItems {
  readonly #keys = new IdSet();
  #count = 0;
  #failed = 0;

  add(line: OutputLine): void {
    this.#count += 1;
    if (line.type === 'error') this.#failed += 1;
    this.#keys.add(keyOfLine(line));
  }

  /** Items done, errors among them. */
  get count(): number {
    return this.#count;
  }

  /** Items that became errors. */
  get failed(): number {
    return this.#failed;
  }

  hasQuery(item: IntakeItem): boolean {
    if (this.#count === 0) return false;
    if ('fault' in item) return this.#keys.has(`line ${item.line}`);
    return this.#keys.has(`id ${item.query.id}`) || this.#keys.has(`line ${item.query.line}`);
  }

  hasPhoto({ image }: PhotoItem): boolean {
    return this.#count > 0 && this.#keys.has(`image ${image}`);
  }
}

function keyOfLine(line: OutputLine): string {
  if (line.type === 'result') return `id ${line.id}`;
  if (line.type === 'error' && line.line !== undefined) return `line ${line.line}`;
  return `image ${line.image}`;
}

/** The items that are still to be done. */
export async function* withoutDone<Item>(
  items: AsyncIterable<Item>,
  isDone: (item: Item) => boolean,
): AsyncGenerator<Item> {
  for await (const item of items) {
    if (!isDone(item)) yield item;
  }
}
