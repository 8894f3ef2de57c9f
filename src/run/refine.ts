import { printable, quoted } from '../core/error.js';
import { countLines } from '../core/line-reader.js';
import { noted, type OrderedMapOptions, orderedMap, untilAborted } from '../core/ordered-map.js';
import type { Printer, Terminal } from '../core/terminal.js';
import { errorLine, type ResultLine } from '../formats/result-line.js';
import type { OverlayFolder } from '../photos/draw.js';
import { failedQuery, type RunLine, written } from '../runtime/ports.js';
import {
  openRuntime,
  type Runtime,
  type RuntimeFlags,
  type RuntimeSettings,
} from '../runtime/runtime.js';
import type { ComparePhoto } from './done-items.js';
import { type IntakeItem, queryBlocks, ToolNames } from './intake.js';
import {
  imagesSetting,
  type LineFlags,
  lineSettings,
  listOptions,
  openOverlays,
  openShard,
  pathSetting,
  streamOf,
  writeLines,
} from './line-run.js';
import { Output, type WrittenRun } from './output.js';

export interface RefineFlags extends LineFlags, RuntimeFlags {
  readonly queries?: string;
  /** Expressions to ask of every photo, in place of `queries`. */
  readonly query?: readonly string[];
}

export interface RefineSettings extends Omit<RuntimeSettings, 'locate'> {
  readonly flags: RefineFlags;
}

/** `vgr refine`: queries to answers. @returns the exit code */
export async function refine(settings: RefineSettings, terminal: Terminal): Promise<number> {
  const { images, flags } = settings;
  const { printer, interruption } = terminal;
  const shard = openShard(flags, printer);
  const asked = await askedPhotos(settings, interruption.signal);
  const locate = asked && ((image: string) => asked.locate(image));
  await using runtime = await openRuntime({ ...settings, locate }, terminal);
  const { engine, refiner, decoding, progress } = runtime;
  const run: WrittenRun = {
    command: 'refine',
    settings: {
      ...engine.settings,
      ...lineSettings(flags, shard),
      refiner: refiner.name,
      ...refiner.settings,
      tool: flags.tool ?? null,
      queries: asked ? JSON.stringify(flags.query) : pathSetting(flags.queries ?? ''),
      images: imagesSetting({ images, photos: flags.photos }),
    },
    engine,
    decoding,
    progress,
    report: refiner.large?.report,
  };
  await using output = await Output.open(flags, run, printer);
  const server = refiner.large?.server;
  if (server !== undefined) printer.note(`photos go to ${printable(server)}`);
  const recall = refiner.large?.recall;
  if (recall) for await (const line of output.folder?.journal.lines() ?? []) recall(line);
  const overlays = await openOverlays(images, flags, runtime.memory);
  output.overlays = overlays;

  const toolNames = new ToolNames(flags.tool);
  const isSame = output.folder?.comparison();
  const isSamePhoto: ComparePhoto = (image, was) =>
    runtime.locate(image).then(
      (path) => isSame!(path, was),
      () => true,
    );
  const isDone = (item: IntakeItem): boolean | Promise<boolean> => {
    toolNames.note(item);
    return output.done?.hasQuery(item, isSamePhoto) ?? false;
  };
  const intake = { shard, progress, isDone, limit: flags.limit, blockSize: runtime.blockSize };
  const source = asked?.queries() ?? flags.queries ?? '-';
  const blocks = queryBlocks(source, intake, interruption.signal);
  // Lines that arrive together may be of many photos: a signal skips the blocks that are not begun.
  let taken = 0;
  const begun = noted(untilAborted(blocks, interruption.signal), ({ length }) => {
    taken += length;
  });
  const answered = answerBlocks(begun, runtime, streamOf(runtime.concurrency, flags));
  const lines = overlays
    ? drawLines(answered, overlays, streamOf(engine.inFlight, flags))
    : answered;
  const countItems = async () => {
    const count = await (asked ? asked.count() : countLines(flags.queries ?? '-'));
    return count && count / shard.count;
  };
  const stages = runtime.looksAtPhotos
    ? (['decode', 'detect', 'refine'] as const)
    : (['refine'] as const);
  const { limit } = flags;
  const inFlight = (): number => taken - output.items;
  const code = await writeLines(lines, { output, stages, countItems, limit, inFlight }, terminal);

  for (const warning of refiner.large?.warnings() ?? []) printer.note(`warning: ${warning}`);
  const isDetector = engine.detectors.some(({ name }) => name === flags.tool);
  if (!isDetector) warnOfTool(flags.tool, toolNames, printer);
  return code;
}

/** Photos that are asked the expressions of `--query`; undefined where queries come from a file. */
async function askedPhotos({ images, flags }: RefineSettings, signal: AbortSignal) {
  if (!flags.query) return undefined;
  const { AskedPhotos } = await import('./asked.js');
  const input = { images, photos: flags.photos };
  return new AskedPhotos(input, flags.query, listOptions(flags, signal));
}

/** One line per item, in the order of the file. @throws VgrError what ends the run */
export async function* answerBlocks(
  blocks: AsyncIterable<readonly IntakeItem[]>,
  runtime: Pick<Runtime, 'answer'>,
  stream: OrderedMapOptions,
): AsyncGenerator<RunLine> {
  const answered = orderedMap(blocks, (items) => answerBlock(items, runtime), stream);
  for await (const lines of answered) yield* lines;
}

async function answerBlock(
  items: readonly IntakeItem[],
  runtime: Pick<Runtime, 'answer'>,
): Promise<readonly RunLine[]> {
  const queries = items.flatMap((item) => ('query' in item ? item.query : []));
  const { lines, photo } = queries.length > 0 ? await runtime.answer(queries) : { lines: [] };
  const next = lines.values();
  return items.map((item) => {
    if ('error' in item) return { index: item.line, ...written(errorLine(item, item.error)) };
    const { query } = item;
    return { index: query.line, ...next.next().value!, query, photo };
  });
}

/**
 * Draws each answer into its photo; one that cannot be drawn becomes an error. Works on lines, not on blocks, so that each is
 * written as soon as it is drawn.
 */
export function drawLines(
  lines: AsyncIterable<RunLine>,
  overlays: Pick<OverlayFolder, 'drawAnswer'>,
  stream: OrderedMapOptions,
): AsyncIterable<RunLine> {
  const draw = async (line: RunLine): Promise<RunLine> => {
    const { head, json, query, photo, index } = line;
    if (head.type === 'error' || !query || !photo) return line;
    try {
      await overlays.drawAnswer(JSON.parse(json) as ResultLine, photo.path);
      return line;
    } catch (thrown) {
      return { index, query, ...written(failedQuery(query, thrown)) };
    }
  };
  return orderedMap(lines, draw, stream);
}

/** Warns of a tool that no line has: each query is answered as if it had found nothing. */
function warnOfTool(wanted: string | undefined, { others }: ToolNames, printer: Printer): void {
  if (wanted === undefined || others === undefined) return;
  const instead =
    others.length === 0
      ? 'none has `tools`'
      : `they have ${others.map((name) => quoted(name)).join(', ')}`;
  printer.note(`warning: --tool: no line has boxes of ${quoted(wanted)}; ${instead}`);
}
