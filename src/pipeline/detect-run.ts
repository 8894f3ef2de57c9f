import type { VgrError } from '../formats/fault.js';
import {
  bbox2d,
  type DetectionsLine,
  type ErrorLine,
  errorLine,
  RESULT_SCHEMA,
  roundedMs,
  roundedScore,
} from '../formats/result-line.js';
import { itemFault } from './item-fault.js';
import { type OrderedMapOptions, orderedMap } from './ordered-map.js';
import { type ExaminedPhoto, type ExamineParts, examinePhoto } from './photo-store.js';
import type { PhotoRef, PlacedLine, RunProgress } from './ports.js';
import { inShard, type Shard } from './shard.js';

/** A photo to look at, or the reason why a name that was given leads to none. */
export type ListedPhoto = PhotoRef | { readonly image: string; readonly fault: VgrError };

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
    if ('fault' in item) throw item.fault;
    const line = detectionsLine(item, await examinePhoto(item, run), run.timing);
    await run.draw?.(line, item);
    return line;
  } catch (thrown) {
    return errorLine({ image: item.image }, itemFault(thrown));
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
