import { existsSync, realpathSync, statSync } from 'node:fs';
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { LOCK_NAME, lockOutput, type OutputLock } from '../core/file-lock.js';
import {
  type Content,
  isFile,
  readTextIfThere,
  writeFileAtomic,
  writeFileAtomicNow,
} from '../core/files.js';
import { parsedJson } from '../core/text.js';
import {
  type Category,
  CategoryIds,
  type CocoOptions,
  cocoDataset,
  cocoPredictions,
  expectImages,
} from '../formats/coco.js';
import { settingsDigest } from '../formats/result-line.js';
import {
  type RunSettings,
  type RunSummary,
  settingsDifference,
  settingsOfRun,
} from '../formats/run-summary.js';
import { imageNumbering } from './image-numbering.js';
import { Journal, type JournalOptions } from './journal.js';
import { photoComparison } from './photo-comparison.js';

const JOURNAL = 'results.jsonl';
const SUMMARY = 'run.json';
const COCO_FILES = ['predictions.json', 'annotations.json'] as const;
/** By whose names unfinished files are called. */
const OWN_FILES: readonly string[] = [JOURNAL, SUMMARY, ...COCO_FILES, LOCK_NAME];
const UNFINISHED = /\.(?:partial|draft)-[\da-f-]+$/;

export interface FolderOptions extends Pick<JournalOptions, 'sharded' | 'retryFailed'> {
  /** COCO file with the ids of photos; without one they are counted. */
  readonly imageIds?: string;
  /** Whether each box of annotations.json is a polygon, too. */
  readonly polygons?: boolean;
  /** What the detector can find. */
  readonly categories: readonly Category[];
}

/**
 * The folder of `--output`, locked by this process: the journal, run.json, and the COCO files, which are made from the journal
 * at the end.
 */
export class OutputFolder {
  private constructor(
    readonly path: string,
    readonly journal: Journal,
    readonly coco: CocoOptions,
    /** The lock, and run.json as an earlier run left it. */
    private readonly found: {
      readonly lock: OutputLock;
      readonly before: Partial<RunSummary> | undefined;
      /** When the lock was made, by the clock of the file system. */
      readonly openedMs: number;
    },
  ) {}

  /** When the first run began here, by the clock of the file system, ISO 8601; undefined where only run.json could tell. */
  get started(): string | undefined {
    const isFirst = this.journal.done.count === 0;
    return isFirst ? new Date(this.found.openedMs).toISOString() : this.#before.started;
  }

  /** Compares the photo of a path with what it was in earlier runs. */
  comparison(): ReturnType<typeof photoComparison> {
    const startedMs = Date.parse(this.#before.started ?? '');
    // A clock that was ahead then tells nothing.
    return photoComparison(startedMs <= this.found.openedMs ? startedMs : undefined);
  }

  /** Whether there are lines of an earlier run, of which run.json tells nothing. */
  get hasLostSummary(): boolean {
    return this.journal.done.count > 0 && this.#before.settings === undefined;
  }

  get #before(): Partial<RunSummary> {
    return this.found.before ?? {};
  }

  /**
   * @throws VgrError OUTPUT_BUSY if another run uses it, OUTPUT_MISMATCH if an earlier one had other settings,
   *   OUTPUT_UNWRITABLE, DISK_FULL, or of the file of image ids
   */
  static async open(
    path: string,
    settings: RunSettings,
    { imageIds, categories, polygons = false, ...options }: FolderOptions,
  ): Promise<OutputFolder> {
    const images = await imageNumbering(imageIds);
    const coco = { images, categories: new CategoryIds(categories, images.categories), polygons };
    const lock = await lockOutput(path);
    try {
      const before = await summaryIn(path);
      if (before) refuseOtherSettings(path, before.settings, settings);
      // What this run must not continue it does not touch either.
      const journal = await Journal.open(join(path, JOURNAL), {
        ...options,
        settings: settingsDigest(settings),
        isAlone: before === undefined && (await isFilled(join(path, JOURNAL))),
      });
      await removePartialFiles(path);
      const { mtimeMs: openedMs } = await stat(join(path, LOCK_NAME));
      return new OutputFolder(path, journal, coco, { lock, before, openedMs });
    } catch (thrown) {
      await lock.release();
      throw thrown;
    }
  }

  async writeSummary(summary: RunSummary): Promise<void> {
    await this.#write(SUMMARY, summaryText(summary));
  }

  /** Whether an earlier run has finished here, and this one has nothing to add. */
  isFinished(): boolean {
    const { complete, counts, image_ids } = this.#before;
    const { items, replacements } = this.journal.tally;
    return (
      complete === true &&
      // A file of ids may have changed.
      this.coco.images.file === null &&
      !this.coco.polygons &&
      image_ids === null &&
      items === this.journal.done.count &&
      replacements === 0 &&
      // A loss of power may have taken lines with it.
      items === counts?.items &&
      COCO_FILES.every((name) => existsSync(join(this.path, name)))
    );
  }

  /** Puts retried lines in their places and makes predictions.json and annotations.json from the whole journal. */
  async finish(): Promise<void> {
    await this.journal.settle();
    const read = () => this.journal.linesOfPhotos();
    const [predictions, annotations] = COCO_FILES;
    if (this.coco.images.file !== null) await expectImages(read, this.coco.images);
    await this.#write(predictions, cocoPredictions(read, this.coco));
    await this.#write(annotations, cocoDataset(read, this.coco));
  }

  /** What the user should know about the COCO files. */
  cocoNotes(): string[] {
    const { images, categories } = this.coco;
    const labels = [...categories.unlisted].sort().map((label) => quoted(label));
    const shown = labels.slice(0, 5).join(', ') + (labels.length > 5 ? ', ...' : '');
    const unlisted = `${quoted(images.file ?? '')} has no category ${shown}: boxes of these are left out of the COCO files`;
    return [...images.notes(), ...(labels.length > 0 ? [unlisted] : [])];
  }

  #write(name: string, content: Content): Promise<void> {
    return writeFileAtomic(join(this.path, name), content, { within: this.path });
  }

  /** Unlocks the folder at once, for a process that must end. The next run redoes lines that are not written. */
  abandon(summary: RunSummary): void {
    writeFileAtomicNow(join(this.path, SUMMARY), summaryText(summary));
    this.found.lock.releaseNow();
  }

  async close(): Promise<void> {
    try {
      await this.journal.file.close();
    } finally {
      await this.found.lock.release();
    }
  }
}

/** The folder itself if it has no results yet, else the first of `out-2`, `out-3`, ... without. */
export function unusedFolder(path: string): string {
  const bare = path.replace(/\/+$/, '');
  let folder = path;
  for (let number = 2; existsSync(join(folder, JOURNAL)); number++) folder = `${bare}-${number}`;
  return folder;
}

/** run.json, of which the settings at least can be read; undefined where there is none, or a loss of power has emptied it. */
async function summaryIn(
  folder: string,
): Promise<(Partial<RunSummary> & Pick<RunSummary, 'settings'>) | undefined> {
  const path = join(folder, SUMMARY);
  const summary = isFile(path) ? parsedJson((await readTextIfThere(path)) ?? '') : undefined;
  const settings = settingsOfRun(summary);
  return settings && { ...(summary as Partial<RunSummary>), settings };
}

async function isFilled(file: string): Promise<boolean> {
  return ((await lstat(file).catch(() => undefined))?.size ?? 0) > 0;
}

/** Removes the unfinished files of killed processes. */
async function removePartialFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const isPartial = UNFINISHED.test(name) && OWN_FILES.includes(name.replace(UNFINISHED, ''));
    if (isPartial) await rm(join(folder, name), { force: true });
  }
}

/** Why other users could change what is written to a folder that is there; undefined where none can. */
export function riskOf(folder: string): string | undefined {
  const self = process.getuid?.();
  if (self === undefined) return undefined;
  const EVERYONE = 0o002;
  const STICKY = 0o1000;
  let place = realpathSync(folder);
  const { mode, uid } = statSync(place);
  if (mode & EVERYONE) return `everyone may write to ${quoted(folder)}`;
  // The first user of a container writes for the owner of the folder.
  if (uid !== self && self !== 0) return `${quoted(folder)} belongs to another user`;
  while (place !== dirname(place)) {
    place = dirname(place);
    if ((statSync(place).mode & (EVERYONE | STICKY)) === EVERYONE) {
      return `everyone may replace ${quoted(folder)}, since everyone may write to ${quoted(place)}`;
    }
  }
  return undefined;
}

function refuseOtherSettings(folder: string, earlier: RunSettings, settings: RunSettings): void {
  const difference = settingsDifference(earlier, settings);
  if (difference.length === 0) return;
  throw new VgrError(
    'OUTPUT_MISMATCH',
    `${quoted(folder)} holds a run with other settings: ${difference.join('; ')}`,
    {
      hint: 'give the old settings to continue it; `--no-resume` writes to a new folder beside it',
    },
  );
}

function summaryText(summary: RunSummary): string {
  return `${JSON.stringify(summary, null, 2)}\n`;
}
