import { setTimeout as sleep } from 'node:timers/promises';
import type { Interruption } from '../core/interruption.js';
import { untilAborted } from '../core/ordered-map.js';
import { type ProgressMode, type Stage, startProgress } from '../core/progress.js';
import type { Printer } from '../core/terminal.js';
import { counted, sha256Of, versions } from '../core/text.js';
import type { CategoryIds, ImageNumbering } from '../formats/coco.js';
import {
  boundBy,
  canonicalSettings,
  type RunSettings,
  type RunSummary,
  stageLoad,
} from '../formats/run-summary.js';
import { deviceText } from '../runtime/device.js';
import type { Engine } from '../runtime/engine.js';
import type { PlacedLine, RunProgress } from '../runtime/ports.js';
import type { LineOutput } from './line-output.js';
import type { OutputFolder } from './output-folder.js';

/** A run of `detect` or `refine`, ready to go. */
export interface LineRun {
  readonly command: string;
  readonly settings: RunSettings;
  readonly engine: Engine;
  readonly lines: AsyncIterable<PlacedLine>;
  readonly output: LineOutput;
  readonly folder?: OutputFolder;
  readonly images: ImageNumbering;
  readonly categories: CategoryIds;
  readonly progress: RunProgress;
  readonly stages: readonly Stage[];
  readonly progressMode: ProgressMode;
  /** Counts the items of the input, for the time left; undefined where that cannot be known. Called only where somebody sees it. */
  readonly countItems?: () => Promise<number | undefined>;
  readonly printer: Printer;
  readonly interruption: Interruption;
  /** What the refiner tells of the run. */
  readonly refinerReport?: () => Readonly<Record<string, unknown>>;
  /** An item in one word, for the closing line: `photo`, `query`. */
  readonly noun: string;
}

/** Runs that take longer are told what bounds them, seconds. */
const LONG_S = 60;

interface Tally {
  items: number;
  errors: number;
}

/**
 * Drives the lines to their places and closes the books: journal, COCO files, run.json. What was done stays, whatever ends
 * the run.
 * @returns the exit code
 */
export async function runLines(run: LineRun): Promise<number> {
  const { folder, printer, interruption } = run;
  const start = performance.now();
  const mainStart = performance.eventLoopUtilization();
  const tally: Tally = { items: 0, errors: 0 };
  const summary = (complete: boolean, total: Tally): RunSummary => {
    const { active } = performance.eventLoopUtilization(mainStart);
    return summarise(run, total, { complete, wallMs: performance.now() - start, mainMs: active });
  };
  if (folder && folder.done.count > 0) {
    const { count } = folder.done;
    printer.note(`${counted(count, run.noun)} ${count === 1 ? 'is' : 'are'} done already`);
  }
  try {
    await writeLines(run, tally, async () => folder?.writeSummary(summary(false, folder.tally)));
  } catch (thrown) {
    // What the run took up to here is told, too; of two failures the first counts.
    await folder?.writeSummary(summary(false, folder.tally)).catch(() => undefined);
    throw thrown;
  }
  if (interruption.overdue.aborted) {
    const quiet = await interruption.inTime(letGo(run));
    folder?.abandon(summary(false, folder.tally));
    printer.note(closingNote(run, tally, performance.now() - start));
    interruption.end({ quiet });
  }
  const complete = !interruption.signal.aborted;
  if (complete && folder?.isFinished(run.images)) {
    printer.note('nothing left to do: the files stay as they are');
    return folder.tally.errors === 0 ? 0 : 1;
  }
  if (complete) await folder?.finish(run.images, run.categories);
  const total = folder?.tally ?? tally;
  const last = summary(complete, total);
  await folder?.writeSummary(last);
  if (!interruption.pipeClosed) {
    printer.note(closingNote(run, tally, performance.now() - start));
    const bound = last.timings.wall_s > LONG_S ? boundBy(last.stages) : undefined;
    if (bound) printer.note(`bound by ${bound}; run.json has all stages`);
  }
  return interruption.pipeClosed || total.errors === 0 ? 0 : 1;
}

/** How often it is asked whether photos are still under decoding, milliseconds. */
const ASK_MS = 20;

/** Resolves when nothing that was given up is at work any more, and what was done is on the disk. */
async function letGo({ engine, folder }: LineRun): Promise<void> {
  await engine.pool.close();
  while (engine.decoding.atHand > 0) await sleep(ASK_MS);
  await folder?.flush();
}

/** @param onFirst called before the first line is written: no file is touched where there is none */
async function writeLines(run: LineRun, tally: Tally, onFirst: () => Promise<void>): Promise<void> {
  const { folder, printer, interruption, output } = run;
  let total: number | undefined;
  if (run.progressMode !== 'off') {
    void itemTotal(run).then((count) => {
      total = count;
    });
  }
  const share = (): number | undefined => (total ? tally.items / total : undefined);
  const display = await startProgress({ ...run, share, mode: run.progressMode });
  try {
    for await (const placed of untilAborted(run.lines, interruption.overdue)) {
      const { line } = placed;
      if (tally.items === 0) await onFirst();
      tally.items += 1;
      if (line.type === 'error') {
        tally.errors += 1;
        printer.itemError(line.id ?? line.image ?? `line ${line.line}`, line);
      }
      const [journal, stdout] = [folder?.append(placed), output.write(placed)];
      if (journal) await journal;
      if (stdout) await stdout;
      if (interruption.stdoutError) throw interruption.stdoutError;
      if (interruption.pipeClosed) return;
    }
    await output.close();
  } finally {
    await display.stop();
    printer.closeErrors();
    // Writes wait behind the photos that are not waited for.
    if (!interruption.overdue.aborted) await folder?.flush();
  }
}

/** Items that are still to come; undefined where nobody can tell. */
async function itemTotal({ countItems, folder }: LineRun): Promise<number | undefined> {
  const count = await countItems?.().catch(() => undefined);
  return count === undefined ? undefined : Math.max(1, count - (folder?.done.count ?? 0));
}

interface SummaryTimes {
  readonly complete: boolean;
  readonly wallMs: number;
  /** In which the main thread worked. */
  readonly mainMs: number;
}

function summarise(
  run: LineRun,
  total: Tally,
  { complete, wallMs, mainMs }: SummaryTimes,
): RunSummary {
  const { engine, progress } = run;
  const { pool, sessions, decoding } = engine;
  const { user, system } = process.cpuUsage();
  return {
    schema: 1,
    command: run.command,
    complete,
    settings: run.settings,
    settings_hash: sha256Of(canonicalSettings(run.settings)),
    versions: versions(),
    models: engine.models,
    image_ids: run.images.file,
    categories: run.categories.categories,
    device: engine.pool.device ? deviceText(engine.pool.device) : 'none',
    sessions: engine.sessions,
    threads: engine.threads,
    counts: {
      listed: progress.listed,
      items: total.items,
      errors: total.errors,
      resumed: run.folder?.done.count ?? 0,
      images_left_out: run.images.leftOut,
    },
    timings: {
      wall_s: seconds(wallMs),
      decode_s: seconds(progress.decodeMs),
      detect_s: seconds(progress.detectMs),
      refine_s: seconds(progress.refineMs),
      session_utilisation: Number((pool.busyMs / (wallMs * sessions)).toFixed(3)),
      cpu_s: seconds((user + system) / 1000),
    },
    stages: {
      main: stageLoad(mainMs, 1, wallMs),
      decode: stageLoad(decoding.busyMs, decoding.lanes, wallMs),
      detect: stageLoad(pool.busyMsOf('detect'), sessions, wallMs),
      refine: stageLoad(pool.busyMsOf('refine') + pool.busyMsOf('run'), sessions, wallMs),
      write: stageLoad(run.folder?.busyMs ?? 0, 1, wallMs),
    },
    peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
    ...(run.refinerReport && { refiner: run.refinerReport() }),
  };
}

function closingNote(run: LineRun, tally: Tally, wallMs: number): string {
  const { images, noun } = run;
  const failed = tally.errors > 0 ? `, ${tally.errors} failed` : '';
  const leftOut =
    images.leftOut > 0 ? `; ${counted(images.leftOut, 'photo')} not in --image-ids, left out` : '';
  return `${counted(tally.items, noun)}${failed}, ${seconds(wallMs)} s${leftOut}`;
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
