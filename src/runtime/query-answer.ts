import { type BoxXyxy, iouXyxy, isSameXyxy } from '../core/box.js';
import { itemError, VgrError } from '../core/error.js';
import type { ScoreCalibration } from '../formats/model-card.js';
import { extentOf, type Query } from '../formats/query-line.js';
import {
  bbox2d,
  type ErrorLine,
  errorLine,
  RESULT_SCHEMA,
  type ResultLine,
  roundedMs,
  roundedScore,
} from '../formats/result-line.js';
import { denotationsOf } from '../language/denotation.js';
import { parseExpression } from '../language/parser.js';
import { firstAnswer, toolAnswer } from '../refine/candidates.js';
import type { Candidate, Refinement, RefineRequest } from '../refine/refiner.js';
import type { ExaminedPhoto } from './photo-store.js';
import type { Clock, RunProgress } from './ports.js';

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
export function failedQuery({ id, imagePath, line }: Query, thrown: unknown): ErrorLine {
  return errorLine({ id, line, image: imagePath }, itemError(thrown));
}

/** Why a query cannot be answered where nothing brings boxes for it. */
export function needsPhoto({ line, imagePath }: Query): VgrError {
  if (imagePath === undefined) {
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

/** The detector whose boxes are candidates. */
export interface DetectorSource {
  /** Its name; absent where none looks at the photos. */
  readonly detectorName?: string | undefined;
  /** What its scores are worth. */
  readonly calibration?: ScoreCalibration | undefined;
}

/** What of a run decides a request. */
export interface RequestSource {
  readonly source?: DetectorSource | undefined;
  /** Whose answer counts as the tool's; by default the first tool of the line, else the detector. */
  readonly toolName?: string | undefined;
}

/** Stands for the tool where neither the line nor a detector gives one. */
const NO_TOOL = 'none';

/** A query with all boxes that are there for it. */
export function requestOf(
  query: Query,
  photo: ExaminedPhoto | undefined,
  run: RequestSource,
): RefineRequest {
  const candidates = candidatesOf(query, photo, run.source);
  const toolName = toolNameOf(query, run);
  const imageSize =
    photo?.size ?? query.imageSize ?? extentOf(candidates.map(({ boxXyxy }) => boxXyxy));
  return {
    query: query.query,
    imageSize,
    candidates,
    toolName,
    tool: answerOf(toolName, query, candidates, photo?.asked ?? false),
    ...(photo && {
      evidence: { raster: photo.raster, contentXyxy: photo.contentXyxy },
    }),
  };
}

/**
 * Tools of the line were asked the expression itself, and so was a detector that takes words; the boxes of any other detector
 * are matched with the words.
 */
function answerOf(
  toolName: string,
  query: Query,
  candidates: readonly Candidate[],
  detectorWasAsked: boolean,
): Candidate | null {
  const own = candidates.filter(({ tool }) => tool === toolName);
  const wasAsked = detectorWasAsked || query.tools.some(({ name }) => name === toolName);
  return wasAsked ? firstAnswer(own) : toolAnswer(query.query, own);
}

/** A tool that is asked for by name and has no boxes on the line gave no answer: there is something to correct then. */
function toolNameOf(query: Query, { toolName, source }: RequestSource): string {
  return toolName ?? query.tools[0]?.name ?? source?.detectorName ?? NO_TOOL;
}

/** The label of a box of one that was asked is a piece of the expression, which may have no noun: "left" names no kind. */
function namesKind(label: string, photo: ExaminedPhoto): boolean {
  return !photo.asked || parseExpression(label).head !== null;
}

function candidatesOf(
  query: Query,
  photo: ExaminedPhoto | undefined,
  source: DetectorSource | undefined,
): readonly Candidate[] {
  const own = photo ? detectedCandidates(photo, source) : [];
  if (query.tools.length === 0) return own;
  const brought = query.tools.flatMap(({ name, boxes }) =>
    boxes.map(({ boxXyxy, score, label }, rank): Candidate => {
      const candidate: { -readonly [Key in keyof Candidate]: Candidate[Key] } = {
        boxXyxy,
        tool: name,
        rank,
      };
      if (score !== undefined) candidate.score = score;
      if (label !== undefined) candidate.label = label;
      return candidate;
    }),
  );
  return [...brought, ...own];
}

/** A run has one detector. The queries of a photo share its candidates, so that what is worked out of them is known again. */
const DETECTED = new WeakMap<ExaminedPhoto, readonly Candidate[]>();

function detectedCandidates(
  photo: ExaminedPhoto,
  { detectorName = '', calibration }: DetectorSource = {},
): readonly Candidate[] {
  const known = DETECTED.get(photo);
  if (known) return known;
  const candidates = photo.detections.map(
    ({ boxXyxy, score, label }, rank): Candidate => ({
      boxXyxy,
      tool: detectorName,
      rank,
      score,
      ...(namesKind(label, photo) && { label }),
      ...(!photo.asked && { listed: true as const }),
      ...(calibration && { calibration }),
    }),
  );
  DETECTED.set(photo, candidates);
  return candidates;
}

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
    image: query.imagePath,
    width: request.imageSize.width,
    height: request.imageSize.height,
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
