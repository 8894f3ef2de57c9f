import { itemError, quoted, VgrError } from '../core/error.js';
import { type OrderedMapOptions, orderedMap, take, untilAborted } from '../core/ordered-map.js';
import {
  bbox2d,
  type DetectionsLine,
  type ErrorLine,
  errorLine,
  RESULT_SCHEMA,
  roundedMs,
  roundedScore,
} from '../formats/result-line.js';
import { listImages } from '../photos/find-photos.js';
import { openEngine, photoOpener } from '../runtime/engine.js';
import { decodingMemory } from '../runtime/memory-limit.js';
import { type ExaminedPhoto, type ExamineParts, examinePhoto } from '../runtime/photo-store.js';
import {
  type PhotoRef,
  type PlacedLine,
  type RunProgress,
  startedProgress,
} from '../runtime/ports.js';
import { withoutDone } from './journal.js';
import {
  type LineCommand,
  lineSettings,
  openOverlays,
  openShard,
  plainPath,
  streamOptions,
} from './line-command.js';
import { openOutput } from './output.js';
import { runFacts, runLines } from './run-lines.js';
import { inShard, type Shard } from './shard.js';

/** `vgr detect`: photos to detections. @returns the exit code */
export async function detectCommand(command: LineCommand): Promise<number> {
  const { images, flags, terminal } = command;
  const { printer, interruption } = terminal;
  const shard = openShard(flags, printer);
  const engine = await openEngine(flags, command.pool, printer);
  const { detector } = engine;
  if (!detector) throw new VgrError('USAGE', '--detector: `detect` needs one, got `none`');
  if (detector.prompted) {
    throw new VgrError(
      'USAGE',
      `--classes: ${quoted(detector.name)} finds what it is asked for; expected names, got none`,
      { hint: 'name what to look for: `--classes "cat,remote control"`' },
    );
  }
  const memory = await decodingMemory(flags['max-memory'], engine.sessions, detector);
  const settings = {
    ...engine.settings,
    ...lineSettings(flags, shard),
    images: JSON.stringify(images.map(plainPath)),
  };
  const progress = startedProgress();
  const output = await openOutput(flags, {
    command: 'detect',
    settings,
    shard,
    categories: detector.categories,
    facts: runFacts(engine, progress),
    printer,
  });
  try {
    const overlays = await openOverlays(images, flags.visualize, memory);
    const wanted = (counters: Pick<RunProgress, 'listed'>): AsyncIterable<PhotoItem> => {
      const listed = listImages(images, { allowOutside: flags['allow-outside'] });
      return take(intakePhotos(listed, shard, counters), flags.limit ?? Number.POSITIVE_INFINITY);
    };
    const photos = withoutDone(untilAborted(wanted(progress), interruption.signal), (item) =>
      output.done.hasPhoto(item),
    );
    return await runLines({
      engine,
      output,
      lines: detectPhotos(photos, {
        open: photoOpener(flags, memory, engine.decoding),
        detector,
        clock: () => performance.now(),
        progress,
        stream: streamOptions(flags, engine),
        timing: !flags['no-timing'],
        ...(overlays && { draw: (line, { path }) => overlays.drawDetections(line, path) }),
      }),
      stages: [
        { title: 'decode', count: () => progress.decoded },
        { title: 'detect', count: () => progress.detected },
      ],
      countItems: () => countOf(wanted({ listed: 0 })),
      terminal,
    });
  } finally {
    engine.closing();
    await output.close();
  }
}

async function countOf(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _item of items) count += 1;
  return count;
}

/** A photo to look at, or the reason why a name that was given leads to none. */
export type ListedPhoto = PhotoRef | { readonly image: string; readonly error: VgrError };

/** The same with its place in the listing, from 1. */
export type PhotoItem = ListedPhoto & { readonly place: number };

/** The photos of a shard, numbered over all shards. */
export async function* intakePhotos(
  listed: AsyncIterable<ListedPhoto>,
  shard: Shard,
  progress: Pick<RunProgress, 'listed'>,
): AsyncGenerator<PhotoItem> {
  let place = 0;
  for await (const photo of listed) {
    place += 1;
    progress.listed += 1;
    if (inShard(photo.image, shard)) yield { ...photo, place };
  }
}

export interface DetectRun extends ExamineParts {
  readonly stream: OrderedMapOptions;
  readonly timing: boolean;
  /** Draws the line over its photo; absent where nobody wants pictures. */
  readonly draw?: (line: DetectionsLine, ref: PhotoRef) => Promise<void>;
}

/** One line a photo: what the detector finds, or why it could not look. */
export function detectPhotos(
  photos: AsyncIterable<PhotoItem>,
  run: DetectRun,
): AsyncIterable<PlacedLine<DetectionsLine | ErrorLine>> {
  return orderedMap(
    photos,
    async (item) => ({ place: item.place, line: await detectPhoto(item, run) }),
    run.stream,
  );
}

async function detectPhoto(item: PhotoItem, run: DetectRun): Promise<DetectionsLine | ErrorLine> {
  try {
    if ('error' in item) throw item.error;
    const line = detectionsLine(item, await examinePhoto(item, run), run.timing);
    await run.draw?.(line, item);
    return line;
  } catch (thrown) {
    return errorLine({ image: item.image }, itemError(thrown));
  }
}

function detectionsLine(ref: PhotoRef, photo: ExaminedPhoto, timing: boolean): DetectionsLine {
  return {
    type: 'detections',
    schema: RESULT_SCHEMA,
    image: ref.image,
    width: photo.size.width,
    height: photo.size.height,
    detections: photo.detections.map(({ boxXyxy, score, label, categoryId }) => ({
      bbox_2d: bbox2d(boxXyxy),
      score: roundedScore(score),
      label,
      category_id: categoryId,
    })),
    ...(timing && {
      timing_ms: { decode: roundedMs(photo.decodeMs), detect: roundedMs(photo.detectMs) },
    }),
  };
}
