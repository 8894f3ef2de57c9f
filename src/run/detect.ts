import { itemError, quoted, VgrError } from '../core/error.js';
import {
  countOf,
  noted,
  type OrderedMapOptions,
  orderedMap,
  take,
  untilAborted,
} from '../core/ordered-map.js';
import type { Terminal } from '../core/terminal.js';
import {
  bbox2d,
  type DetectionsLine,
  errorLine,
  RESULT_SCHEMA,
  roundedMs,
  roundedScore,
} from '../formats/result-line.js';
import { type Listed, OtherFiles } from '../photos/find-photos.js';
import { listPhotos } from '../photos/photo-list.js';
import { decodingMemory, openEngine, photoOpener } from '../runtime/engine.js';
import { type ExamineParts, examinePhoto } from '../runtime/photo-store.js';
import {
  type ExaminedPhoto,
  type PhotoRef,
  type RunLine,
  type RunProgress,
  startedProgress,
  written,
} from '../runtime/ports.js';
import type { Threads } from '../runtime/threads.js';
import type { ComparePhoto } from './done-items.js';
import {
  imagesSetting,
  type LineFlags,
  lineSettings,
  listOptions,
  openOverlays,
  openShard,
  streamOf,
  writeLines,
} from './line-run.js';
import { Output, type WrittenRun } from './output.js';
import type { OutputFolder } from './output-folder.js';
import { inShard, type Shard } from './shard.js';

export interface DetectSettings {
  /** Folders, globs or photos. */
  readonly images: readonly string[];
  readonly flags: LineFlags;
  readonly threads: Threads;
}

/** `vgr detect`: photos to detections. @returns the exit code */
export async function detect(
  { images, flags, threads }: DetectSettings,
  terminal: Terminal,
): Promise<number> {
  const { printer, interruption } = terminal;
  const input = { images, photos: flags.photos };
  const shard = openShard(flags, printer);
  const { detector: names } = flags;
  if (names.length > 1 || names[0] === 'none') {
    throw new VgrError(
      'USAGE',
      `--detector: expected one, got ${names.map((each) => quoted(each)).join(', ')}`,
      {
        hint: 'run `vgr detect` once for each; `vgr refine` weighs the boxes of several',
      },
    );
  }
  using engine = await openEngine(flags, threads, printer);
  const detector = engine.detectors[0]!;
  if (detector.prompted) {
    throw new VgrError(
      'USAGE',
      `--classes: ${quoted(detector.name)} finds what it is asked for; expected names, got none`,
      { hint: 'name what to look for: `--classes "cat,remote control"`' },
    );
  }
  const memory = await decodingMemory(flags['max-memory'], threads.sessions, [detector]);
  const { open, meter: decoding } = photoOpener(flags, memory);
  const progress = startedProgress();
  const run: WrittenRun = {
    command: 'detect',
    settings: {
      ...engine.settings,
      ...lineSettings(flags, shard),
      images: imagesSetting(input),
    },
    engine,
    decoding,
    progress,
  };
  await using output = await Output.open(flags, run, printer);
  const overlays = await openOverlays(images, flags, memory);
  output.overlays = overlays;

  const others = new OtherFiles();
  const wanted = (
    counters: Pick<RunProgress, 'listed'>,
    tally?: OtherFiles,
  ): AsyncIterable<PhotoItem> => {
    const options = listOptions(flags, interruption.signal);
    const listed = listPhotos(input, { ...options, others: tally });
    return intakePhotos(listed, shard, counters);
  };
  const photos = untilAborted(wanted(progress, others), interruption.signal);
  const { folder } = output;
  const left = folder ? withoutDone(photos, folder) : photos;
  let taken = 0;
  const begun = noted(take(left, flags.limit), () => {
    taken += 1;
  });
  const lines = detectPhotos(begun, {
    parts: { open, detector, progress },
    stream: streamOf(engine.inFlight, flags),
    timing: !flags['no-timing'],
    draw: overlays && ((line, photo) => overlays.drawDetections(line, photo.path)),
  });
  const stages = ['decode', 'detect'] as const;
  const countItems = async () =>
    flags.photos === '-' ? undefined : countOf(wanted({ listed: 0 }));
  const { limit } = flags;
  const inFlight = (): number => taken - output.items;
  const code = await writeLines(lines, { output, stages, countItems, limit, inFlight }, terminal);
  if (`${others}` !== '') printer.note(`passed by: ${others}`);
  return code;
}

/** A photo with its number in the listing, from 1. */
export type PhotoItem = Listed & { readonly index: number };

/** The photos of a shard, numbered over all shards. */
export async function* intakePhotos(
  listed: AsyncIterable<Listed>,
  shard: Shard,
  progress: Pick<RunProgress, 'listed'>,
): AsyncGenerator<PhotoItem> {
  let index = 0;
  for await (const photo of listed) {
    index += 1;
    progress.listed += 1;
    if (inShard(photo.image, shard)) yield { ...photo, index };
  }
}

async function* withoutDone(
  photos: AsyncIterable<PhotoItem>,
  folder: OutputFolder,
): AsyncGenerator<PhotoItem> {
  const isSame = folder.comparison();
  for await (const photo of photos) {
    const compare: ComparePhoto = async (_, was) =>
      !('path' in photo) || (await isSame(photo.path, was));
    if (!(await folder.journal.done.hasPhoto(photo, compare))) yield photo;
  }
}

export interface DetectRun {
  readonly parts: ExamineParts;
  readonly stream: OrderedMapOptions;
  readonly timing: boolean;
  /** Draws the line over its photo; absent where no pictures are wanted. */
  readonly draw?: (line: DetectionsLine, photo: PhotoRef) => Promise<void>;
}

/** One line per photo: what the detector finds, or its error. */
export function detectPhotos(
  photos: AsyncIterable<PhotoItem>,
  run: DetectRun,
): AsyncIterable<RunLine> {
  const lineOf = async (item: PhotoItem): Promise<RunLine> => {
    const { index, image } = item;
    try {
      if ('error' in item) throw item.error;
      const examined = await examinePhoto(item, run.parts);
      const line = detectionsLine(item, examined, run.timing);
      await run.draw?.(line, item);
      const { bytes, sha256 } = examined;
      return { index, photo: { ...item, bytes, sha256 }, ...written(line) };
    } catch (thrown) {
      return { index, ...written(errorLine({ image }, itemError(thrown))) };
    }
  };
  return orderedMap(photos, lineOf, run.stream);
}

function detectionsLine(
  { image }: PhotoRef,
  { size, detections, decodeMs, detectMs }: ExaminedPhoto,
  timing: boolean,
): DetectionsLine {
  return {
    type: 'detections',
    schema: RESULT_SCHEMA,
    image,
    width: size.width,
    height: size.height,
    detections: detections.map(({ boxXyxy, score, label, categoryId }) => ({
      bbox_2d: bbox2d(boxXyxy),
      score: roundedScore(score),
      label,
      category_id: categoryId,
    })),
    timing_ms: timing ? { decode: roundedMs(decodeMs), detect: roundedMs(detectMs) } : undefined,
  };
}
