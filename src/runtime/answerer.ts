import { itemError, VgrError } from '../core/error.js';
import type { Query } from '../formats/query-line.js';
import type { Turn } from '../refine/refiner.js';
import { isCrash } from './pooled-worker.js';
import {
  type AnsweredQueries,
  failedQuery,
  type PhotoRef,
  type PhotoShelf,
  type RunProgress,
  type SeenPhoto,
  type WrittenLine,
  written,
} from './ports.js';

/** A photo that was looked at, and where it lies. */
export interface LocatedPhoto extends SeenPhoto {
  readonly ref: PhotoRef;
}

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
  seen: LocatedPhoto | undefined,
  turn: Turn,
) => Promise<AnsweredQueries>;

/** Lines of queries, parallel to them. */
export interface Answers {
  readonly lines: readonly WrittenLine[];
  /** The photo of the queries; absent where none was looked at. */
  readonly photo?: PhotoRef;
}

/** Looks at the photos of queries, and has the queries answered. */
export class Answerer {
  readonly #ask: AskRefiner;
  readonly #photos: PhotoSource | undefined;
  readonly #progress: Pick<RunProgress, 'refined' | 'refineMs'>;
  readonly #turns = new Turnstile();

  /** @param photos absent where nothing looks at photos */
  constructor(
    ask: AskRefiner,
    photos: PhotoSource | undefined,
    progress: Pick<RunProgress, 'refined' | 'refineMs'>,
  ) {
    this.#ask = ask;
    this.#photos = photos;
    this.#progress = progress;
  }

  /**
   * Answers queries of one photo, or queries without one. The order of the calls is the order of the input.
   * @param queries one or more
   * @throws VgrError what ends the run
   */
  async answer(queries: readonly Query[]): Promise<Answers> {
    const turn = this.#turns.enter();
    try {
      const seen = await this.#lookAt(queries[0]!);
      const { lines, ms } = await this.#ask(queries, seen, turn);
      this.#progress.refineMs += ms;
      this.#progress.refined += lines.filter(({ head }) => head.type === 'result').length;
      return { lines, photo: seen?.ref };
    } catch (thrown) {
      return { lines: queries.map((query) => written(failedQuery(query, thrown))) };
    } finally {
      turn.take();
    }
  }

  /** @throws VgrError of the path, the decoder or the detector */
  async #lookAt({ imagePath, query }: Query): Promise<LocatedPhoto | undefined> {
    if (imagePath === undefined || !this.#photos) return undefined;
    const ref = await this.#photos.locate(imagePath);
    const { photo, fresh } = this.#photos.shelf.get(ref, query);
    return { ref, photo: await photo, fresh };
  }
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
