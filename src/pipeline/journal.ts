import type { OutputLine } from '../formats/result-line.js';
import type { PhotoItem } from './detect-run.js';
import { IdSet } from './id-set.js';
import type { IntakeItem } from './query-intake.js';

/**
 * The names under which a line is known. A query is known by its id; a line that became an error also by its number, and
 * by that alone where its id is another line's.
 */
function keysOf(line: OutputLine): string[] {
  if (line.type === 'result') return [`id ${line.id}`];
  if (line.type === 'detections' || line.line === undefined) return [`image ${line.image}`];
  const number = `line ${line.line}`;
  return line.code === 'ID_DUPLICATE' ? [number] : [number, `id ${line.id}`];
}

/** What a journal already holds. */
export class DoneItems {
  readonly #keys = new IdSet();
  readonly #retryFailed: boolean;
  #count = 0;

  /** @param retryFailed whether items that became errors shall be done once more */
  constructor(retryFailed = false) {
    this.#retryFailed = retryFailed;
  }

  add(line: OutputLine): void {
    if (line.type === 'error' && this.#retryFailed) return;
    this.#count += 1;
    for (const key of keysOf(line)) this.#keys.add(key);
  }

  /** Items that are not done again. */
  get count(): number {
    return this.#count;
  }

  hasQuery(item: IntakeItem): boolean {
    if (this.#count === 0) return false;
    return this.#keys.has('fault' in item ? `line ${item.line}` : `id ${item.query.id}`);
  }

  hasPhoto({ image }: PhotoItem): boolean {
    return this.#count > 0 && this.#keys.has(`image ${image}`);
  }
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

/** A line of a journal with its text as it stands there. */
export interface JournalLine {
  readonly line: OutputLine;
  readonly text: string;
}

/**
 * The journal of a run that did failed items once more: each later line in the place of the error that it replaces, all
 * else as it was. Failed items are done again in their order, so the replacements come in the order of the errors.
 * @param read opens the journal from its start; it is read twice side by side
 */
export async function* withReplacements(
  read: () => AsyncIterable<JournalLine>,
): AsyncGenerator<string> {
  const replacements = laterLines(read())[Symbol.asyncIterator]();
  let next = await replacements.next();
  try {
    for await (const { line, text } of firstLines(read())) {
      const replaced =
        line.type === 'error' &&
        !next.done &&
        keysOf(line).some((key) => keysOf(next.value.line).includes(key));
      yield replaced ? next.value.text : text;
      if (replaced) next = await replacements.next();
    }
  } finally {
    await replacements.return?.(undefined);
  }
}

/** Lines of items that no earlier line is of. */
function firstLines(lines: AsyncIterable<JournalLine>): AsyncGenerator<JournalLine> {
  return split(lines, false);
}

/** Lines of items that an earlier line is of already. */
function laterLines(lines: AsyncIterable<JournalLine>): AsyncGenerator<JournalLine> {
  return split(lines, true);
}

async function* split(
  lines: AsyncIterable<JournalLine>,
  later: boolean,
): AsyncGenerator<JournalLine> {
  const keys = new IdSet();
  for await (const entry of lines) {
    const fresh = keysOf(entry.line).filter((key) => keys.add(key)).length;
    const isLater = fresh < keysOf(entry.line).length;
    if (isLater === later) yield entry;
  }
}

/** What a whole journal says. */
export interface JournalTally {
  items: number;
  errors: number;
  /** Lines that replace an earlier error. */
  replacements: number;
}

export async function tallyJournal(lines: AsyncIterable<JournalLine>): Promise<JournalTally> {
  const keys = new IdSet();
  const tally: JournalTally = { items: 0, errors: 0, replacements: 0 };
  for await (const { line } of lines) {
    const all = keysOf(line);
    const replaces = all.filter((key) => keys.add(key)).length < all.length;
    if (replaces) tally.replacements += 1;
    else tally.items += 1;
    // Only an error is ever replaced.
    tally.errors += Number(line.type === 'error') - Number(replaces);
  }
  return tally;
}
