import { printable, quoted, VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { counted, sha256Of, versions } from '../core/text.js';
import type { Category } from '../formats/coco.js';
import {
  DECISION_WORDS,
  type LineSource,
  madeText,
  type ResultLine,
  settingsDigest,
  UNSURE_BELOW,
} from '../formats/result-line.js';
import {
  boundBy,
  canonicalSettings,
  type RunSettings,
  type RunSummary,
  stageLoad,
} from '../formats/run-summary.js';
import type { OverlayFolder } from '../photos/draw.js';
import { deviceText } from '../runtime/device.js';
import type { Engine, LaneMeter } from '../runtime/engine.js';
import type { LineHead, RunLine, RunProgress } from '../runtime/ports.js';
import type { DoneItems } from './done-items.js';
import { type LineFormat, LineOutput } from './line-output.js';
import type { OutputFolder } from './output-folder.js';
import { WHOLE } from './shard.js';

/** The flags that say where lines go. */
export interface OutputFlags {
  readonly output?: string;
  readonly format?: LineFormat;
  readonly 'image-ids'?: string;
  readonly segmentation: 'none' | 'box';
  readonly 'no-resume': boolean;
  readonly 'retry-failed': boolean;
  readonly quiet: boolean;
}

/** The run whose lines are written. */
export interface WrittenRun {
  readonly command: 'detect' | 'refine';
  readonly settings: RunSettings;
  readonly engine: Engine;
  /** Of the cores that decode photos. */
  readonly decoding: LaneMeter;
  readonly progress: RunProgress;
  /** What the refiner reports for run.json. */
  readonly report?: () => RunSummary['refiner'];
}

const NOUNS = { detect: 'photo', refine: 'query' } as const;

/** Longer runs print what limits their speed, seconds. */
const LONG_S = 60;

/** Writes the lines of a run to stdout and to the output folder, and its summary to run.json and stderr. */
export class Output implements AsyncDisposable {
  readonly #start = performance.now();
  readonly #mainStart = performance.eventLoopUtilization();
  readonly #settings: string;
  readonly stdout: LineOutput;
  /** That of `--output`. */
  folder?: OutputFolder;
  /** Where pictures are drawn. */
  overlays?: OverlayFolder;
  /** Lines that this run has written. */
  items = 0;
  #errors = 0;
  readonly #tally = new AnswerTally();

  private constructor(
    readonly run: WrittenRun,
    flags: OutputFlags,
    private readonly printer: Printer,
  ) {
    this.stdout = new LineOutput(flags, printer);
    this.#settings = settingsDigest(run.settings);
  }

  /**
   * Opens stdout and the folder of `--output`, and says how much earlier runs have done there.
   * @throws VgrError USAGE, or as {@link OutputFolder.open}
   */
  static async open(flags: OutputFlags, run: WrittenRun, printer: Printer): Promise<Output> {
    const output = new Output(run, flags, printer);
    output.folder = await openFolder(flags, run, printer);
    const count = output.done?.count ?? 0;
    if (count > 0) {
      printer.note(`${output.#counted(count)} ${count === 1 ? 'is' : 'are'} done already`);
    }
    if (output.folder?.hasLostSummary) {
      printer.note(
        'warning: run.json is missing or damaged; the lines are of these settings, so the run continues',
      );
    }
    return output;
  }

  /** Items that earlier runs have done; undefined without a folder. */
  get done(): DoneItems | undefined {
    return this.folder?.journal.done;
  }

  /**
   * Writes one line to the journal and to stdout, and an error to stderr. Resolves when there is room for the next one. run.json
   * is written with the first line, so that a run that cannot begin changes nothing.
   */
  async write(line: RunLine): Promise<void> {
    const { head } = line;
    if (this.items === 0) await this.save();
    this.items += 1;
    if (head.type === 'result' && head.answer) this.#tally.add(head.answer);
    if (head.type === 'error') {
      this.#errors += 1;
      this.printer.itemError(head.id ?? head.image ?? `line ${head.line}`, head);
    }
    const json = madeText(line.json, this.#sourceOf(line));
    const whole = { ...line, json };
    await Promise.all([this.folder?.journal.append(whole), this.stdout.write(whole)]);
  }

  #sourceOf({ head, query, photo }: RunLine): LineSource {
    const isOfLine = head.type === 'error' && head.line !== undefined;
    return { settings: this.#settings, query: query ?? (isOfLine ? null : undefined), photo };
  }

  /** When it resolves, every line so far is on the disk. */
  async flush(): Promise<void> {
    await this.folder?.journal.file.flush();
  }

  /** Writes run.json as of an incomplete run. */
  async save(): Promise<void> {
    await this.folder?.writeSummary(this.#summary({ complete: false }));
  }

  /**
   * Makes the COCO files from the whole journal and ends the run.
   * @param isWhole whether the whole input was read
   * @returns the exit code: 1 where items failed
   */
  async finish({ isWhole }: { readonly isWhole: boolean }): Promise<number> {
    if (isWhole) this.#noteLeftOver();
    if (this.folder?.isFinished()) {
      this.printer.note('nothing left to do: the files stay as they are');
      return this.folder.journal.tally.errors === 0 ? 0 : 1;
    }
    const { otherSizes } = this.run.progress;
    if (otherSizes > 0) {
      const states = `${counted(otherSizes, 'query')} ${otherSizes === 1 ? 'states' : 'state'} another size than the photo has`;
      this.printer.note(`note: ${states}: are boxes in pixels of this very photo?`);
    }
    await this.folder?.finish();
    for (const note of this.folder?.cocoNotes() ?? []) this.printer.note(`note: ${note}`);
    return this.close({ complete: true });
  }

  /** Lines of what the input no longer holds stay: they may be all that is left of it. */
  #noteLeftOver(): void {
    const { count = 0, met = 0 } = this.done ?? {};
    if (met >= count) return;
    this.printer.note(
      `warning: ${this.#counted(count - met)} of an earlier run ${count - met === 1 ? 'is' : 'are'} not in the input any more; the lines stay`,
    );
  }

  /** Unlocks the folder at once, for a process that must end. */
  abandon(): void {
    const summary = this.#summary({ complete: false });
    this.folder?.abandon(summary);
    this.#noteEnd(summary);
  }

  /** Unlocks the folder. An error here is dropped: everything is on the disk by then, or an earlier error ends the run. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder?.close().catch(() => undefined);
  }

  /** Says how the run went, in run.json and on stderr. @returns the exit code: 1 where items failed */
  async close(end: { readonly complete: boolean }): Promise<number> {
    const summary = this.#summary(end);
    await this.folder?.writeSummary(summary);
    this.#noteEnd(summary);
    const { timings, stages } = summary;
    const { decode_s, detect_s, refine_s } = timings;
    // Sums over all items; stages overlap.
    this.printer.debug(
      `decode ${decode_s} s, detect ${detect_s} s, refine ${refine_s} s, write ${stages.write.busy_s} s`,
    );
    const bound = timings.wall_s > LONG_S ? boundBy(stages) : undefined;
    if (bound) this.printer.note(`bound by ${bound}; run.json has all stages`);
    return summary.counts.errors === 0 ? 0 : 1;
  }

  #summary({ complete }: { readonly complete: boolean }): RunSummary {
    const { command, settings, engine, decoding, progress, report } = this.run;
    const { pool, sessions, threads } = engine.threads;
    const { load, detect, run, refine } = pool.busyMs;
    const wallMs = performance.now() - this.#start;
    const { user, system } = process.cpuUsage();
    const { journal, coco } = this.folder ?? {};
    // Without a folder there are only the lines of this run.
    const { items, errors } = journal?.tally ?? { items: this.items, errors: this.#errors };
    return {
      schema: 1,
      command,
      started: this.folder?.started,
      complete,
      settings,
      settings_hash: sha256Of(canonicalSettings(settings)),
      versions: versions(),
      models: engine.models,
      image_ids: coco?.images.file ?? null,
      categories: coco?.categories.categories ?? [],
      device: pool.device ? deviceText(pool.device) : 'none',
      sessions,
      threads,
      counts: {
        listed: progress.listed,
        items,
        errors,
        resumed: this.done?.count ?? 0,
        images_left_out: coco?.images.leftOut ?? 0,
      },
      timings: {
        wall_s: seconds(wallMs),
        decode_s: seconds(progress.decodeMs),
        detect_s: seconds(progress.detectMs),
        refine_s: seconds(progress.refineMs),
        session_utilisation: Number(
          ((load + detect + run + refine) / (wallMs * sessions)).toFixed(3),
        ),
        cpu_s: seconds((user + system) / 1000),
      },
      stages: {
        main: stageLoad(performance.eventLoopUtilization(this.#mainStart).active, 1, wallMs),
        decode: stageLoad(decoding.busyMs, decoding.lanes, wallMs),
        detect: stageLoad(detect, sessions, wallMs),
        refine: stageLoad(refine + run, sessions, wallMs),
        write: stageLoad(journal?.file.busyMs ?? 0, 1, wallMs),
      },
      peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
      refiner: report?.(),
    };
  }

  /** `12 queries, 1 failed, 3.2 s` */
  #closingNote({ timings, counts }: RunSummary): string {
    const leftOut = counts.images_left_out;
    const failed = this.#errors > 0 ? `, ${this.#errors} failed` : '';
    const missing =
      leftOut > 0 ? `; ${counted(leftOut, 'photo')} not in --image-ids, left out` : '';
    const again = this.done?.changed ?? 0;
    const changed = again > 0 ? `, ${again} changed since an earlier run` : '';
    return `${this.#counted(this.items)}${failed}${changed}, ${timings.wall_s} s${missing}`;
  }

  #noteEnd(summary: RunSummary): void {
    const { printer, overlays, folder } = this;
    printer.note(this.#closingNote(summary));
    const answers = this.#tally.toString();
    if (answers !== '') printer.note(answers);
    if (this.#tally.advice !== undefined) printer.note(this.#tally.advice);
    if (overlays?.count === 1) printer.note(`picture: ${printable(overlays.last)}`);
    else if (overlays && overlays.count > 0) {
      printer.note(`${counted(overlays.count, 'picture')} in ${printable(overlays.folder)}`);
    }
    if (!folder || !process.stderr.isTTY) return;
    printer.note(`results, COCO files and run.json: ${printable(folder.path)}`);
    if (summary.complete && this.run.command === 'refine') {
      const next = `vgr eval --queries ${this.run.settings.queries} --results ${folder.path}`;
      printer.note(`next, where the queries have \`bbox\`: ${printable(next)}`);
    }
  }

  /** Says what to do about a run that was interrupted. */
  noteContinuation(): void {
    const done = (this.done?.count ?? 0) + this.items;
    this.printer.note(
      this.folder
        ? `interrupted, ${this.#counted(done)} done; the same command continues`
        : `interrupted, ${this.#counted(done)} done; with \`--output DIR\` the same command would continue`,
    );
  }

  #counted(count: number): string {
    return counted(count, NOUNS[this.run.command]);
  }
}

/** Nouns that are named at the end of a run. */
const SHOWN_NOUNS = 3;

type AnswerHead = NonNullable<Extract<LineHead, { type: 'result' }>['answer']>;

/** Counts answers by what was decided. */
class AnswerTally {
  readonly #counts = new Map<ResultLine['answer']['decision'], number>();
  #unsure = 0;
  /** Queries whose noun no detector has a word for, and some of these nouns. */
  #unknown = 0;
  readonly #nouns = new Set<string>();

  /** What to do about nouns that no detector knows; undefined where there are none. */
  get advice(): string | undefined {
    if (this.#unknown === 0) return undefined;
    const nouns = [...this.#nouns].map((noun) => quoted(noun)).join(', ');
    const more = this.#unknown > this.#nouns.size ? ', ...' : '';
    return `${counted(this.#unknown, 'query')} for things that the detector has no word for (${nouns}${more}): \`vgr models pull florence-2-base-ft\` brings a model that reads expressions, for \`--detector florence-2-base-ft\``;
  }

  add({ decision, score, unknownNoun }: AnswerHead): void {
    if (unknownNoun !== undefined) {
      this.#unknown += 1;
      if (this.#nouns.size < SHOWN_NOUNS) this.#nouns.add(unknownNoun);
    }
    this.#counts.set(decision, (this.#counts.get(decision) ?? 0) + 1);
    if (score < UNSURE_BELOW) this.#unsure += 1;
  }

  /** `12 kept, 8 moved to another object; 3 unsure (score below 0.5)`; empty without answers. */
  toString(): string {
    const decisions = Object.keys(DECISION_WORDS) as ResultLine['answer']['decision'][];
    const counts = decisions.flatMap((each) => {
      const count = this.#counts.get(each);
      return count === undefined ? [] : [`${count} ${DECISION_WORDS[each]}`];
    });
    const unsure = this.#unsure > 0 ? `; ${this.#unsure} unsure (score below ${UNSURE_BELOW})` : '';
    return counts.join(', ') + (counts.length > 0 ? unsure : '');
  }
}

/** Opens the folder of `--output`, if given. Its modules are loaded only then. */
async function openFolder(
  flags: OutputFlags,
  { settings, engine }: WrittenRun,
  printer: Printer,
): Promise<OutputFolder | undefined> {
  const { output, 'no-resume': fresh, 'retry-failed': retryFailed } = flags;
  if (fresh && retryFailed) {
    throw new VgrError('USAGE', '--no-resume and --retry-failed exclude each other', {
      hint: 'to repair a folder use `--retry-failed`, to start over `--no-resume`',
    });
  }
  if (output === undefined) {
    if (fresh || retryFailed) {
      throw new VgrError('USAGE', '--no-resume and --retry-failed belong to an `--output` folder', {
        hint: 'name the folder of the earlier run: `--output DIR --retry-failed`',
      });
    }
    return undefined;
  }
  const { OutputFolder, riskOf, unusedFolder } = await import('./output-folder.js');
  const path = fresh ? unusedFolder(output) : output;
  if (path !== output) printer.note(`writing to ${printable(path)}`);
  const folder = await OutputFolder.open(path, settings, {
    retryFailed,
    sharded: settings.shard !== WHOLE,
    imageIds: flags['image-ids'],
    polygons: flags.segmentation === 'box',
    categories: categoriesOf(engine.detectors),
  });
  const risk = riskOf(path);
  if (risk !== undefined) printer.note(`warning: ${risk}`);
  return folder;
}

/** Everything that the detectors can find. Names of the first keep their ids; others have theirs where these are free. */
export function categoriesOf(
  detectors: readonly Pick<Engine['detectors'][number], 'categories'>[],
): readonly Category[] {
  const byName = new Map<string, number>();
  const ids = new Set<number>();
  for (const { id, name } of detectors.flatMap(({ categories }) => categories)) {
    if (byName.has(name)) continue;
    const free = ids.has(id) ? Math.max(...ids) + 1 : id;
    ids.add(free);
    byName.set(name, free);
  }
  return [...byName].map(([name, id]) => ({ id, name }));
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
