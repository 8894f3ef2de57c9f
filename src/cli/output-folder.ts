import { join } from 'node:path';
import {
  type CategoryIds,
  cocoDataset,
  cocoPredictions,
  type ImageNumbering,
} from '../formats/coco-dataset.js';
import { quoted, VgrError } from '../formats/fault.js';
import { type OutputLine, parseOutputLine, serialiseLine } from '../formats/result-line.js';
import {
  type RunSettings,
  type RunSummary,
  settingsDifference,
  settingsOfRun,
} from '../formats/run-summary.js';
import { type AppendFile, openAppendFile } from '../io/append-file.js';
import { writeFileAtomic } from '../io/atomic-file.js';
import { readLines } from '../io/line-reader.js';
import { lockOutput, type OutputLock } from '../io/output-lock.js';
import { readTextIfThere } from '../io/text-file.js';
import { DoneItems } from '../pipeline/journal.js';

/**
 * The folder of `--output`. `results.jsonl` is the journal: lines are appended as they come, and a rerun goes on behind
 * the last whole one. The COCO files are made from it at the end and renamed into place.
 */
export class OutputFolder {
  readonly #folder: string;
  readonly #lock: OutputLock;
  readonly #journal: AppendFile;
  /** What earlier runs left in the journal. */
  readonly done: DoneItems;

  private constructor(folder: string, lock: OutputLock, journal: AppendFile, done: DoneItems) {
    this.#folder = folder;
    this.#lock = lock;
    this.#journal = journal;
    this.done = done;
  }

  /**
   * @throws VgrError OUTPUT_BUSY where another run works there, OUTPUT_MISMATCH where an earlier one had other settings,
   *   OUTPUT_UNWRITABLE, DISK_FULL
   */
  static async open(folder: string, settings: RunSettings): Promise<OutputFolder> {
    const lock = await lockOutput(folder);
    try {
      await refuseOtherSettings(folder, settings);
      const path = join(folder, 'results.jsonl');
      const journal = await openAppendFile(path);
      const done = new DoneItems();
      for await (const line of readJournal(path)) done.add(line);
      return new OutputFolder(folder, lock, journal, done);
    } catch (thrown) {
      await lock.release();
      throw thrown;
    }
  }

  /** Appends one line. Resolves when there is room for the next one. */
  append(line: OutputLine): Promise<void> {
    return this.#journal.append(serialiseLine(line));
  }

  /** Everything appended so far is on the disk when this resolves. */
  flush(): Promise<void> {
    return this.#journal.flush();
  }

  async writeSummary(summary: RunSummary): Promise<void> {
    await this.#write('run.json', [`${JSON.stringify(summary, null, 2)}\n`]);
  }

  /** Makes predictions.json and annotations.json from the whole journal. */
  async writeCoco(images: ImageNumbering, categories: CategoryIds): Promise<void> {
    const read = (): AsyncIterable<OutputLine> => readJournal(join(this.#folder, 'results.jsonl'));
    await this.#write('predictions.json', cocoPredictions(read, images, categories));
    await this.#write('annotations.json', cocoDataset(read, images, categories));
  }

  async close(): Promise<void> {
    try {
      await this.#journal.close();
    } finally {
      await this.#lock.release();
    }
  }

  async #write(name: string, chunks: AsyncIterable<string> | Iterable<string>): Promise<void> {
    await writeFileAtomic(join(this.#folder, name), chunks);
  }
}

async function refuseOtherSettings(folder: string, settings: RunSettings): Promise<void> {
  const text = await readTextIfThere(join(folder, 'run.json'));
  if (text === undefined) return;
  const before = settingsOfRun(parseOrNull(text));
  if (before === undefined) return;
  const difference = settingsDifference(before, settings);
  if (difference.length === 0) return;
  throw new VgrError(
    'OUTPUT_MISMATCH',
    `${quoted(folder)} holds a run with other settings: ${difference.join('; ')}`,
    { hint: 'give the old settings to continue it, or another `--output` folder to start anew' },
  );
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @throws VgrError INPUT_INVALID for a line that no run writes */
async function* readJournal(path: string): AsyncGenerator<OutputLine> {
  for await (const item of readLines(path)) {
    if ('fault' in item) throw item.fault;
    yield parseOutputLine(item.text, `${path}:${item.number}`);
  }
}
