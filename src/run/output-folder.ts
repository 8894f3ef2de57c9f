import { type FileHandle, open } from 'node:fs/promises';
import path, { join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { lockOutput, type OutputLock } from '../core/file-lock.js';
import {
  fileExists,
  makeFolder,
  outputError,
  readTextIfThere,
  removePartialFiles,
  writeFileAtomic,
  writeFileAtomicNow,
} from '../core/files.js';
import {
  type CategoryIds,
  cocoDataset,
  cocoPredictions,
  type ImageNumbering,
} from '../formats/coco.js';
import { type OutputLine, placedText, serialiseLine } from '../formats/result-line.js';
import {
  type RunSettings,
  type RunSummary,
  settingsDifference,
  settingsOfRun,
} from '../formats/run-summary.js';
import type { PlacedLine } from '../runtime/ports.js';
import {
  type DoneItems,
  isUnsettled,
  type JournalTally,
  linesOfPhotos,
  readDone,
  readJournal,
  settleJournal,
} from './journal.js';

const COCO_FILES = ['predictions.json', 'annotations.json'] as const;

export interface OutputFolderOptions {
  /** Whether lines carry the place of their item in the whole input, for `vgr merge`. */
  readonly sharded: boolean;
  /** Do items that became errors once more. */
  readonly retryFailed: boolean;
}

/**
 * The folder of `--output`. `results.jsonl` is the journal: lines are appended as they come, and a rerun goes on behind
 * the last whole one. The COCO files are made from it at the end and renamed into place.
 */
export class OutputFolder {
  readonly path: string;
  readonly #lock: OutputLock;
  readonly #journal: AppendFile;
  readonly #sharded: boolean;
  /** run.json as an earlier run left it. */
  readonly #before: unknown;
  /** What earlier runs left in the journal. */
  readonly done: DoneItems;
  /** Counts of the journal once its lines are in their places. */
  #settled: Readonly<JournalTally> | undefined;

  private constructor(
    path: string,
    parts: {
      readonly lock: OutputLock;
      readonly journal: AppendFile;
      readonly done: DoneItems;
      readonly before: unknown;
    },
    sharded: boolean,
  ) {
    this.path = path;
    this.#lock = parts.lock;
    this.#journal = parts.journal;
    this.done = parts.done;
    this.#before = parts.before;
    this.#sharded = sharded;
  }

  /**
   * @throws VgrError OUTPUT_BUSY where another run works there, OUTPUT_MISMATCH where an earlier one had other settings,
   *   OUTPUT_UNWRITABLE, DISK_FULL
   */
  static async open(
    path: string,
    settings: RunSettings,
    { retryFailed, sharded }: OutputFolderOptions,
  ): Promise<OutputFolder> {
    const lock = await lockOutput(path);
    let journal: AppendFile | undefined;
    try {
      const before = await summaryOf(path);
      refuseOtherSettings(path, before, settings);
      await removePartialFiles(path);
      const file = join(path, 'results.jsonl');
      journal = await openAppendFile(file);
      let done = await readDone(file, retryFailed);
      if (isUnsettled(done.tally, sharded)) {
        // A run that retried and was killed has left it so: its lines go to their places first.
        await journal.close();
        await settleJournal(file, sharded);
        journal = await openAppendFile(file);
        done = await readDone(file, retryFailed);
      }
      return new OutputFolder(path, { lock, journal, done, before }, sharded);
    } catch (thrown) {
      await journal?.close().catch(() => undefined);
      await lock.release();
      throw thrown;
    }
  }

  /** What earlier runs left in the journal, in its order. */
  async *lines(): AsyncGenerator<OutputLine> {
    for await (const { line } of readJournal(this.#file)) yield line;
  }

  /** Appends one line. Gives a promise where its caller must wait until there is room for the next one. */
  append({ line, place, json }: PlacedLine): Promise<void> | undefined {
    // A line that is done again may be found by its place alone, until it stands there.
    const placed = this.#sharded || this.done.retryFailed;
    this.done.wrote(placed ? { ...line, place } : line);
    if (placed) return this.#journal.append(placedText(line, place));
    return this.#journal.append(json === undefined ? serialiseLine(line) : `${json}\n`);
  }

  /** Everything appended so far is on the disk when this resolves. */
  flush(): Promise<void> {
    return this.#journal.flush();
  }

  /** Time that writing the journal took, milliseconds. */
  get busyMs(): number {
    return this.#journal.busyMs;
  }

  /** Puts other lines in the place of the whole journal. */
  async replaceJournal(lines: AsyncIterable<string>): Promise<void> {
    await writeFileAtomic(this.#file, lines);
  }

  async writeSummary(summary: RunSummary): Promise<void> {
    await writeFileAtomic(join(this.path, 'run.json'), [summaryText(summary)]);
  }

  /** Whether an earlier run came to its end here, and this one has nothing to add to any file. */
  isFinished(images: ImageNumbering): boolean {
    const { complete, image_ids } = (this.#before ?? {}) as Partial<RunSummary>;
    return (
      complete === true &&
      // A file of ids may have changed since.
      images.file === null &&
      image_ids === null &&
      this.tally.items === this.done.count &&
      COCO_FILES.every((name) => fileExists(join(this.path, name)))
    );
  }

  /** Counts of the whole journal. */
  get tally(): Readonly<JournalTally> {
    return this.#settled ?? this.done.tally;
  }

  /** Puts retried lines in their places and makes predictions.json and annotations.json from the whole journal. */
  async finish(images: ImageNumbering, categories: CategoryIds): Promise<void> {
    if (isUnsettled(this.tally, this.#sharded)) {
      await settleJournal(this.#file, this.#sharded);
      this.#settled = (await readDone(this.#file, false)).tally;
    }
    const read = (): AsyncIterable<OutputLine> => linesOfPhotos(this.#file);
    await writeFileAtomic(
      join(this.path, COCO_FILES[0]),
      cocoPredictions(read, images, categories),
    );
    await writeFileAtomic(join(this.path, COCO_FILES[1]), cocoDataset(read, images, categories));
  }

  /**
   * Leaves the folder to the next run without waiting for anything, for a process that ends at once: lines that were not
   * written yet are done again.
   */
  abandon(summary: RunSummary): void {
    writeFileAtomicNow(join(this.path, 'run.json'), summaryText(summary));
    this.#lock.releaseNow();
  }

  async close(): Promise<void> {
    try {
      await this.#journal.close();
    } finally {
      await this.#lock.release();
    }
  }

  get #file(): string {
    return join(this.path, 'results.jsonl');
  }
}

/** The folder itself where nothing was written there yet, else the first of `out-2`, `out-3`, ... that is free. */
export function unusedFolder(path: string): string {
  const isFree = (folder: string): boolean => !fileExists(join(folder, 'results.jsonl'));
  if (isFree(path)) return path;
  const bare = path.replace(/\/+$/, '');
  for (let number = 2; ; number++) {
    const beside = `${bare}-${number}`;
    if (isFree(beside)) return beside;
  }
}

/** What run.json holds; null where there is none, or no JSON. */
async function summaryOf(folder: string): Promise<unknown> {
  return parseOrNull((await readTextIfThere(join(folder, 'run.json'))) ?? 'null');
}

function refuseOtherSettings(folder: string, before: unknown, settings: RunSettings): void {
  const earlier = settingsOfRun(before);
  if (earlier === undefined) return;
  const difference = settingsDifference(earlier, settings);
  if (difference.length === 0) return;
  throw new VgrError(
    'OUTPUT_MISMATCH',
    `${quoted(folder)} holds a run with other settings: ${difference.join('; ')}`,
    {
      hint: 'give the old settings to continue it; `--no-resume` starts anew beside it, in a folder of its own',
    },
  );
}

function summaryText(summary: RunSummary): string {
  return `${JSON.stringify(summary, null, 2)}\n`;
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Bytes waiting to be written above which {@link AppendFile.append} makes its caller wait. */
const HIGH_WATER_BYTES = 1024 * 1024;
const TAIL_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/**
 * Opens a file of lines to append to, and makes it where it is not there. A last line without its end, left by a run that
 * was cut off, is removed; only the tail of the file is read for it.
 * @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE
 */
export async function openAppendFile(file: string): Promise<AppendFile> {
  try {
    await makeFolder(path.dirname(file));
    const handle = await open(file, 'a+');
    try {
      const { size } = await handle.stat();
      const keptBytes = await endOfLastLine(handle, size);
      if (keptBytes < size) await handle.truncate(keptBytes);
      return new AppendFile(file, handle, { keptBytes, cutBytes: size - keptBytes });
    } catch (thrown) {
      await handle.close();
      throw thrown;
    }
  } catch (thrown) {
    throw outputError(file, thrown);
  }
}

/**
 * Appends lines in the order of the calls. What comes while a write is under way goes out with the next one, so many small
 * lines cost few writes and none waits for a timer. After a failure nothing more is written: every later call fails alike.
 */
export class AppendFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  /** Bytes of whole lines that were there on opening. */
  readonly keptBytes: number;
  /** Bytes of a torn last line that were removed on opening. */
  readonly cutBytes: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #closed = false;
  #busyMs = 0;

  constructor(
    file: string,
    handle: FileHandle,
    { keptBytes, cutBytes }: { readonly keptBytes: number; readonly cutBytes: number },
  ) {
    this.#path = file;
    this.#handle = handle;
    this.keptBytes = keptBytes;
    this.cutBytes = cutBytes;
  }

  /** Time that writes took, milliseconds. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /**
   * Takes whole lines, each with its line feed. Resolves when there is room for more, not when they are written.
   * @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE of this or an earlier write
   */
  async append(lines: string): Promise<void> {
    if (this.#closed) throw new Error('append after close');
    this.#throwFailure();
    const bytes = Buffer.from(lines, 'utf8');
    if (bytes.at(-1) !== LINE_FEED)
      throw new Error('expected whole lines that end with a line feed');
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
    if (this.#waitingBytes > HIGH_WATER_BYTES) {
      await this.#writing;
      this.#throwFailure();
    }
  }

  /** When it resolves, everything appended so far is on the disk. @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async flush(): Promise<void> {
    await this.#writing;
    this.#throwFailure();
    try {
      await this.#handle.datasync();
    } catch (thrown) {
      throw outputError(this.#path, thrown);
    }
  }

  /** Flushes and closes. May be called again. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.flush();
    } finally {
      await this.#handle.close();
    }
  }

  /** Never rejects: the failure is kept for the callers. */
  async #writeAll(): Promise<void> {
    try {
      // Lines that are appended within the same turn of the event loop go out together.
      await new Promise((resolve) => setImmediate(resolve));
      while (this.#waiting.length > 0) {
        const batch = Buffer.concat(this.#waiting);
        this.#waiting = [];
        this.#waitingBytes = 0;
        const start = performance.now();
        await this.#handle.appendFile(batch);
        this.#busyMs += performance.now() - start;
      }
    } catch (thrown) {
      this.#failure = thrown;
      this.#waiting = [];
      this.#waitingBytes = 0;
      await this.#cutTornLine().catch(() => undefined);
    } finally {
      this.#writing = undefined;
    }
  }

  /** A full disk takes part of a batch: whole lines of it stay, and what is left behind must not look like one. */
  async #cutTornLine(): Promise<void> {
    const { size } = await this.#handle.stat();
    await this.#handle.truncate(await endOfLastLine(this.#handle, size));
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw outputError(this.#path, this.#failure);
  }
}

/** Offset behind the last line feed, 0 where there is none. Reads backwards from the end. */
async function endOfLastLine(handle: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(TAIL_BYTES);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - TAIL_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, end - start, start);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(LINE_FEED);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}
