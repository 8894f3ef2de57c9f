import { printable, VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { counted, sha256Of, versions } from '../core/text.js';
import { type Category, CategoryIds, type ImageNumbering } from '../formats/coco.js';
import type { OutputLine } from '../formats/result-line.js';
import {
  boundBy,
  canonicalSettings,
  type RunSettings,
  type RunSummary,
  type StageLoads,
  stageLoad,
} from '../formats/run-summary.js';
import type { RunLine } from '../runtime/ports.js';
import { imageNumbering } from './image-numbering.js';
import { DoneItems, type JournalTally } from './journal.js';
import { defaultFormat, type LineFormat, LineOutput } from './line-output.js';
import { OutputFolder, unusedFolder } from './output-folder.js';
import type { Shard } from './shard.js';

/** The flags that say where lines go. */
export interface OutputFlags {
  readonly output?: string;
  readonly format?: LineFormat;
  readonly 'image-ids'?: string;
  readonly 'no-resume': boolean;
  readonly 'retry-failed': boolean;
  readonly quiet: boolean;
}

/** The run whose lines are written. */
export interface WrittenRun {
  readonly command: 'detect' | 'refine';
  readonly settings: RunSettings;
  readonly shard: Shard;
  /** What the detector can find; empty without one. */
  readonly categories: readonly Category[];
  /** Called whenever run.json is written. */
  readonly facts: () => RunFacts;
  readonly printer: Printer;
}

/** What run.json tells beside what was written. */
export interface RunFacts
  extends Pick<
    RunSummary,
    'models' | 'device' | 'sessions' | 'threads' | 'timings' | 'peak_memory_bytes' | 'refiner'
  > {
  /** Items of the whole input, those of other shards among them. */
  readonly listed: number;
  readonly stages: Omit<StageLoads, 'write'>;
}

/** An item in one word. */
const NOUNS = { detect: 'photo', refine: 'query' } as const;

/** Runs that take longer are told what bounds them, seconds. */
const LONG_S = 60;

/**
 * Opens stdout and the folder of `--output`, and says how much earlier runs have done there.
 * @throws VgrError USAGE, of the folder (see {@link OutputFolder.open}), or of `--image-ids`
 */
export async function openOutput(flags: OutputFlags, run: WrittenRun): Promise<Output> {
  const images = await imageNumbering(flags['image-ids']);
  const format =
    flags.format ?? defaultFormat({ toFolder: flags.output !== undefined, quiet: flags.quiet });
  const folder = await openFolder(flags, run);
  return new Output(run, new LineOutput(format, run.printer), {
    folder,
    images,
    linesOnTerminal: Boolean(process.stdout.isTTY) && format !== 'none',
  });
}

async function openFolder(
  flags: OutputFlags,
  { settings, shard, printer }: WrittenRun,
): Promise<OutputFolder | undefined> {
  const { 'no-resume': fresh, 'retry-failed': retryFailed } = flags;
  if (fresh && retryFailed) {
    throw new VgrError('USAGE', '--no-resume and --retry-failed exclude each other', {
      hint: 'to mend a folder take `--retry-failed`, to start anew `--no-resume`',
    });
  }
  if (flags.output === undefined) {
    if (fresh || retryFailed) {
      throw new VgrError('USAGE', '--no-resume and --retry-failed belong to an `--output` folder', {
        hint: 'name the folder of the earlier run: `--output DIR --retry-failed`',
      });
    }
    return undefined;
  }
  const path = fresh ? unusedFolder(flags.output) : flags.output;
  if (path !== flags.output) printer.note(`writing to ${printable(path)}`);
  return OutputFolder.open(path, settings, { retryFailed, sharded: shard.count > 1 });
}

/** `decode 1.2 s, detect 3.4 s, refine 0.1 s, write 0 s`: sums over all items; stages overlap. */
function stagesText({ timings, stages }: RunSummary): string {
  const { decode_s, detect_s, refine_s } = timings;
  return `decode ${decode_s} s, detect ${detect_s} s, refine ${refine_s} s, write ${stages.write.busy_s} s`;
}

/** Where the lines of a run go, and the books about them: journal, COCO files, run.json, closing note. */
export class Output implements AsyncDisposable {
  readonly #run: WrittenRun;
  readonly #stdout: LineOutput;
  readonly #folder: OutputFolder | undefined;
  readonly #images: ImageNumbering;
  readonly #categories: CategoryIds;
  /** Whether lines appear on the terminal, where they would tear a live display. */
  readonly linesOnTerminal: boolean;
  /** Items that earlier runs have done. */
  readonly done: DoneItems;
  /** Lines of this run. */
  #items = 0;
  #errors = 0;

  constructor(
    run: WrittenRun,
    stdout: LineOutput,
    parts: {
      readonly folder: OutputFolder | undefined;
      readonly images: ImageNumbering;
      readonly linesOnTerminal: boolean;
    },
  ) {
    this.#run = run;
    this.#stdout = stdout;
    this.#folder = parts.folder;
    this.#images = parts.images;
    this.#categories = new CategoryIds(run.categories);
    this.linesOnTerminal = parts.linesOnTerminal;
    this.done = this.#folder?.journal.done ?? new DoneItems();
    const { count } = this.done;
    if (count > 0) {
      run.printer.note(`${this.#counted(count)} ${count === 1 ? 'is' : 'are'} done already`);
    }
  }

  /** Lines that this run has written. */
  get items(): number {
    return this.#items;
  }

  /** The lines that earlier runs left, in the order of the journal; none without a folder. */
  async *earlierLines(): AsyncGenerator<OutputLine> {
    if (this.#folder) yield* this.#folder.journal.lines();
  }

  /**
   * Writes one line to the journal and to stdout, and says on stderr why its item failed. Resolves when there is room for
   * the next one. No file is touched before the first line, so that a run that cannot begin changes nothing.
   */
  async write(line: RunLine): Promise<void> {
    const { head } = line;
    if (this.#items === 0) await this.save();
    this.#items += 1;
    if (head.type === 'error') {
      this.#errors += 1;
      this.#run.printer.itemError(head.id ?? head.image ?? `line ${head.line}`, head);
    }
    await Promise.all([this.#folder?.journal.append(line), this.#stdout.write(line)]);
  }

  /** Ends the text on stdout, such as the array of `--format json`. */
  async end(): Promise<void> {
    await this.#stdout.close();
  }

  /** When it resolves, every line so far is on the disk. */
  async flush(): Promise<void> {
    await this.#folder?.journal.flush();
  }

  /** Writes run.json as of a run that has not come to its end. */
  async save(): Promise<void> {
    await this.#folder?.writeSummary(this.#summary({ complete: false }));
  }

  /** Ends a run that was told to stop. @returns the exit code */
  async pause(): Promise<number> {
    return this.#close({ complete: false });
  }

  /** Makes the COCO files from the whole journal and ends the run. @returns the exit code: 1 where items failed */
  async finish(): Promise<number> {
    if (this.#folder?.isFinished(this.#images)) {
      this.#run.printer.note('nothing left to do: the files stay as they are');
      return this.#folder.journal.tally.errors === 0 ? 0 : 1;
    }
    await this.#folder?.finish(this.#images, this.#categories);
    return this.#close({ complete: true });
  }

  /** Leaves the folder to the next run at once, while the caller waits: for a process that must end. */
  abandon(): void {
    const summary = this.#summary({ complete: false });
    this.#folder?.abandon(summary);
    this.#run.printer.note(this.#closingNote(summary));
  }

  /** Releases the folder. What was written is on the disk by then; of two errors that end a run the first counts. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder?.close().catch(() => undefined);
  }

  async #close(end: { readonly complete: boolean }): Promise<number> {
    const { printer } = this.#run;
    const summary = this.#summary(end);
    await this.#folder?.writeSummary(summary);
    printer.note(this.#closingNote(summary));
    printer.debug(stagesText(summary));
    const bound = summary.timings.wall_s > LONG_S ? boundBy(summary.stages) : undefined;
    if (bound) printer.note(`bound by ${bound}; run.json has all stages`);
    return summary.counts.errors === 0 ? 0 : 1;
  }

  /** Lines of the whole journal; without a folder those of this run. */
  get #total(): Pick<JournalTally, 'items' | 'errors'> {
    return this.#folder?.journal.tally ?? { items: this.#items, errors: this.#errors };
  }

  #summary({ complete }: { readonly complete: boolean }): RunSummary {
    const { command, settings, facts } = this.#run;
    const { listed, ...told } = facts();
    const { items, errors } = this.#total;
    return {
      schema: 1,
      command,
      complete,
      settings,
      settings_hash: sha256Of(canonicalSettings(settings)),
      versions: versions(),
      models: told.models,
      image_ids: this.#images.file,
      categories: this.#categories.categories,
      device: told.device,
      sessions: told.sessions,
      threads: told.threads,
      counts: {
        listed,
        items,
        errors,
        resumed: this.done.count,
        images_left_out: this.#images.leftOut,
      },
      timings: told.timings,
      stages: {
        ...told.stages,
        write: stageLoad(this.#folder?.journal.busyMs ?? 0, 1, told.timings.wall_s * 1000),
      },
      peak_memory_bytes: told.peak_memory_bytes,
      refiner: told.refiner,
    };
  }

  /** `12 queries, 1 failed, 3.2 s` */
  #closingNote({ timings }: RunSummary): string {
    const { leftOut } = this.#images;
    const failed = this.#errors > 0 ? `, ${this.#errors} failed` : '';
    const missing =
      leftOut > 0 ? `; ${counted(leftOut, 'photo')} not in --image-ids, left out` : '';
    return `${this.#counted(this.#items)}${failed}, ${timings.wall_s} s${missing}`;
  }

  #counted(count: number): string {
    return counted(count, NOUNS[this.#run.command]);
  }
}
