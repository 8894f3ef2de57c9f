import type { DetectionsLine, ErrorLine, OutputLine } from '../formats/result-line.js';
import type { PhotoItem } from './detect-run.js';
import { IdSet } from './id-set.js';
import type { IntakeItem, ReadQuery } from './query-intake.js';

/** A line as it stands in a journal. Those of shards, and those that a retry writes, carry the place of their item. */
export type JournalRecord = OutputLine & { readonly place?: number };

/**
 * The names under which the item of a line is known to be done. A query is known by its id; a line that became an error
 * also by its number, and by that alone where its id is another line's.
 */
function doneKeysOf(line: JournalRecord): string[] {
  if (isOfPhoto(line)) return [`image ${line.image}`];
  if (line.type === 'result') return [`id ${line.id}`];
  return hasOwnId(line) ? [`line ${line.line}`, `id ${line.id}`] : [`line ${line.line}`];
}

/**
 * The names by which a later line finds the error that it replaces: the image, or the id. An error whose line shows no id
 * of its own is found by the place of the line.
 */
function placeKeysOf(line: JournalRecord): string[] {
  if (isOfPhoto(line)) return [`image ${line.image}`];
  const isNamed = line.type === 'result' || (hasOwnId(line) && line.id !== String(line.line));
  const place = line.place ?? (isNamed ? undefined : line.line);
  return [
    ...(isNamed ? [`id ${line.id}`] : []),
    ...(place === undefined ? [] : [`place ${place}`]),
  ];
}

/** Lines of `detect`. */
function isOfPhoto(
  line: JournalRecord,
): line is JournalRecord & (DetectionsLine | (ErrorLine & { readonly line?: undefined })) {
  return line.type === 'detections' || (line.type === 'error' && line.line === undefined);
}

function hasOwnId({ id, code }: ErrorLine): boolean {
  return id !== undefined && code !== 'ID_DUPLICATE';
}

/** What the lines of a journal add up to. */
export interface JournalTally {
  items: number;
  errors: number;
  /** Lines that replace an earlier error. */
  replacements: number;
  /** Lines that carry their place. */
  placed: number;
}

/** What a journal already holds, and what is added to it. */
export class DoneItems {
  readonly #done = new IdSet();
  readonly #known = new KnownPlaces();
  readonly #tally: JournalTally = { items: 0, errors: 0, replacements: 0, placed: 0 };
  /** Do items that became errors once more. */
  readonly retryFailed: boolean;
  #count = 0;

  constructor(retryFailed = false) {
    this.retryFailed = retryFailed;
  }

  /** Takes a line that earlier runs left. */
  add(line: JournalRecord): void {
    this.#record(line, this.#known.add(line));
    if (line.type === 'error' && this.retryFailed) return;
    this.#count += 1;
    for (const key of doneKeysOf(line)) this.#done.add(key);
  }

  /** Counts a line of this run. Nothing of it is kept, so memory does not grow with the work. */
  wrote(line: JournalRecord): void {
    this.#record(line, this.retryFailed && this.#known.has(line));
  }

  /** Items that are not done again. */
  get count(): number {
    return this.#count;
  }

  get tally(): Readonly<JournalTally> {
    return this.#tally;
  }

  hasQuery(item: Pick<ReadQuery, 'query'> | Exclude<IntakeItem, ReadQuery>): boolean {
    if (this.#count === 0) return false;
    return this.#done.has('fault' in item ? `line ${item.line}` : `id ${item.query.id}`);
  }

  hasPhoto({ image }: PhotoItem): boolean {
    return this.#count > 0 && this.#done.has(`image ${image}`);
  }

  #record(line: JournalRecord, replaces: boolean): void {
    if (replaces) this.#tally.replacements += 1;
    else this.#tally.items += 1;
    if (line.place !== undefined) this.#tally.placed += 1;
    // Only an error is ever replaced.
    this.#tally.errors += Number(line.type === 'error') - Number(replaces);
  }
}

/** The places that the lines up to here have taken. */
class KnownPlaces {
  readonly #keys = new IdSet();

  has(line: JournalRecord): boolean {
    return placeKeysOf(line).some((key) => this.#keys.has(key));
  }

  /** Whether the place of the line was taken before it. */
  add(line: JournalRecord): boolean {
    const keys = placeKeysOf(line);
    return keys.filter((key) => this.#keys.add(key)).length < keys.length;
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
  readonly line: JournalRecord;
  readonly text: string;
}

/**
 * The journal of a run that did failed items once more: each later line in the place of the error that it replaces, all
 * else as it was. Failed items are done again in their order, so the replacements come in the order of the errors; one
 * that finds no error, since the input was changed in between, comes last and is not lost.
 * @param read opens the journal from its start; it is read twice side by side
 */
export async function* withReplacements(
  read: () => AsyncIterable<JournalLine>,
): AsyncGenerator<string> {
  const replacements = split(read(), 'later')[Symbol.asyncIterator]();
  let next = await replacements.next();
  try {
    for await (const { line, text } of split(read(), 'first')) {
      const replaced = line.type === 'error' && !next.done && isSamePlace(line, next.value.line);
      yield replaced ? next.value.text : text;
      if (replaced) next = await replacements.next();
    }
    for (; !next.done; next = await replacements.next()) yield next.value.text;
  } finally {
    await replacements.return?.(undefined);
  }
}

function isSamePlace(a: JournalRecord, b: JournalRecord): boolean {
  const keys = placeKeysOf(b);
  return placeKeysOf(a).some((key) => keys.includes(key));
}

/** Lines whose place no earlier line has taken, or those whose place one has. */
async function* split(
  lines: AsyncIterable<JournalLine>,
  part: 'first' | 'later',
): AsyncGenerator<JournalLine> {
  const known = new KnownPlaces();
  for await (const entry of lines) {
    const isLater = known.add(entry.line);
    if (isLater === (part === 'later')) yield entry;
  }
}
