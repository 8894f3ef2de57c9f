import { dirname } from 'node:path';
import { writeFileAtomic } from '../core/files.js';
import { readLineBlocks } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import type { Query } from '../formats/query-line.js';
import {
  type OutputLine,
  parseOutputLine,
  placedText,
  unplacedText,
} from '../formats/result-line.js';
import type { LineHead, RunLine } from '../runtime/ports.js';
import { type AppendFile, openAppendFile } from './append-file.js';

/** A line of a journal. Lines of shards and of retries have the place of their item in the input. */
export type JournalRecord = OutputLine & { readonly place?: number };

/** What identifies the item of a line. */
type RecordHead = LineHead & { readonly place?: number };

/** A line of a journal with its text in the file. */
export interface JournalLine {
  readonly line: JournalRecord;
  readonly text: string;
}

/** A result echoes its query line, of which every byte may become an escape of six bytes. */
export const MAX_JOURNAL_LINE_BYTES = 128 * 1024 * 1024;

export interface JournalOptions {
  /** Whether lines have the place of their item in the whole input, for `vgr merge`. */
  readonly sharded: boolean;
  /** Do failed items again. */
  readonly retryFailed: boolean;
}

/**
 * `results.jsonl` of an output folder: lines are appended as they come, and a rerun continues after the last complete one. The
 * lines of a retry are appended too, and replace those of the errors when the run ends, or when the next one starts.
 */
export class Journal {
  /** Counts after {@link settle}. */
  #settled: JournalTally | undefined;

  private constructor(
    private readonly path: string,
    readonly file: AppendFile,
    private readonly sharded: boolean,
    /** Lines that earlier runs left, and those of this run. */
    readonly done: DoneItems,
  ) {}

  /** @throws VgrError INPUT_INVALID for a line that no run writes, OUTPUT_UNWRITABLE, DISK_FULL */
  static async open(path: string, { sharded, retryFailed }: JournalOptions): Promise<Journal> {
    const file = await openAppendFile(path);
    try {
      const done = await readDone(path, retryFailed);
      if (!isUnsettled(done.tally, sharded)) return new Journal(path, file, sharded, done);
    } catch (thrown) {
      await file.close().catch(() => undefined);
      throw thrown;
    }
    // A killed retry has left its lines at the end.
    await file.close();
    await settle(path, sharded);
    const done = await readDone(path, retryFailed);
    return new Journal(path, await openAppendFile(path), sharded, done);
  }

  /** Appends one line. Resolves when there is room for the next one. @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  append({ index, head, json }: RunLine): Promise<void> {
    // A retried line may be known by its place alone until it is moved there.
    const placed = this.sharded || this.done.retryFailed;
    this.done.wrote(placed ? { ...head, place: index } : head);
    return this.file.append(placed ? placedText(json, index) : `${json}\n`);
  }

  /** All lines, in their order. */
  async *lines(): AsyncGenerator<OutputLine> {
    for await (const { line } of readJournal(this.path)) yield line;
  }

  /** The lines that name a photo, for COCO files; the others are not even parsed. */
  async *linesOfPhotos(): AsyncGenerator<OutputLine> {
    const isWanted = (text: string): boolean => text.includes('"image":');
    for await (const { line } of readJournal(this.path, isWanted)) yield line;
  }

  /** Counts of the whole journal. */
  get tally(): Readonly<JournalTally> {
    return this.#settled ?? this.done.tally;
  }

  /** Puts retried lines in their places. Nothing can be appended afterwards. */
  async settle(): Promise<void> {
    if (!isUnsettled(this.tally, this.sharded)) return;
    await settle(this.path, this.sharded);
    this.#settled = (await readDone(this.path, false)).tally;
  }

  /** Replaces all lines. Nothing can be appended afterwards. */
  async replace(lines: AsyncIterable<string>): Promise<void> {
    await writeLines(this.path, lines);
  }
}

/** What a run left in its journal. @throws VgrError INPUT_INVALID */
async function readDone(file: string, retryFailed: boolean): Promise<DoneItems> {
  const done = new DoneItems(retryFailed);
  for await (const { line } of readJournal(file)) done.add(line);
  return done;
}

/** Whether the file differs from that of a run without retries: in the order of lines, or by their places. */
function isUnsettled({ replacements, placed }: JournalTally, sharded: boolean): boolean {
  return replacements > 0 || (placed > 0 && !sharded);
}

/** Puts retried lines in their places, and removes the places from lines unless the journal is that of a shard. */
async function settle(file: string, sharded: boolean): Promise<void> {
  const lines = withReplacements(() => readJournal(file));
  await writeLines(file, sharded ? lines : withoutPlaces(lines));
}

function writeLines(file: string, lines: AsyncIterable<string>): Promise<void> {
  return writeFileAtomic(file, lines, { within: dirname(file) });
}

async function* withoutPlaces(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of lines) yield unplacedText(text)?.text ?? text;
}

/** The lines of a file that a run wrote. @throws VgrError INPUT_MISSING; INPUT_INVALID for a line that no run writes */
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

/** The item's own name: its image or id; undefined without one, or if the id belongs to another line. */
function nameOf(line: RecordHead): string | undefined {
  if (line.type === 'result') return `id ${line.id}`;
  if (line.type === 'detections' || line.line === undefined) return `image ${line.image}`;
  return line.id === undefined || line.code === 'ID_DUPLICATE' ? undefined : `id ${line.id}`;
}

/** The place of a query in the input. Results have it only in the journal of a shard and during a retry. */
function placeOf(line: RecordHead): string | undefined {
  if (line.type === 'detections') return undefined;
  const place = line.type === 'error' ? line.line : line.place;
  return place === undefined ? undefined : `place ${place}`;
}

/** Keys that the lines of one item have in common. */
function keysOf(line: RecordHead): string[] {
  return [nameOf(line), placeOf(line)].filter((key) => key !== undefined);
}

/** The name of the item whose id the line repeats. */
function doubleOf(line: RecordHead): string | undefined {
  return line.type === 'error' && line.code === 'ID_DUPLICATE' ? `id ${line.id}` : undefined;
}

/** What the lines of a journal add up to. */
export interface JournalTally {
  items: number;
  errors: number;
  /** Lines that replace an earlier error. */
  replacements: number;
  /** Lines that have their place. */
  placed: number;
}

/** The type of the line that a line of a retry replaces. */
type Replaced = 'error' | 'result';

/** What a journal already holds, and what is added to it. */
export class DoneItems {
  readonly tally: JournalTally = { items: 0, errors: 0, replacements: 0, placed: 0 };
  /** Items that earlier runs have done. */
  count = 0;
  readonly #finished = new NameTable();
  readonly #failed = new NameTable();
  /** Names of finished items that another line has as well. */
  readonly #taken = new NameTable();

  /** @param retryFailed do failed items again */
  constructor(readonly retryFailed = false) {}

  /** Adds a line of an earlier run. @returns what it replaces; undefined if its item is new */
  add(line: JournalRecord): Replaced | undefined {
    const replaced = this.#replacedBy(line);
    this.#record(line, replaced);
    const known = line.type === 'error' ? this.#failed : this.#finished;
    for (const key of keysOf(line)) known.add(key);
    if (line.type !== 'error' || !this.retryFailed) this.count += 1;
    return replaced;
  }

  /** Counts a line of this run. */
  wrote(line: RecordHead): void {
    this.#record(line, this.retryFailed ? this.#replacedBy(line) : undefined);
  }

  /** @param item a query, or a line that holds none */
  hasQuery(
    item:
      | { readonly query: Pick<Query, 'id' | 'line'> }
      | { readonly line: number; readonly error: unknown },
  ): boolean {
    // A failed line is known by its number, and by that alone if its id belongs to another line.
    if ('error' in item) return !this.retryFailed && this.#failed.has(`place ${item.line}`);
    const { id, line } = item.query;
    if (!this.#has(`id ${id}`)) return false;
    // A failed line may have got the id of a later line since, whose result is not its own.
    const hasFailed = this.#failed.has(`place ${line}`) && !this.#failed.has(`id ${id}`);
    return !(this.retryFailed && hasFailed);
  }

  hasPhoto({ image }: { readonly image: string }): boolean {
    return this.#has(`image ${image}`);
  }

  #has(name: string): boolean {
    if (this.count === 0) return false;
    return this.#finished.has(name) || (!this.retryFailed && this.#failed.has(name));
  }

  /** If a corrected line has the id of a later line, the error for the duplicate id replaces the result of the later one. */
  #replacedBy(line: RecordHead): Replaced | undefined {
    const keys = keysOf(line);
    const name = nameOf(line);
    if (name !== undefined && this.#finished.has(name)) this.#taken.add(name);
    if (keys.some((key) => this.#failed.has(key))) return 'error';
    if (keys.some((key) => this.#finished.has(key))) return 'result';
    const double = doubleOf(line);
    return double !== undefined && this.#taken.has(double) ? 'result' : undefined;
  }

  #record(line: RecordHead, replaced: Replaced | undefined): void {
    if (replaced) this.tally.replacements += 1;
    else this.tally.items += 1;
    if (line.place !== undefined) this.tally.placed += 1;
    this.tally.errors += Number(line.type === 'error') - Number(replaced === 'error');
  }
}

/**
 * The journal of a retry, with each later line in the place of the line that it replaces. Failed items are done again in their
 * order, so replacements have the order of the errors; one without a place, since the input was changed in between, comes last.
 * @param read opens the journal from its start; it is read once, then twice in parallel
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
  const double = doubleOf(later);
  return double !== undefined && keys.includes(double);
}

/** The first line of each item, or the later ones. */
async function* split(
  lines: AsyncIterable<JournalLine>,
  part: 'first' | 'later',
): AsyncGenerator<JournalLine> {
  const earlier = new DoneItems();
  for await (const entry of lines) {
    const isLater = earlier.add(entry.line) !== undefined;
    if (isLater === (part === 'later')) yield entry;
  }
}
