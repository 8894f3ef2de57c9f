import type { OrderedMapOptions } from '../core/ordered-map.js';
import type { Printer, Terminal } from '../core/terminal.js';
import type { RunSettings } from '../formats/run-summary.js';
import type { DecodingMemory } from '../photos/decode.js';
import type { OverlayFolder } from '../photos/draw.js';
import { imageRoots } from '../photos/find-photos.js';
import { refuseAmongPhotos } from '../photos/image-path.js';
import type { InferenceFlags } from '../runtime/device.js';
import type { Engine } from '../runtime/engine.js';
import type { OpenedPool } from '../runtime/open-pool.js';
import type { OutputFlags } from './output.js';
import { arrayVariable, type Shard, shardOf, WHOLE } from './shard.js';

/** The flags that `detect` and `refine` share, as the parser gives them. */
export interface LineFlags extends InferenceFlags, OutputFlags {
  readonly limit?: number | undefined;
  readonly shard: string;
  readonly 'max-pixels': number;
  readonly 'max-memory'?: string | undefined;
  readonly 'allow-outside': boolean;
  readonly visualize?: string | undefined;
  readonly 'no-timing': boolean;
  readonly unordered: boolean;
}

/** A command with its input read. */
export interface LineCommand<Flags extends LineFlags = LineFlags> {
  readonly images: readonly string[];
  readonly flags: Flags;
  readonly pool: OpenedPool;
  readonly terminal: Terminal;
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

/** The folder of `--visualize`, if that is given. @throws VgrError USAGE where it is one of photos */
export async function openOverlays(
  images: readonly string[],
  folder: string | undefined,
  memory: DecodingMemory,
): Promise<OverlayFolder | undefined> {
  if (folder === undefined) return undefined;
  await refuseAmongPhotos(folder, await imageRoots(images));
  const draw = await import('../photos/draw.js');
  return new draw.OverlayFolder(folder, memory);
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
