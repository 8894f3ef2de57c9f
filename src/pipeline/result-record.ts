import type { Query } from '../formats/query-line.js';
import {
  bbox2d,
  RESULT_SCHEMA,
  type ResultLine,
  roundedMs,
  roundedScore,
} from '../formats/result-line.js';
import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy, isSameXyxy } from '../geometry/overlap.js';
import { denotationsOf } from '../language/denotation.js';
import { parseExpression } from '../language/expression.js';
import type { Candidate, Refinement, RefineRequest } from '../refinement/refiner.js';

/** Milliseconds that one query cost. */
export interface QueryTiming {
  readonly decode: number;
  readonly detect: number;
  readonly refine: number;
}

/** The answer's box is that of a candidate, or rebuilt from candidates that overlap it this much (IoU). */
const SAME_OBJECT_IOU = 0.5;
/** A detector may give one box under several labels; overlaps closer than this are the same box. */
const SAME_BOX_IOU = 0.02;

/** The result line of an answered query. */
export function resultLine(
  query: Query,
  request: RefineRequest,
  { think, answer }: Refinement,
  timing: QueryTiming | undefined,
): ResultLine {
  const labelled = (boxXyxy: BoxXyxy): { readonly label?: string } => {
    const label = labelOf(query.query, boxXyxy, request.candidates);
    return label === undefined ? {} : { label };
  };
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
      ...(answer.format !== undefined && { format: answer.format }),
      ...(answer.boxes && {
        boxes: answer.boxes.map(({ boxXyxy, score }) => ({
          bbox_2d: bbox2d(boxXyxy),
          score: roundedScore(score),
          ...labelled(boxXyxy),
        })),
      }),
      ...(answer.cascade && { cascade: answer.cascade }),
      ...(answer.boxXyxy && labelled(answer.boxXyxy)),
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

/** The label of the candidate that the answer is: of labels on the same box the one that the words name. */
function labelOf(
  query: string,
  boxXyxy: BoxXyxy,
  candidates: readonly Candidate[],
): string | undefined {
  const overlaps = candidates
    .filter(({ label }) => label !== undefined)
    .map((candidate) => ({
      label: candidate.label!,
      iou: isSameXyxy(boxXyxy, candidate.boxXyxy) ? 1 : iouXyxy(boxXyxy, candidate.boxXyxy),
    }));
  const best = overlaps.reduce((most, { iou }) => Math.max(most, iou), SAME_OBJECT_IOU);
  const labels = overlaps.filter(({ iou }) => iou > best - SAME_BOX_IOU).map(({ label }) => label);
  if (labels.length < 2) return labels[0];
  const denoted = denotationsOf(parseExpression(query), new Set(labels));
  const weight = (label: string): number => denoted.get(label)?.weight ?? 0;
  return labels.reduce((named, label) => (weight(label) > weight(named) ? label : named));
}
