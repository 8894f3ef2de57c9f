import type { ImageSize } from '../core/box.js';
import { itemError, VgrError } from '../core/error.js';
import type { Query } from '../formats/query-line.js';
import type { Turn } from '../refine/refiner.js';
import type { PhotoShelf } from './photo-store.js';
import { isCrash } from './pooled-worker.js';
import {
  type AnsweredQueries,
  failedQuery,
  type PhotoFacts,
  type PhotoRef,
  type RunProgress,
  type SeenPhoto,
  type WrittenLine,
  written,
} from './ports.js';

/** Photos as queries name them. */
export interface PhotoSource {
  /** @throws VgrError IMAGE_MISSING, IMAGE_OUTSIDE */
  readonly locate: (imagePath: string) => Promise<PhotoRef>;
  readonly shelf: PhotoShelf;
}

/**
 * Answers queries together.
 * @param seen their photo; absent where their own boxes are all there is
 * @throws VgrError WORKER_CRASHED where a thread ends under them, or why they are refused
 */
export type AskRefiner = (
  queries: readonly Query[],
  seen: SeenPhoto | undefined,
  turn: Turn,
) => Promise<AnsweredQueries>;

/** Lines of queries, parallel to them. */
export interface Answers {
  readonly lines: readonly WrittenLine[];
  /** The photo of the queries; absent where none was looked at. */
  readonly photo?: PhotoRef & PhotoFacts;
}

/**
 * Looks at the photos of queries, and has the queries answered: queries of one photo, or queries without one. The order of the
 * calls is the order of the input.
 * @param photos absent where nothing looks at photos
 * @returns a function of one or more queries; it throws what ends the run
 */
export function answering(
  ask: AskRefiner,
  photos: PhotoSource | undefined,
  progress: Pick<RunProgress, 'refined' | 'refineMs' | 'otherSizes'>,
): (queries: readonly Query[]) => Promise<Answers> {
  const turns = new Turnstile();
  return async (queries) => {
    const turn = turns.enter();
    try {
      const seen = photos && (await lookAt(queries[0]!, photos));
      const { lines, ms } = await ask(queries, seen, turn);
      progress.otherSizes += seen ? queries.filter(statesOther(seen.photo.size)).length : 0;
      progress.refineMs += ms;
      progress.refined += lines.filter(({ head }) => head.type === 'result').length;
      return { lines, photo: seen && factsOf(seen) };
    } catch (thrown) {
      return { lines: queries.map((query) => written(failedQuery(query, thrown))) };
    } finally {
      turn.take();
    }
  };
}

/** Whether a query states another size than its photo has: its boxes may be of another photo, or of a scaled one. */
function statesOther({ width, height }: ImageSize) {
  return ({ imageSize: stated }: Query): boolean =>
    stated !== undefined && (stated.width !== width || stated.height !== height);
}

function factsOf({ ref, photo: { bytes, sha256 } }: SeenPhoto): PhotoRef & PhotoFacts {
  return { ...ref, bytes, sha256 };
}

/** @throws VgrError of the path, the decoder or the detector */
async function lookAt(
  { imagePath, query }: Query,
  { locate, shelf }: PhotoSource,
): Promise<SeenPhoto | undefined> {
  if (imagePath === undefined) return undefined;
  const ref = await locate(imagePath);
  const { photo, fresh } = shelf(ref, query);
  return { ref, photo: await photo, fresh };
}

/**
 * The same refiner, which asks one query after the other where a thread ends under them or refuses them together, so that one
 * takes no other along.
 */
export function singlyOnError(ask: AskRefiner): AskRefiner {
  return async (queries, seen, turn) => {
    try {
      return await ask(queries, seen, turn);
    } catch (thrown) {
      if (!isCrash(thrown)) itemError(thrown);
    }
    const lines: WrittenLine[] = [];
    let ms = 0;
    for (const [at, query] of queries.entries()) {
      const fresh = seen?.fresh === true && at === 0;
      try {
        const answered = await ask([query], seen && { ...seen, fresh }, turn);
        lines.push(...answered.lines);
        ms += answered.ms;
      } catch (thrown) {
        const error = isCrash(thrown) ? endedTwice(query, thrown) : thrown;
        lines.push(written(failedQuery(query, error)));
      }
    }
    return { lines, ms };
  };
}

function endedTwice({ line }: Query, cause: VgrError): VgrError {
  return new VgrError(
    'REFINEMENT_FAILED',
    `line ${line}: the refiner ended twice on this query: ${cause.message}`,
    { cause, hint: cause.hint ?? 'leave the line out, or give it fewer boxes' },
  );
}

/** Lets requests that are worked on side by side take their turns in the order in which they entered. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Every turn must be taken in the end: the ones behind it wait for it. */
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
