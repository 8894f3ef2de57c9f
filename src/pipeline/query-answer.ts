import { VgrError } from '../formats/fault.js';
import type { Query } from '../formats/query-line.js';
import { type ErrorLine, errorLine, type ResultLine } from '../formats/result-line.js';
import type { Refinement, RefineRequest } from '../refinement/refiner.js';
import { itemFault } from './item-fault.js';
import type { ExaminedPhoto } from './photo-store.js';
import type { Clock, RunProgress } from './ports.js';
import { type RequestSource, requestOf } from './query-request.js';
import { resultLine } from './result-record.js';

/** How a query is answered once its photo was looked at. */
export interface AnswerRun extends RequestSource {
  /** Answers one request; requests made together may be answered together. */
  readonly refine: (request: RefineRequest) => Promise<Refinement>;
  readonly clock: Clock;
  readonly progress: Pick<RunProgress, 'refined' | 'refineMs'>;
  readonly timing: boolean;
}

/** The photo of a query. */
export interface SeenPhoto {
  readonly photo: ExaminedPhoto;
  /** Whether it was looked at for this query's sake: the time is told once. */
  readonly fresh: boolean;
}

/** The photo as the query at that place of a block sees it: the time it took is the first one's. */
export function seenAt(at: number, seen: SeenPhoto | undefined): SeenPhoto | undefined {
  return seen && { ...seen, fresh: seen.fresh && at === 0 };
}

/** What a request holds for refiners that look further than the boxes. */
export type FurtherSight = Pick<RefineRequest, 'turn' | 'encodePhoto' | 'crops'>;

/**
 * Think, rethink, answer.
 * @param seen absent where the line's own boxes are all there is
 * @throws VgrError QUERY_INVALID where there are neither, and what the refiner throws
 */
export async function answerQuery(
  query: Query,
  seen: SeenPhoto | undefined,
  run: AnswerRun,
  sight: FurtherSight = {},
): Promise<ResultLine> {
  if (!seen && query.tools.length === 0) throw needsPhoto(query);
  const start = run.clock();
  const request = { ...requestOf(query, seen?.photo, run), ...sight };
  const refinement = await run.refine(request);
  const refine = run.clock() - start;
  run.progress.refined += 1;
  run.progress.refineMs += refine;
  const { decodeMs: decode, detectMs: detect } = seen?.fresh
    ? seen.photo
    : { decodeMs: 0, detectMs: 0 };
  return resultLine(
    query,
    request,
    refinement,
    run.timing ? { decode, detect, refine } : undefined,
  );
}

/** The error record of a query. @throws VgrError what ends the run */
export function failedQuery({ id, image, line }: Query, thrown: unknown): ErrorLine {
  return errorLine({ id, line, ...(image !== undefined && { image }) }, itemFault(thrown));
}

/** Why a query cannot be answered where nothing brings boxes for it. */
export function needsPhoto({ line, image }: Query): VgrError {
  if (image === undefined) {
    return new VgrError(
      'QUERY_INVALID',
      `line ${line}: expected \`image\`, or boxes in \`tools\`; got neither`,
      { hint: 'name the photo: `{"image": "zoo/3.jpg", "query": "the left lion"}`' },
    );
  }
  return new VgrError(
    'QUERY_INVALID',
    `line ${line}: expected boxes in \`tools\`, since nothing looks at photos in this run; got none`,
    { hint: 'name the folder, and a detector: `vgr refine ./images --queries q.jsonl`' },
  );
}
