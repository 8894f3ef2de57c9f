import type { ImageSize } from '../core/box.js';
import { type OrderedMapOptions, orderedMap } from '../core/ordered-map.js';
import type { Query, ReadQuery } from '../formats/query-line.js';
import { type ErrorLine, errorLine, type ResultLine } from '../formats/result-line.js';
import type { CropMatcher, RefineRequest, Turn } from '../refine/refiner.js';
import type { PhotoShelf } from '../runtime/photo-store.js';
import type { PhotoRef, PlacedLine } from '../runtime/ports.js';
import {
  type AnswerRun,
  answerQuery,
  type DetectorSource,
  failedQuery,
  type SeenPhoto,
} from '../runtime/query-answer.js';
import type { IntakeItem } from './intake.js';

/** Where photos come from; absent when no images are given, and lines answer with their own boxes. */
export interface PhotoSource extends DetectorSource {
  /** Finds the photo that a line names. @throws VgrError IMAGE_MISSING, IMAGE_OUTSIDE */
  readonly locate: (image: string) => Promise<PhotoRef>;
  readonly photos: PhotoShelf;
  /** Makes a picture of that size as a data URL, for refiners that look at the photo. @throws VgrError of the photo */
  readonly picture?: (ref: PhotoRef, size: ImageSize) => Promise<string>;
  /** What holds crops of a photo against words, for refiners that read it. */
  readonly crops?: (ref: PhotoRef) => CropMatcher;
}

/** Draws an answer into its photo. */
export type DrawAnswer = (line: ResultLine, ref: PhotoRef) => Promise<void>;

export interface RefineRun extends AnswerRun {
  readonly source?: PhotoSource;
  readonly stream: OrderedMapOptions;
  readonly draw?: DrawAnswer;
}

/** One line a query, in the order of the file: look at the photo, think, rethink, answer. */
export function refineQueries(
  items: AsyncIterable<IntakeItem>,
  run: RefineRun,
): AsyncIterable<PlacedLine<ResultLine | ErrorLine>> {
  const turnstile = new Turnstile();
  return orderedMap(
    items,
    async (item) => ({
      place: 'error' in item ? item.line : item.query.line,
      line: await lineOf(item, run, turnstile.enter()),
    }),
    run.stream,
  );
}

async function lineOf(
  item: IntakeItem,
  run: RefineRun,
  turn: Turn,
): Promise<ResultLine | ErrorLine> {
  try {
    return 'error' in item ? errorLine(item, item.error) : await answerOrError(item, run, turn);
  } finally {
    turn.take();
  }
}

/** @throws VgrError what ends the run */
async function answerOrError(
  { query }: ReadQuery,
  run: RefineRun,
  turn: Turn,
): Promise<ResultLine | ErrorLine> {
  try {
    const seen = await lookAt(query, run.source);
    const crops = seen && run.source?.crops?.(seen.ref);
    const line = await answerQuery(query, seen, run, {
      turn,
      ...(seen && pictureOf(seen, run)),
      ...(crops && { crops }),
    });
    if (seen) await run.draw?.(line, seen.ref);
    return line;
  } catch (thrown) {
    return failedQuery(query, thrown);
  }
}

/** A photo that was looked at, and where it lies. */
export interface LocatedPhoto extends SeenPhoto {
  readonly ref: PhotoRef;
}

/**
 * Has the detector look at the photo of a query; undefined where the line names none, or no images are given.
 * @throws VgrError of the path, the decoder or the detector
 */
export async function lookAt(
  { imagePath, query }: Pick<Query, 'imagePath' | 'query'>,
  source: Pick<PhotoSource, 'locate' | 'photos'> | undefined,
): Promise<LocatedPhoto | undefined> {
  if (imagePath === undefined || !source) return undefined;
  const ref = await source.locate(imagePath);
  const { photo, fresh } = source.photos.get(ref, query);
  return { ref, photo: await photo, fresh };
}

function pictureOf(
  { ref, photo: { size: photo } }: LocatedPhoto,
  { source }: RefineRun,
): Pick<RefineRequest, 'encodePhoto'> {
  const picture = source?.picture;
  if (!picture) return {};
  return {
    encodePhoto: async (sizeFor) => {
      const size = sizeFor(photo);
      return { url: await picture(ref, size), photo, picture: size };
    },
  };
}

/** Lets requests that are worked on side by side take their turns in the order in which they entered. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Every turn must be taken at last, or nobody behind it comes through. */
  enter(): Turn {
    const come = this.#last;
    let take = (): void => undefined;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    this.#last = come.then(() => taken);
    return { come, take };
  }
}
