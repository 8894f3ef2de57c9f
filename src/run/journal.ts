import { dirname } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { writeFileAtomic } from '../core/files.js';
import { readLineBlocks } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import { counted, shellWord } from '../core/text.js';
import {
  isAsMade,
  type OutputLine,
  parseOutputLine,
  placedText,
  unplacedText,
} from '../formats/result-line.js';
import type { RunLine } from '../runtime/ports.js';
import { type AppendFile, openAppendFile } from './append-file.js';
import {
  DoneItems,
  doubleOf,
  type JournalRecord,
  type JournalTally,
  keysOf,
} from './done-items.js';

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
  /** Digest of the settings that decide answers: lines of two settings never stand in one journal. */
  readonly settings: string;
  /** Whether nothing else tells that the file is a journal, so that every line must. */
  readonly isAlone: boolean;
}

/**
 * `results.jsonl` of an output folder: lines are appended as they come, and a rerun continues after the last complete one. The
 * lines of a retry, and of what has changed, are appended too, and replace the earlier ones when the run ends, or when the next one
 * starts.
 */
export class Journal {
  /** Counts after {@link settle}. */
  #settled: JournalTally | undefined;

  private constructor(
    private readonly path: string,
    readonly file: AppendFile,
    private readonly options: JournalOptions,
    /** Lines that earlier runs left, and those of this run. */
    readonly done: DoneItems,
  ) {}

  /**
   * @throws VgrError OUTPUT_MISMATCH where its lines are of other settings, INPUT_INVALID for lines that no run writes,
   *   OUTPUT_UNWRITABLE, DISK_FULL
   */
  static async open(path: string, options: JournalOptions): Promise<Journal> {
    // Opening a file removes an incomplete last line, which must not happen to a file of the user.
    if (options.isAlone) await refuseOtherFile(path, options);
    const file = await openAppendFile(path);
    try {
      const done = await readDone(path, options);
      if (!isUnsettled(done.tally, options)) return new Journal(path, file, options, done);
    } catch (thrown) {
      await file.close().catch(() => undefined);
      throw thrown;
    }
    // A killed run has left lines at the end that replace earlier ones.
    await file.close();
    await settle(path, options);
    const done = await readDone(path, options);
    return new Journal(path, await openAppendFile(path), options, done);
  }

  /** Appends one line. Resolves when there is room for the next one. @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  append({ index, head, json }: RunLine): Promise<void> {
    // A retried line may be known by its place alone until it is moved there.
    const placed = this.options.sharded || this.done.retryFailed || this.done.wasBadLine(index);
    this.done.wrote(placed ? { ...head, place: index } : head);
    return this.file.append(placed ? placedText(json, index) : `${json}\n`);
  }

  /** All lines, in their order. */
  async *lines(): AsyncGenerator<OutputLine> {
    for await (const { line } of readJournal(this.path)) yield line;
  }

  /** The lines that name a photo, for COCO files. */
  async *linesOfPhotos(): AsyncGenerator<JournalRecord> {
    const isWanted = (text: string): boolean => text.includes('"image":');
    for await (const { line } of readJournal(this.path, { isWanted })) yield line;
  }

  /** Counts of the whole journal. */
  get tally(): Readonly<JournalTally> {
    return this.#settled ?? this.done.tally;
  }

  /** Puts retried lines in their places. Nothing can be appended afterwards. */
  async settle(): Promise<void> {
    if (!isUnsettled(this.tally, this.options)) return;
    await settle(this.path, this.options);
    this.#settled = (await readDone(this.path, { ...this.options, retryFailed: false })).tally;
  }

  /** Replaces all lines. Nothing can be appended afterwards. */
  async replace(lines: AsyncIterable<string>): Promise<void> {
    await writeLines(this.path, lines);
  }
}

/** What a run left in its journal. @throws VgrError as {@link Journal.open} */
async function readDone(path: string, options: JournalOptions): Promise<DoneItems> {
  const done = new DoneItems(options.retryFailed);
  let number = 0;
  try {
    for await (const { line } of readJournal(path)) {
      number += 1;
      if (!isOfRun(line, options)) throw otherSettings(path, number);
      done.add(line);
    }
  } catch (thrown) {
    throw (await damageIn(path, thrown)) ?? thrown;
  }
  return done;
}

/** Lines of earlier versions do not tell of which settings they are. */
function isOfRun({ made_of }: JournalRecord, { settings, isAlone }: JournalOptions): boolean {
  return made_of === undefined ? !isAlone : made_of.settings === settings;
}

/** Refuses a file that does not begin as a journal of these settings. @throws VgrError OUTPUT_MISMATCH */
async function refuseOtherFile(path: string, options: JournalOptions): Promise<void> {
  try {
    for await (const { line } of readJournal(path)) {
      if (isOfRun(line, options)) return;
      break;
    }
  } catch (thrown) {
    if ((thrown as Partial<VgrError>).code !== 'INPUT_INVALID') throw thrown;
  }
  throw new VgrError(
    'OUTPUT_MISMATCH',
    `${quoted(path)}: expected the results of a run with these settings, since its \`run.json\` is missing or damaged`,
    {
      hint: 'give the settings of that run; or another `--output`; `--no-resume` writes to a new folder beside it',
    },
  );
}

function otherSettings(path: string, number: number): VgrError {
  return new VgrError(
    'OUTPUT_MISMATCH',
    `${quoted(path)}: line ${number} is of a run with other settings`,
    { hint: '`--no-resume` writes to a new folder beside it' },
  );
}

/**
 * What is wrong with a journal of which a line cannot be read, and how the run goes on: a loss of power leaves holes, garbage at the
 * end, or pages of other files. Undefined where `thrown` is about something else.
 */
async function damageIn(path: string, thrown: unknown): Promise<VgrError | undefined> {
  if (!(thrown instanceof VgrError) || thrown.exit === 3 || thrown.code === 'OUTPUT_MISMATCH') {
    return undefined;
  }
  let [first, last, lines] = [0, 0, 0];
  for await (const block of readLineBlocks(path, { maxLineBytes: MAX_JOURNAL_LINE_BYTES })) {
    for (const item of block) {
      lines = item.number;
      if ('text' in item && isJournalLine(item.text)) continue;
      first ||= lines;
      last = lines;
    }
  }
  const name = shellWord(path);
  const good = shellWord(`${path}.good`);
  const cut =
    last === lines
      ? `\`head -n ${first - 1} ${name} > ${good} && mv ${good} ${name}\` cuts it back to the last good line`
      : `\`sed -i '${first},${last}d' ${name}\` removes them`;
  return new VgrError(
    'INPUT_INVALID',
    `${quoted(path)} is damaged${first === last ? ` in line ${first}` : ` between line ${first} and line ${last}`}, of ${counted(lines, 'line')}: ${thrown.message}`,
    {
      cause: thrown,
      hint: `${cut}, and the same command does again what is missing; \`--no-resume\` starts in a new folder beside it`,
    },
  );
}

function isJournalLine(text: string): boolean {
  try {
    parseJournalLine(text, '');
    return true;
  } catch {
    return false;
  }
}

/** Whether the file differs from that of a run without retries: in the order of lines, or by their places. */
function isUnsettled(
  { replacements, placed }: JournalTally,
  { sharded }: Pick<JournalOptions, 'sharded'>,
): boolean {
  return replacements > 0 || (placed > 0 && !sharded);
}

/** Puts retried lines in their places, and removes the places from lines unless the journal is that of a shard. */
async function settle(file: string, { sharded }: JournalOptions): Promise<void> {
  const lines = withReplacements(() => readJournal(file));
  await writeLines(file, sharded ? lines : withoutPlaces(lines));
}

function writeLines(file: string, lines: AsyncIterable<string>): Promise<void> {
  return writeFileAtomic(file, lines, { within: dirname(file) });
}

async function* withoutPlaces(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of lines) yield unplacedText(text)?.text ?? text;
}

/** A line as {@link Journal.append} wrote it. @throws VgrError INPUT_INVALID */
export function parseJournalLine(text: string, where: string): JournalRecord {
  const line: JournalRecord = parseOutputLine(text, where);
  const { made_of } = line;
  if (made_of === undefined || isAsMade(text, made_of)) return line;
  throw new VgrError(
    'INPUT_INVALID',
    `${where}: expected a line as a run wrote it, got one of other content: ${quoted(text, 80)}`,
    { hint: 'the file is damaged, or was changed after the run' },
  );
}

export interface ReadJournalOptions {
  /** Which lines are read; the others are not even parsed. */
  readonly isWanted?: (text: string) => boolean;
  /** By default refuses a line that was changed since. */
  readonly parse?: (text: string, where: string) => JournalRecord;
}

/**
 * The lines of a file that a run wrote.
 * @throws VgrError INPUT_MISSING; INPUT_INVALID for a line that no run writes
 */
export async function* readJournal(
  path: string,
  { isWanted = () => true, parse = parseJournalLine }: ReadJournalOptions = {},
): AsyncGenerator<JournalLine> {
  for await (const block of readLineBlocks(path, { maxLineBytes: MAX_JOURNAL_LINE_BYTES })) {
    for (const item of block) {
      if ('error' in item) throw item.error;
      const { text, number } = item;
      if (isWanted(text)) {
        yield { line: parse(text, `${path}:${number}`), text: `${text}\n` };
      }
    }
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
  if (keysOf(later).some((key) => keys.includes(key))) return true;
  const double = doubleOf(later);
  return first.type !== 'error' && double !== undefined && keys.includes(double);
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
