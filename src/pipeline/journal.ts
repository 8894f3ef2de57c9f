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
  const isOwnId = line.id !== undefined && line.code !== 'ID_DUPLICATE';
  return isOwnId ? [number, `id ${line.id}`] : [number];
}

/** What the lines of a journal add up to. */
export interface JournalTally {
  items: number;
  errors: number;
  /** Lines that replace an earlier error. */
  replacements: number;
}

/** What a journal already holds, and what is added to it. */
export class DoneItems {
  readonly #known = new IdSet();
  /** The same set, unless errors are to be done once more. */
  readonly #done: IdSet;
  readonly #tally: JournalTally = { items: 0, errors: 0, replacements: 0 };
  #count = 0;

  /** @param retryFailed whether items that became errors shall be done once more */
  constructor(retryFailed = false) {
    this.#done = retryFailed ? new IdSet() : this.#known;
  }

  /** Takes a line that earlier runs left. */
  add(line: OutputLine): void {
    const keys = keysOf(line);
    this.#record(line, keys.filter((key) => this.#known.add(key)).length < keys.length);
    if (line.type === 'error' && this.#done !== this.#known) return;
    this.#count += 1;
    if (this.#done !== this.#known) for (const key of keys) this.#done.add(key);
  }

  /** Counts a line of this run. Nothing of it is kept, so memory does not grow with the work. */
  wrote(line: OutputLine): void {
    const mayReplace = this.#done !== this.#known && this.#tally.errors > 0;
    this.#record(line, mayReplace && keysOf(line).some((key) => this.#known.has(key)));
  }

  /** Items that are not done again. */
  get count(): number {
    return this.#count;
  }

  get tally(): Readonly<JournalTally> {
    return this.#tally;
  }

  hasQuery(item: IntakeItem): boolean {
    if (this.#count === 0) return false;
    return this.#done.has('fault' in item ? `line ${item.line}` : `id ${item.query.id}`);
  }

  hasPhoto({ image }: PhotoItem): boolean {
    return this.#count > 0 && this.#done.has(`image ${image}`);
  }

  #record(line: OutputLine, replaces: boolean): void {
    if (replaces) this.#tally.replacements += 1;
    else this.#tally.items += 1;
    // Only an error is ever replaced.
    this.#tally.errors += Number(line.type === 'error') - Number(replaces);
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
