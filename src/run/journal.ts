import { writeFileAtomic } from '../core/files.js';
import { readLineBlocks } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import type { ReadQuery } from '../formats/query-line.js';
import {
  type DetectionsLine,
  type ErrorLine,
  type OutputLine,
  parseOutputLine,
  unplacedText,
} from '../formats/result-line.js';
import type { IntakeItem } from './intake.js';

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

/** The name of the item: the image, or the id where it is the line's own. */
function nameKeysOf(line: JournalRecord): string[] {
  if (isOfPhoto(line)) return [`image ${line.image}`];
  return line.type === 'result' || hasOwnId(line) ? [`id ${line.id}`] : [];
}

/** Where the item stands in the input. Results show it only in a shard's journal and during a retry. */
function placeKeysOf(line: JournalRecord): string[] {
  if (isOfPhoto(line)) return [];
  const place = line.place ?? (line.type === 'error' ? line.line : undefined);
  return place === undefined ? [] : [`place ${place}`];
}

/** The names by which lines of one item find each other. */
function keysOf(line: JournalRecord): string[] {
  return [...nameKeysOf(line), ...placeKeysOf(line)];
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
  readonly #done = new NameTable();
  readonly #known = new KnownItems();
  readonly #tally: JournalTally = { items: 0, errors: 0, replacements: 0, placed: 0 };
  /** Do items that became errors once more. */
  readonly retryFailed: boolean;
  #count = 0;

  constructor(retryFailed = false) {
    this.retryFailed = retryFailed;
  }

  /** Takes a line that earlier runs left. */
  add(line: JournalRecord): void {
    this.#record(line, this.#known.take(line));
    if (line.type === 'error' && this.retryFailed) return;
    this.#count += 1;
    for (const key of doneKeysOf(line)) this.#done.add(key);
  }

  /** Counts a line of this run. Only of lines that are done again something is kept. */
  wrote(line: JournalRecord): void {
    this.#record(line, this.retryFailed ? this.#known.replacedBy(line) : undefined);
  }

  /** Items that earlier runs have done. */
  get count(): number {
    return this.#count;
  }

  get tally(): Readonly<JournalTally> {
    return this.#tally;
  }

  hasQuery(item: Pick<ReadQuery, 'query'> | Exclude<IntakeItem, ReadQuery>): boolean {
    if (this.#count === 0) return false;
    if ('error' in item) return this.#done.has(`line ${item.line}`);
    const { id, line } = item.query;
    // A failed line may have been given the id of a later line, whose result is not its own.
    return this.#done.has(`id ${id}`) && !(this.retryFailed && this.#known.hasFailed(line, id));
  }

  hasPhoto({ image }: { readonly image: string }): boolean {
    return this.#count > 0 && this.#done.has(`image ${image}`);
  }

  #record(line: JournalRecord, replaced: Replaced | undefined): void {
    if (replaced) this.#tally.replacements += 1;
    else this.#tally.items += 1;
    if (line.place !== undefined) this.#tally.placed += 1;
    this.#tally.errors += Number(line.type === 'error') - Number(replaced === 'error');
  }
}

/** What stands where a line of a retry will stand. */
type Replaced = 'error' | 'result';

/** The items that the lines up to here are of. */
class KnownItems {
  readonly #finished = new NameTable();
  readonly #failed = new NameTable();
  /** Names of finished items that another line has taken. */
  readonly #taken = new NameTable();

  /** Whether the line of the input with that number has failed under another id. */
  hasFailed(line: number, id: string): boolean {
    return this.#failed.has(`place ${line}`) && !this.#failed.has(`id ${id}`);
  }

  /**
   * What the line comes in the place of; undefined where its item is new. Where a line was given an id that is a later
   * line's, that one's result makes room for the error of a double id.
   */
  replacedBy(line: JournalRecord): Replaced | undefined {
    const keys = keysOf(line);
    const double = doubleKeyOf(line);
    for (const key of nameKeysOf(line)) if (this.#finished.has(key)) this.#taken.add(key);
    if (keys.some((key) => this.#failed.has(key))) return 'error';
    if (keys.some((key) => this.#finished.has(key))) return 'result';
    return double !== undefined && this.#taken.has(double) ? 'result' : undefined;
  }

  /** The same, and its item is known from here on. */
  take(line: JournalRecord): Replaced | undefined {
    const replaced = this.replacedBy(line);
    const known = line.type === 'error' ? this.#failed : this.#finished;
    for (const key of keysOf(line)) known.add(key);
    return replaced;
  }
}

/** The name of the item whose id the line has taken a second time. */
function doubleKeyOf(line: JournalRecord): string | undefined {
  return line.type === 'error' && line.code === 'ID_DUPLICATE' ? `id ${line.id}` : undefined;
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
 * The journal of a run that did failed items once more: each later line in the place of the line that it replaces, all
 * else as it was. Failed items are done again in their order, so the replacements come in the order of the errors; one
 * that finds its place taken, since the input was changed in between, comes last and is not lost.
 * @param read opens the journal from its start; it is read once, and then twice side by side
 */
export async function* withReplacements(
  read: () => AsyncIterable<JournalLine>,
): AsyncGenerator<string> {
  const doneAgain = new NameTable();
  for await (const { line } of split(read(), 'later')) {
    for (const key of keysOf(line)) doneAgain.add(key);
  }
  const replacements = split(read(), 'later')[Symbol.asyncIterator]();
  let next = await replacements.next();
  try {
    for await (const { line, text } of split(read(), 'first')) {
      if (!keysOf(line).some((key) => doneAgain.has(key))) yield text;
      else if (!next.done && takesPlaceOf(next.value.line, line)) {
        yield next.value.text;
        next = await replacements.next();
      }
    }
    for (; !next.done; next = await replacements.next()) yield next.value.text;
  } finally {
    await replacements.return?.(undefined);
  }
}

function takesPlaceOf(later: JournalRecord, first: JournalRecord): boolean {
  const keys = keysOf(first);
  if (first.type === 'error') return keysOf(later).some((key) => keys.includes(key));
  const double = doubleKeyOf(later);
  return double !== undefined && keys.includes(double);
}

/** Lines of items that no earlier line is of, or those that replace one. */
async function* split(
  lines: AsyncIterable<JournalLine>,
  part: 'first' | 'later',
): AsyncGenerator<JournalLine> {
  const known = new KnownItems();
  for await (const entry of lines) {
    const isLater = known.take(entry.line) !== undefined;
    if (isLater === (part === 'later')) yield entry;
  }
}

/** A result echoes its query line, in which every byte may become an escape of six. */
export const MAX_JOURNAL_LINE_BYTES = 128 * 1024 * 1024;

/** What a run left in its journal. @throws VgrError INPUT_INVALID */
export async function readDone(file: string, retryFailed: boolean): Promise<DoneItems> {
  const done = new DoneItems(retryFailed);
  for await (const { line } of readJournal(file)) done.add(line);
  return done;
}

/** Whether lines are not yet where, or not yet as, an undisturbed run would have written them. */
export function isUnsettled({ replacements, placed }: JournalTally, sharded: boolean): boolean {
  return replacements > 0 || (placed > 0 && !sharded);
}

/** Puts retried lines in their places, and takes the places off them where the journal is no shard's. */
export async function settleJournal(file: string, sharded: boolean): Promise<void> {
  const lines = withReplacements(() => readJournal(file));
  await writeFileAtomic(file, sharded ? lines : withoutPlaces(lines));
}

async function* withoutPlaces(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of lines) yield unplacedText(text)?.text ?? text;
}

/** @throws VgrError INPUT_INVALID for a line that no run writes */
export async function* readJournal(
  path: string,
  isWanted: (text: string) => boolean = () => true,
): AsyncGenerator<JournalLine> {
  for await (const block of readLineBlocks(path, { maxLineBytes: MAX_JOURNAL_LINE_BYTES })) {
    for (const item of block) {
      if ('error' in item) throw item.error;
      const { text, number } = item;
      if (isWanted(text)) {
        yield { line: parseOutputLine(text, `${path}:${number}`), text: `${text}\n` };
      }
    }
  }
}

/** The lines that name a photo: the others have no place in COCO files, and are not even parsed. */
export async function* linesOfPhotos(path: string): AsyncGenerator<OutputLine> {
  for await (const { line } of readJournal(path, (text) => text.includes('"image":'))) yield line;
}
