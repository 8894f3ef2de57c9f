import type { Query } from '../formats/query-line.js';
import {
  bbox2d,
  RESULT_SCHEMA,
  type ResultLine,
  roundedMs,
  roundedScore,
} from '../formats/result-line.js';
import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import type { Candidate, Refinement, RefineRequest } from '../refinement/refiner.js';

/** Milliseconds that one query cost. */
export interface QueryTiming {
  readonly decode: number;
  readonly detect: number;
  readonly refine: number;
}

/** The answer's box is that of a candidate, or one rebuilt from candidates: the label is of the one it overlaps most. */
const SAME_OBJECT_IOU = 0.5;

/** The result line of an answered query. */
export function resultLine(
  query: Query,
  request: RefineRequest,
  { think, answer }: Refinement,
  timing: QueryTiming | undefined,
): ResultLine {
  const label = answer.boxXyxy && labelOf(answer.boxXyxy, request.candidates);
  return {
    type: 'result',
    schema: RESULT_SCHEMA,
    id: query.id,
    ...(query.image !== undefined && { image: query.image }),
    width: request.image.width,
    height: request.image.height,
    query: query.query,
    tool: {
      name: request.toolName,
      bbox_2d: box(request.tool?.boxXyxy ?? null),
      ...(request.tool?.score !== undefined && { score: roundedScore(request.tool.score) }),
      ...(request.tool?.label !== undefined && { label: request.tool.label }),
    },
    think: {
      bbox_2d: box(think.boxXyxy),
      score: roundedScore(think.score),
      text: think.text,
    },
    answer: {
      bbox_2d: box(answer.boxXyxy),
      score: roundedScore(answer.score),
      decision: answer.decision,
      text: answer.text,
      ...(label && { label }),
    },
    candidates: request.candidates.length,
    ...(timing && {
      timing_ms: {
        decode: roundedMs(timing.decode),
        detect: roundedMs(timing.detect),
        refine: roundedMs(timing.refine),
      },
    }),
    ...(Object.keys(query.extra).length > 0 && { extra: query.extra }),
  };
}

function box(boxXyxy: BoxXyxy | null): ReturnType<typeof bbox2d> | null {
  return boxXyxy && bbox2d(boxXyxy);
}

function labelOf(boxXyxy: BoxXyxy, candidates: readonly Candidate[]): string | undefined {
  let label: string | undefined;
  let best = SAME_OBJECT_IOU;
  for (const candidate of candidates) {
    if (candidate.label === undefined) continue;
    const overlap = iouXyxy(boxXyxy, candidate.boxXyxy);
    if (overlap > best) {
      best = overlap;
      label = candidate.label;
    }
  }
  return label;
}
