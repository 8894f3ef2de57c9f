import { quoted } from '../formats/fault.js';
import type { DecodingMemory } from '../io/decoding-memory.js';
import { ImageRoots } from '../io/image-path.js';
import { imageRoots } from '../io/image-source.js';
import { countLines } from '../io/line-reader.js';
import {
  type ExamineParts,
  examinePhoto,
  openUnexamined,
  PhotoStore,
} from '../pipeline/photo-store.js';
import { startedProgress } from '../pipeline/ports.js';
import { PromptedPhotos } from '../pipeline/prompted-photos.js';
import type { PhotoSource } from '../pipeline/refine-run.js';
import type { Shard } from '../pipeline/shard.js';
import { ToolNames } from '../pipeline/tool-names.js';
import { answeredLines } from './answered-lines.js';
import { type Engine, openEngine, photoOpener } from './engine.js';
import {
  type LineCommand,
  type LineFlags,
  lineSettings,
  openOverlays,
  openShard,
  openSinks,
  plainPath,
} from './line-command.js';
import { decodingMemory } from './memory-limit.js';
import type { Printer } from './printer.js';
import { runLines } from './run-lines.js';
import { type OpenedRefiner, openAnyRefiner, PLAIN_SIDE } from './vlm-open.js';
import type { VlmFlags } from './vlm-settings.js';

export interface RefineFlags extends LineFlags, VlmFlags {
  readonly queries: string;
  readonly refiner: string;
  readonly answers: string;
  readonly 'min-confidence': number;
  readonly tool?: string | undefined;
}

/** `vgr refine`: queries to answers. @returns the exit code */
export async function refineCommand(
  command: LineCommand<RefineFlags>,
  cacheFolder: string,
): Promise<number> {
  const { flags, images, printer, interruption } = command;
  const shard = openShard(flags, printer);
  const engine = await openEngine(
    images.length > 0 ? flags : { ...flags, detector: 'none' },
    command.pool,
    printer,
  );
  const opened = await openAnyRefiner(flags, {
    cacheFolder,
    signal: interruption.signal,
    pool: engine.pool,
  });
  try {
    return await answerLines(command, { shard, engine, opened });
  } finally {
    engine.closing();
    await opened.close();
  }
}

interface RefineParts {
  readonly shard: Shard;
  readonly engine: Engine;
  readonly opened: OpenedRefiner;
}

async function answerLines(
  command: LineCommand<RefineFlags>,
  { shard, engine, opened }: RefineParts,
): Promise<number> {
  const { flags, printer, interruption } = command;
  const hasImages = command.images.length > 0;
  const { refiner } = opened;
  const memory = await decodingMemory(
    flags['max-memory'],
    engine.sessions,
    engine.detector,
    hasImages ? opened.warmUp : undefined,
  );
  const settings = {
    ...engine.settings,
    ...lineSettings(flags, shard),
    refiner: refiner.name,
    ...opened.settings,
    tool: flags.tool ?? null,
    queries: plainPath(flags.queries),
    images: JSON.stringify(command.images.map(plainPath)),
  };
  const sinks = await openSinks(command, shard, settings, engine.detector?.categories ?? []);
  try {
    if (opened.recall && sinks.folder) {
      for await (const line of sinks.folder.lines()) opened.recall(line);
    }
    const progress = startedProgress();
    const toolNames = new ToolNames(flags.tool);
    const clock = (): number => performance.now();
    const overlays = await openOverlays(command.images, flags.visualize, memory);
    const source = await photoSource(command, engine, { progress, clock, opened, memory });
    const code = await runLines({
      ...sinks,
      command: 'refine',
      settings,
      engine,
      lines: answeredLines({
        flags,
        shard,
        engine,
        opened,
        source,
        overlays,
        progress,
        clock,
        note: (item) => toolNames.note(item),
        isDone: (item) => Boolean(sinks.folder?.done.hasQuery(item)),
        signal: interruption.signal,
      }),
      progress,
      stages: [
        ...(source
          ? [
              { title: 'decode', count: () => progress.decoded },
              { title: 'detect', count: () => progress.detected },
            ]
          : []),
        { title: 'refine', count: () => progress.refined },
      ],
      countItems: async () => {
        const lines = await countLines(flags.queries);
        return lines && Math.min(lines / shard.count, flags.limit ?? Infinity);
      },
      ...(opened.report && { refinerReport: opened.report }),
      noun: 'query',
      printer,
      interruption,
    });
    for (const warning of opened.warnings?.() ?? []) printer.note(`warning: ${warning}`);
    if (flags.tool !== engine.detector?.name) warnOfTool(flags.tool, toolNames, printer);
    return code;
  } finally {
    await sinks.folder?.close();
  }
}

/** Tells of a tool that no line has: each query is answered as if it had found nothing. */
function warnOfTool(wanted: string | undefined, { others }: ToolNames, printer: Printer): void {
  if (wanted === undefined || others === undefined) return;
  const instead =
    others.length === 0
      ? 'none has `tools`'
      : `they have ${others.map((name) => quoted(name)).join(', ')}`;
  printer.note(`warning: --tool: no line brings boxes of ${quoted(wanted)}; ${instead}`);
}

/** Photos of the folders on the command line, each decoded and detected once for the queries near each other. */
async function photoSource(
  { images, flags }: LineCommand<RefineFlags>,
  { detector, inFlight, decoding }: Engine,
  {
    clock,
    progress,
    opened: { picture, crops, rasterSide = PLAIN_SIDE },
    memory,
  }: Pick<ExamineParts, 'clock' | 'progress'> & {
    readonly opened: OpenedRefiner;
    readonly memory: DecodingMemory;
  },
): Promise<PhotoSource | undefined> {
  // Without a detector photos matter only to a refiner that looks at them itself.
  if (images.length === 0 || (!detector && !picture && !crops)) return undefined;
  const roots = await ImageRoots.open(await imageRoots(images), {
    allowOutside: flags['allow-outside'],
  });
  const parts = { open: photoOpener(flags, memory, decoding), clock, progress };
  const capacity = 2 * inFlight;
  return {
    locate: async (image) => ({ image, path: await roots.resolve(image) }),
    photos: detector?.prompted
      ? new PromptedPhotos(capacity, { ...parts, detector }, detector.prompted)
      : new PhotoStore(capacity, (ref) =>
          detector
            ? examinePhoto(ref, { ...parts, detector })
            : openUnexamined(ref, parts, rasterSide),
        ),
    ...(detector && { detectorName: detector.name }),
    ...(detector?.calibration && { calibration: detector.calibration }),
    ...(picture && { picture: picture(memory) }),
    ...(crops && { crops: crops(memory) }),
  };
}
