import { setTimeout as sleep } from 'node:timers/promises';
import { untilAborted } from '../core/ordered-map.js';
import type { ProgressStage, Terminal } from '../core/terminal.js';
import { stageLoad } from '../formats/run-summary.js';
import { deviceText } from '../runtime/device.js';
import type { Engine } from '../runtime/engine.js';
import type { PlacedLine, RunProgress } from '../runtime/ports.js';
import type { Output, RunFacts } from './output.js';

/** A run of `detect` or `refine`, ready to go. */
export interface LineRun {
  readonly engine: Engine;
  readonly lines: AsyncIterable<PlacedLine>;
  readonly output: Output;
  readonly stages: readonly ProgressStage[];
  /** Counts the items of the input, for the time left; undefined where that cannot be known. Called only where somebody sees it. */
  readonly countItems?: () => Promise<number | undefined>;
  readonly terminal: Terminal;
}

/**
 * Drives the lines to their places and closes the books: journal, COCO files, run.json. What was done stays, whatever ends
 * the run.
 * @returns the exit code
 */
export async function runLines(run: LineRun): Promise<number> {
  const { output } = run;
  const { interruption } = run.terminal;
  try {
    await writeLines(run);
  } catch (thrown) {
    // What the run took up to here is told, too; of two failures the first counts.
    await output.save().catch(() => undefined);
    throw thrown;
  }
  if (interruption.overdue.aborted) {
    const quiet = await interruption.inTime(letGo(run));
    output.abandon();
    interruption.end({ quiet });
  }
  if (interruption.pipeClosed) {
    await output.save();
    return 0;
  }
  return interruption.signal.aborted ? output.pause() : output.finish();
}

/** How often it is asked whether photos are still under decoding, milliseconds. */
const ASK_MS = 20;

/** Resolves when nothing that was given up is at work any more, and what was done is on the disk. */
async function letGo({ engine, output }: LineRun): Promise<void> {
  await engine.pool.close();
  while (engine.decoding.atHand > 0) await sleep(ASK_MS);
  await output.flush();
}

async function writeLines(run: LineRun): Promise<void> {
  const { output, stages } = run;
  const { printer, interruption } = run.terminal;
  let total: number | undefined;
  let isCounting = false;
  const share = (): number | undefined => {
    if (!isCounting) {
      isCounting = true;
      void itemTotal(run).then((count) => {
        total = count;
      });
    }
    return total ? output.items / total : undefined;
  };
  const { linesOnTerminal } = output;
  const display = await run.terminal.showProgress({ stages, share, linesOnTerminal });
  try {
    for await (const placed of untilAborted(run.lines, interruption.overdue)) {
      await output.write(placed);
      if (interruption.stdoutError) throw interruption.stdoutError;
      if (interruption.pipeClosed) return;
    }
    await output.end();
  } finally {
    await display.stop();
    printer.closeErrors();
    // Writes wait behind the photos that are not waited for.
    if (!interruption.overdue.aborted) await output.flush();
  }
}

/** Items that are still to come; undefined where nobody can tell. */
async function itemTotal({ countItems, output }: LineRun): Promise<number | undefined> {
  const count = await countItems?.().catch(() => undefined);
  return count === undefined ? undefined : Math.max(1, count - output.done.count);
}

/**
 * What run.json tells of a run that begins now.
 * @param report what the refiner tells of the run
 */
export function runFacts(
  engine: Engine,
  progress: RunProgress,
  report?: () => Readonly<Record<string, unknown>>,
): () => RunFacts {
  const start = performance.now();
  const mainStart = performance.eventLoopUtilization();
  const { pool, sessions, decoding } = engine;
  return () => {
    const wallMs = performance.now() - start;
    const { user, system } = process.cpuUsage();
    return {
      listed: progress.listed,
      models: engine.models,
      device: pool.device ? deviceText(pool.device) : 'none',
      sessions,
      threads: engine.threads,
      timings: {
        wall_s: seconds(wallMs),
        decode_s: seconds(progress.decodeMs),
        detect_s: seconds(progress.detectMs),
        refine_s: seconds(progress.refineMs),
        session_utilisation: Number((pool.busyMs / (wallMs * sessions)).toFixed(3)),
        cpu_s: seconds((user + system) / 1000),
      },
      stages: {
        main: stageLoad(performance.eventLoopUtilization(mainStart).active, 1, wallMs),
        decode: stageLoad(decoding.busyMs, decoding.lanes, wallMs),
        detect: stageLoad(pool.busyMsOf('detect'), sessions, wallMs),
        refine: stageLoad(pool.busyMsOf('refine') + pool.busyMsOf('run'), sessions, wallMs),
      },
      peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
      refiner: report?.(),
    };
  };
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}
