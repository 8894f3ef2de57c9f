import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { refuseLinks } from '../core/files.js';
import { type OrderedMapOptions, untilAborted } from '../core/ordered-map.js';
import type { Printer, Terminal } from '../core/terminal.js';
import type { RunSettings } from '../formats/run-summary.js';
import { type DecodingMemory, type PhotoFlags, photoLimits } from '../photos/decode.js';
import type { OverlayFolder } from '../photos/draw.js';
import { imageRoots } from '../photos/find-photos.js';
import { refuseAmongPhotos } from '../photos/image-path.js';
import type { ListOptions, PhotoInput } from '../photos/photo-list.js';
import type { InferenceFlags } from '../runtime/device.js';
import type { RunLine } from '../runtime/ports.js';
import type { Output, OutputFlags } from './output.js';
import { arrayVariable, type Shard, shardOf, WHOLE } from './shard.js';

/** The flags that `detect` and `refine` share, as the parser gives them. */
export interface LineFlags extends InferenceFlags, OutputFlags, PhotoFlags {
  readonly limit?: number;
  readonly photos?: string;
  readonly shard: string;
  readonly 'max-memory'?: string;
  readonly 'allow-outside': boolean;
  readonly visualize?: string;
  readonly show: boolean;
  readonly 'no-timing': boolean;
  readonly unordered: boolean;
}

/** Settings that change the lines of either command. */
export function lineSettings(flags: LineFlags, shard: Shard): RunSettings {
  return {
    shard: `${shard.index}/${shard.count}`,
    max_pixels: flags['max-pixels'],
    allow_outside: flags['allow-outside'],
    timing: !flags['no-timing'],
    unordered: flags.unordered,
  };
}

/** A path as settings hold it: `./photos/` is `photos`. Links and `..` are left as they are. */
export function pathSetting(path: string): string {
  const absolute = path.startsWith('/');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return `${absolute ? '/' : ''}${parts.join('/')}` || '.';
}

/** The same of where photos are from. */
export function imagesSetting({ images, photos }: PhotoInput): string {
  return JSON.stringify((photos === undefined ? images : [photos]).map(pathSetting));
}

/** The part of the work to do. Notes if a task of an array does the whole. @throws VgrError USAGE */
export function openShard({ shard }: Pick<LineFlags, 'shard'>, printer: Printer): Shard {
  const variable = shard === WHOLE ? arrayVariable(process.env) : undefined;
  if (variable) {
    printer.note(
      `note: ${variable} is set and this task does the whole; \`--shard auto\` takes its part`,
    );
  }
  return shardOf(shard, process.env);
}

/**
 * The folder of `--visualize`, if given; of `--show`, the pictures of the output folder, or a folder of their own for the moment.
 * @throws VgrError USAGE if it is a folder of photos
 */
export async function openOverlays(
  images: readonly string[],
  flags: Pick<LineFlags, 'visualize' | 'show' | 'output'> & PhotoFlags,
  memory: DecodingMemory,
): Promise<OverlayFolder | undefined> {
  const { visualize, show, output } = flags;
  if (visualize === undefined && !show) return undefined;
  const folder =
    visualize ??
    (output === undefined
      ? await mkdtemp(path.join(tmpdir(), 'vgr-pictures-'))
      : path.join(output, 'pictures'));
  const { OverlayFolder } = await import('../photos/draw.js');
  refuseLinks(folder, folder);
  await refuseAmongPhotos(folder, await imageRoots(images));
  return new OverlayFolder(folder, { ...photoLimits(flags), memory });
}

/** How photos are looked for: not among the files that the run writes. */
export function listOptions(flags: LineFlags, signal: AbortSignal): ListOptions {
  const except = [flags.output, flags.visualize].filter((folder) => folder !== undefined);
  return { allowOutside: flags['allow-outside'], except, signal };
}

/** @param concurrency items in work; as many are read ahead, so that a slow one does not hold up the rest */
export function streamOf(
  concurrency: number,
  { unordered }: Pick<LineFlags, 'unordered'>,
): OrderedMapOptions {
  return { concurrency, backpressure: 2 * concurrency, unordered };
}

/** A run of `detect` or `refine` whose lines are written. */
export interface LineRun {
  readonly output: Output;
  readonly stages: readonly (keyof typeof COUNTERS)[];
  /** Counts the items of the input, for the time left; undefined if unknown. Called only if progress is shown. */
  readonly countItems: () => Promise<number | undefined>;
  /** Maximum number of items; without one the whole input is read. */
  readonly limit?: number;
  /** Items that were taken in, and those of them that were written, for people who wait for the end. */
  readonly inFlight: () => number;
}

const COUNTERS = { decode: 'decoded', detect: 'detected', refine: 'refined' } as const;

/**
 * Writes the lines, then the COCO files and run.json. What was done stays, whatever ends the run.
 * @returns the exit code
 */
export async function writeLines(
  lines: AsyncIterable<RunLine>,
  run: LineRun,
  terminal: Terminal,
): Promise<number> {
  const { output } = run;
  const { interruption } = terminal;
  interruption.inFlight = run.inFlight;
  try {
    await writeAll(lines, run, terminal);
  } catch (thrown) {
    // run.json says how far the run came; the first error counts.
    await output.save().catch(() => undefined);
    throw thrown;
  }
  if (interruption.overdue.aborted) {
    const quiet = await interruption.inTime(letGo(output));
    output.abandon();
    output.noteContinuation();
    interruption.end({ quiet });
  }
  if (interruption.pipeClosed) {
    await output.save();
    return 0;
  }
  if (interruption.signal.aborted) {
    const code = await output.close({ complete: false });
    output.noteContinuation();
    return code;
  }
  // What an earlier run has done beyond the input is left over.
  return output.finish({ isWhole: run.limit === undefined });
}

async function writeAll(
  lines: AsyncIterable<RunLine>,
  run: LineRun,
  { printer, interruption, showProgress }: Terminal,
): Promise<void> {
  const { output, stages } = run;
  const { progress } = output.run;
  let total: number | undefined;
  let isCounting = false;
  const count = async (): Promise<void> => {
    isCounting = true;
    total = await itemsLeft(run, output);
  };
  const display = await showProgress({
    stages: stages.map((title) => ({
      title,
      count: () => progress[COUNTERS[title]],
      // Queries share photos, whose number is not known.
      total: () => (title === 'refine' || !stages.includes('refine') ? total : undefined),
    })),
    share: () => {
      if (!isCounting) void count();
      return total ? output.items / total : undefined;
    },
  });
  try {
    for await (const line of untilAborted(lines, interruption.overdue)) {
      await output.write(line);
      if (interruption.stdoutError) throw interruption.stdoutError;
      if (interruption.pipeClosed) return;
    }
    await output.stdout.close();
  } finally {
    await display.stop();
    printer.closeErrors();
    // Writes would wait for photos that were given up.
    if (!interruption.overdue.aborted) await output.flush();
  }
}

/** Items that this run has to do; undefined if unknown. */
async function itemsLeft({ countItems, limit }: LineRun, output: Output) {
  const count = await countItems().catch(() => undefined);
  if (count === undefined) return limit;
  return Math.max(
    1,
    Math.min(count - (output.done?.count ?? 0), limit ?? Number.POSITIVE_INFINITY),
  );
}

/** Interval of checks whether photos are still being decoded, milliseconds. */
const ASK_MS = 20;

/** Resolves when no work that was given up is running, and what was done is on the disk. */
async function letGo(output: Output): Promise<void> {
  const { engine, decoding } = output.run;
  await engine.threads.pool.close();
  while (decoding.atHand > 0) await sleep(ASK_MS);
  await output.flush();
}
