import type { ErrorLine, ResultLine } from '../formats/result-line.js';
import { sharedPhoto } from '../inference/shared-photo.js';
import { readLineBlocks, readLines } from '../io/line-reader.js';
import type { OverlayFolder } from '../io/overlay.js';
import { withoutDone } from '../pipeline/journal.js';
import { take, untilAborted } from '../pipeline/ordered-map.js';
import type { Clock, PhotoRef, PlacedLine, RunProgress } from '../pipeline/ports.js';
import { intakeBlocks, refineBlocks } from '../pipeline/query-blocks.js';
import { type IntakeItem, intakeQueries, QueryIntake } from '../pipeline/query-intake.js';
import { type PhotoSource, refineQueries } from '../pipeline/refine-run.js';
import type { Shard } from '../pipeline/shard.js';
import type { LiteSpec } from '../refinement/lite-refiner.js';
import type { Engine } from './engine.js';
import { streamOptions } from './line-command.js';
import type { RefineFlags } from './refine-command.js';
import type { OpenedRefiner } from './vlm-open.js';

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
export function answeredLines(given: AnswerParts): AsyncIterable<PlacedLine> {
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
