import { quoted } from '../core/error.js';
import { countLines, readLineBlocks, readLines } from '../core/line-reader.js';
import { take, untilAborted } from '../core/ordered-map.js';
import type { Printer } from '../core/terminal.js';
import type { ErrorLine, ResultLine } from '../formats/result-line.js';
import type { DecodingMemory } from '../photos/decode.js';
import type { OverlayFolder } from '../photos/draw.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import type { LiteSpec } from '../refine/lite-refiner.js';
import { type Engine, openEngine, photoOpener } from '../runtime/engine.js';
import { decodingMemory } from '../runtime/memory-limit.js';
import { type ExamineParts, photoShelf, sharedPhoto } from '../runtime/photo-store.js';
import {
  type Clock,
  type PhotoRef,
  type PlacedLine,
  type RunProgress,
  startedProgress,
} from '../runtime/ports.js';
import { type OpenedRefiner, openRefiner, PLAIN_SIDE } from '../runtime/refiner.js';
import type { VlmFlags } from '../vlm/settings.js';
import { type IntakeItem, intakeQueries, QueryIntake, ToolNames } from './intake.js';
import { withoutDone } from './journal.js';
import {
  type LineCommand,
  type LineFlags,
  lineSettings,
  openOverlays,
  openShard,
  plainPath,
  streamOptions,
} from './line-command.js';
import { openOutput } from './output.js';
import { intakeBlocks, refineBlocks } from './query-blocks.js';
import { type PhotoSource, refineQueries } from './refine-run.js';
import { runFacts, runLines } from './run-lines.js';
import type { Shard } from './shard.js';

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
  const { flags, images } = command;
  const { printer, interruption } = command.terminal;
  const shard = openShard(flags, printer);
  const engine = await openEngine(
    images.length > 0 ? flags : { ...flags, detector: 'none' },
    command.pool,
    printer,
  );
  const opened = await openRefiner(flags, {
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
  const { flags, terminal } = command;
  const { printer, interruption } = terminal;
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
  const progress = startedProgress();
  const output = await openOutput(flags, {
    command: 'refine',
    settings,
    shard,
    categories: engine.detector?.categories ?? [],
    facts: runFacts(engine, progress, opened.report),
    printer,
  });
  try {
    if (opened.recall) for await (const line of output.earlierLines()) opened.recall(line);
    const toolNames = new ToolNames(flags.tool);
    const clock = (): number => performance.now();
    const overlays = await openOverlays(command.images, flags.visualize, memory);
    const source = await photoSource(command, engine, { progress, clock, opened, memory });
    const code = await runLines({
      engine,
      output,
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
        isDone: (item) => output.done.hasQuery(item),
        signal: interruption.signal,
      }),
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
      terminal,
    });
    for (const warning of opened.warnings?.() ?? []) printer.note(`warning: ${warning}`);
    if (flags.tool !== engine.detector?.name) warnOfTool(flags.tool, toolNames, printer);
    return code;
  } finally {
    await output.close();
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
  return {
    locate: async (image) => ({ image, path: await roots.resolve(image) }),
    photos: photoShelf({ ...parts, detector }, { capacity: 2 * inFlight, rasterSide }),
    ...(detector && { detectorName: detector.name }),
    ...(detector?.calibration && { calibration: detector.calibration }),
    ...(picture && { picture: picture(memory) }),
    ...(crops && { crops: crops(memory) }),
  };
}

/** Queries of one photo lie near each other: this many are in work for each photo that is. */
const QUERIES_PER_PHOTO = 4;

export interface AnswerParts {
  readonly flags: RefineFlags;
  readonly shard: Shard;
  readonly engine: Engine;
  readonly opened: OpenedRefiner;
  readonly source: PhotoSource | undefined;
  readonly overlays: OverlayFolder | undefined;
  readonly progress: RunProgress;
  readonly clock: Clock;
  /** Whether an earlier run has answered it. */
  readonly isDone: (item: IntakeItem) => boolean;
  /** Told of every line of the run that is read, done or not. */
  readonly note: (item: IntakeItem) => void;
  readonly signal: AbortSignal;
}

/**
 * The lines of a run. Queries go to the threads of the pool, a block at a time, where any thread can answer them. They are
 * answered here where the refiner asks a server or an encoder or has nothing to do (`none`), and where the detector takes each
 * expression by itself.
 */
function answeredLines(given: AnswerParts): AsyncIterable<PlacedLine> {
  const isDone = (item: IntakeItem): boolean => {
    given.note(item);
    return given.isDone(item);
  };
  const parts = { ...given, isDone };
  const { spec } = given.opened;
  const asksOthers = given.source?.crops || given.engine.detector?.prompted;
  return spec && !asksOthers ? answeredInThreads(parts, spec) : answeredHere(parts);
}

function answeredInThreads(
  { flags, shard, engine, source, overlays, progress, isDone, signal }: AnswerParts,
  refiner: LiteSpec,
): AsyncIterable<PlacedLine<ResultLine | ErrorLine>> {
  const taken = intakeBlocks(untilAborted(readLineBlocks(flags.queries, { signal }), signal), {
    intake: new QueryIntake(shard, progress),
    isDone,
    limit: flags.limit ?? Infinity,
  });
  // Lines that came in one piece may be of many photos: those that are not begun are not, after a signal.
  const blocks = untilAborted(taken, signal);
  // One block more than there are threads lies ready for the first that is free, beside the photos that are looked at.
  const concurrency = engine.sessions + 1 + (source ? engine.inFlight : 0);
  return refineBlocks(blocks, {
    ...(source && { source }),
    answer: (queries, seen) =>
      engine.pool.refine({
        refiner,
        texts: queries.map(({ text }) => text),
        numbers: queries.map(({ query }) => query.line),
        ...(seen && { seen: { photo: sharedPhoto(seen.photo), fresh: seen.fresh } }),
        ...(source && {
          source: { detectorName: source.detectorName, calibration: source.calibration },
        }),
        toolName: flags.tool,
        timing: !flags['no-timing'],
      }),
    progress,
    stream: { concurrency, backpressure: 2 * concurrency, unordered: flags.unordered },
    ...(overlays && {
      drawing: {
        draw: (line: ResultLine, { path }: PhotoRef) => overlays.drawAnswer(line, path),
        stream: streamOptions(flags, engine),
      },
    }),
  });
}

function answeredHere({
  flags,
  shard,
  engine,
  opened,
  source,
  overlays,
  progress,
  clock,
  isDone,
  signal,
}: AnswerParts): AsyncIterable<PlacedLine<ResultLine | ErrorLine>> {
  const lines = untilAborted(readLines(flags.queries, { signal }), signal);
  const items = take(intakeQueries(lines, shard, progress), flags.limit ?? Infinity);
  const { refiner } = opened;
  return refineQueries(withoutDone(items, isDone), {
    ...(source && { source }),
    refine: async (request) => (await refiner.refine([request]))[0]!,
    ...(flags.tool !== undefined && { toolName: flags.tool }),
    clock,
    progress,
    stream: streamOptions(
      flags,
      { inFlight: engine.inFlight + Math.ceil(opened.inFlight / QUERIES_PER_PHOTO) },
      QUERIES_PER_PHOTO,
    ),
    timing: !flags['no-timing'],
    ...(overlays && { draw: (line, { path }) => overlays.drawAnswer(line, path) }),
  });
}
