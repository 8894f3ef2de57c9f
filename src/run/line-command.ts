import { WHOLE } from '../cli/flags.js';
import { printable, VgrError } from '../core/error.js';
import { readJson } from '../core/files.js';
import type { Interruption } from '../core/interruption.js';
import type { OrderedMapOptions } from '../core/ordered-map.js';
import { type ProgressMode, progressMode } from '../core/progress.js';
import type { Printer } from '../core/terminal.js';
import { type Category, CategoryIds, type ImageNumbering } from '../formats/coco.js';
import type { RunSettings } from '../formats/run-summary.js';
import type { DecodingMemory } from '../photos/decode.js';
import { OverlayFolder } from '../photos/draw.js';
import { imageRoots } from '../photos/find-photos.js';
import { refuseAmongPhotos } from '../photos/image-path.js';
import type { InferenceFlags } from '../runtime/device.js';
import type { Engine } from '../runtime/engine.js';
import type { OpenedPool } from '../runtime/open-pool.js';
import { countingImages, imagesOfCocoFile } from './image-numbering.js';
import { defaultFormat, type LineFormat, type LineOutput, lineOutput } from './line-output.js';
import { OutputFolder, unusedFolder } from './output-folder.js';
import { arrayVariable, type Shard, shardOf } from './shard.js';

/** The flags that `detect` and `refine` share, as the parser gives them. */
export interface LineFlags extends InferenceFlags {
  readonly limit?: number | undefined;
  readonly shard: string;
  readonly 'max-pixels': number;
  readonly 'max-memory'?: string | undefined;
  readonly 'allow-outside': boolean;
  readonly output?: string | undefined;
  readonly visualize?: string | undefined;
  readonly format?: string | undefined;
  readonly 'image-ids'?: string | undefined;
  readonly 'no-timing': boolean;
  readonly 'no-resume': boolean;
  readonly 'retry-failed': boolean;
  readonly unordered: boolean;
  readonly quiet: boolean;
  readonly 'no-progress': boolean;
}

/** A command with its input read. */
export interface LineCommand<Flags extends LineFlags = LineFlags> {
  readonly images: readonly string[];
  readonly flags: Flags;
  readonly pool: OpenedPool;
  readonly printer: Printer;
  readonly interruption: Interruption;
}

/** Where the lines of a run go. */
export interface LineSinks {
  readonly output: LineOutput;
  readonly folder?: OutputFolder;
  readonly images: ImageNumbering;
  readonly categories: CategoryIds;
  readonly progressMode: ProgressMode;
}

/** Settings that decide the lines of either command. Where and how fast they are made is not among them. */
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
export function plainPath(path: string): string {
  const absolute = path.startsWith('/');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return `${absolute ? '/' : ''}${parts.join('/')}` || '.';
}

/** The part of the work that is to do. Who lets each task of an array do the whole is told so. @throws VgrError USAGE */
export function openShard({ shard }: Pick<LineFlags, 'shard'>, printer: Printer): Shard {
  const variable = shard === WHOLE ? arrayVariable(process.env) : undefined;
  if (variable) {
    printer.note(
      `note: ${variable} is set and this task does the whole; \`--shard auto\` takes its part`,
    );
  }
  return shardOf(shard, process.env);
}

/** Opens everything that lines are written to. @throws VgrError of the output folder, or of `--image-ids` */
export async function openSinks(
  command: LineCommand,
  shard: Shard,
  settings: RunSettings,
  categories: readonly Category[],
): Promise<LineSinks> {
  const { flags, printer } = command;
  const ids = flags['image-ids'];
  const images = ids === undefined ? countingImages() : imagesOfCocoFile(await readJson(ids), ids);
  const format = (flags.format ??
    defaultFormat({ toFolder: flags.output !== undefined, quiet: flags.quiet })) as LineFormat;
  const folder = await openFolder(command, shard, settings);
  return {
    output: lineOutput(format, printer),
    ...(folder && { folder }),
    images,
    categories: new CategoryIds(categories),
    progressMode: progressMode({
      quiet: flags.quiet,
      noProgress: flags['no-progress'],
      linesOnTerminal: Boolean(process.stdout.isTTY) && format !== 'none',
    }),
  };
}

/** The folder of `--visualize`, if that is given. @throws VgrError USAGE where it is one of photos */
export async function openOverlays(
  images: readonly string[],
  folder: string | undefined,
  memory: DecodingMemory,
): Promise<OverlayFolder | undefined> {
  if (folder === undefined) return undefined;
  await refuseAmongPhotos(folder, await imageRoots(images));
  return new OverlayFolder(folder, memory);
}

async function openFolder(
  { flags, printer }: LineCommand,
  shard: Shard,
  settings: RunSettings,
): Promise<OutputFolder | undefined> {
  const { 'no-resume': anew, 'retry-failed': retryFailed } = flags;
  if (anew && retryFailed)
    throw new VgrError('USAGE', '--no-resume and --retry-failed exclude each other', {
      hint: 'to mend a folder take `--retry-failed`, to start anew `--no-resume`',
    });
  if (flags.output === undefined) {
    if (anew || retryFailed) {
      throw new VgrError('USAGE', '--no-resume and --retry-failed belong to an `--output` folder', {
        hint: 'name the folder of the earlier run: `--output DIR --retry-failed`',
      });
    }
    return undefined;
  }
  const path = anew ? unusedFolder(flags.output) : flags.output;
  if (path !== flags.output) printer.note(`writing to ${printable(path)}`);
  return OutputFolder.open(path, settings, {
    retryFailed,
    sharded: shard.count > 1,
  });
}

/** How many items are in work; read-ahead as deep again hides a slow one from the rest. */
export function streamOptions(
  flags: LineFlags,
  { inFlight }: Pick<Engine, 'inFlight'>,
  perPhoto = 1,
): OrderedMapOptions {
  const concurrency = inFlight * perPhoto;
  return { concurrency, backpressure: 2 * concurrency, unordered: flags.unordered };
}
