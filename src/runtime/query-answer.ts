import { type BoxXyxy, clipXyxy, type ImageSize, iouXyxy, isSameXyxy } from '../core/box.js';
import { VgrError } from '../core/error.js';
import { FUSED_IOU } from '../core/iou.js';
import { extentOf, type Query } from '../formats/query-line.js';
import {
  bbox2d,
  type OutputLine,
  RESULT_SCHEMA,
  type ResultLine,
  roundedMs,
  roundedScore,
  type TimingMs,
} from '../formats/result-line.js';
import { denotationsOf } from '../language/denotation.js';
import { parseExpression } from '../language/parser.js';
import { firstAnswer, toolAnswer } from '../refine/candidates.js';
import type { Candidate, Lister, Refinement, RefineRequest, Refiner } from '../refine/refiner.js';
import {
  type AnsweredQueries,
  type CandidateSource,
  type ExaminedPhoto,
  type Found,
  failedQuery,
  type SeenPhoto,
  written,
} from './ports.js';

/** What of a run decides which boxes a query gets. */
interface CandidateSettings {
  /** The detectors whose boxes are candidates, with what their scores are worth; none where nothing looks at the photos. */
  readonly detectors: readonly CandidateSource[];
  /** Whose answer counts as the tool's; by default the first tool of the line, else the first detector. */
  readonly toolName?: string;
}

/** What of a run decides how its queries are answered, beside the refiner. */
export interface AnswerSettings extends CandidateSettings {
  /** Whether lines say how long their answer took. */
  readonly timing: boolean;
  /** See {@link vocabularyOf}. */
  readonly vocabulary?: readonly string[];
}

/** Queries that are answered together. */
export interface QueryBlock {
  readonly queries: readonly Query[];
  /** The photo of all of them; absent where their own boxes are all there is. */
  readonly seen?: SeenPhoto;
  readonly settings: AnswerSettings;
}

/** What a request holds for refiners that look further than the boxes. */
export type FurtherSight = Pick<RefineRequest, 'turn' | 'encodePhoto' | 'crops' | 'ground'>;

/**
 * Think, rethink, answer, for queries of one photo. Queries that are answered together share the time equally.
 * @throws VgrError what ends the run
 */
export async function answerQueries(
  { queries, seen, settings }: QueryBlock,
  refiner: Refiner,
  sight: FurtherSight = {},
): Promise<AnsweredQueries> {
  const start = performance.now();
  const lines = await Promise.all(
    queries.map(async (query, at): Promise<OutputLine> => {
      try {
        if (!seen && query.tools.length === 0) throw needsPhoto(query);
        const request = { ...requestOf(query, seen?.photo, settings), ...sight };
        const refinement = await refiner.refine(request);
        const { decodeMs, detectMs } = seen?.fresh && at === 0 ? seen.photo : NO_TIME;
        const timing = settings.timing && { decode: decodeMs, detect: detectMs };
        return resultLine(query, request, refinement, {
          timing: timing || undefined,
          namesTools: settings.detectors.length > 1,
        });
      } catch (thrown) {
        return failedQuery(query, thrown);
      }
    }),
  );
  const ms = performance.now() - start;
  const share = roundedMs(ms / queries.length);
  const heads = lines.map((line, at) => {
    const { head, json } = written(withShare(line, share));
    if (head.type !== 'result' || !head.answer) return { head, json };
    const unknownNoun = unknownNounOf(queries[at]!, settings);
    return { head: { ...head, answer: { ...head.answer, unknownNoun } }, json };
  });
  return { lines: heads, ms };
}

function unknownNounOf({ query }: Query, { vocabulary }: AnswerSettings): string | undefined {
  if (!vocabulary) return undefined;
  const expression = parseExpression(query);
  const { head } = expression;
  if (head === null || denotationsOf(expression, vocabulary).size > 0) return undefined;
  return head.lemma;
}

const NO_TIME = { decodeMs: 0, detectMs: 0 };

function withShare(line: OutputLine, refine: number): OutputLine {
  if (line.type !== 'result' || !line.timing_ms) return line;
  return { ...line, timing_ms: { ...line.timing_ms, refine } };
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

/** Stands for the tool where neither the line nor a detector gives one. */
const NO_TOOL = 'none';

/** A query with all boxes that are there for it. */
export function requestOf(
  query: Query,
  photo: ExaminedPhoto | undefined,
  settings: CandidateSettings,
): RefineRequest {
  const stated = photo?.size ?? query.imageSize;
  const candidates = candidatesOf(query, photo, { ...settings, stated });
  const { detectors } = settings;
  // A tool that is asked for by name and has no boxes on the line gave no answer: there is something to correct then.
  const toolName = settings.toolName ?? query.tools[0]?.name ?? detectors[0]?.name ?? NO_TOOL;
  const imageSize = stated ?? extentOf(candidates.map(({ boxXyxy }) => boxXyxy));
  return {
    query: query.query,
    imageSize,
    candidates,
    toolName,
    tool: answerOf(toolName, query, candidates, photo ? askedOf(photo, settings) : []),
    listers: photo && listersOf(photo, settings),
    evidence: photo && { raster: photo.raster, contentXyxy: photo.contentXyxy },
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
  asked: readonly string[],
): Candidate | null {
  const own = candidates.filter(({ tool }) => tool === toolName);
  const wasAsked = asked.includes(toolName) || query.tools.some(({ name }) => name === toolName);
  return wasAsked ? firstAnswer(own) : toolAnswer(query.query, own);
}

/** What each detector found, with the detector. */
const findings = (
  photo: ExaminedPhoto,
  { detectors }: CandidateSettings,
): readonly (Found & CandidateSource)[] =>
  [photo, ...(photo.others ?? [])].map(({ detections, asked }, at) => ({
    detections,
    asked,
    ...(detectors[at] ?? { name: '' }),
  }));

/** Names of the detectors that were asked the expression itself. */
const askedOf = (photo: ExaminedPhoto, settings: CandidateSettings): readonly string[] =>
  findings(photo, settings).flatMap(({ name, asked }) => (asked ? name : []));

/** The others. */
const listersOf = (photo: ExaminedPhoto, settings: CandidateSettings): readonly Lister[] =>
  findings(photo, settings).flatMap(({ name, labels = [], asked }) =>
    asked ? [] : { name, labels },
  );

/** The label of a box of one that was asked is a piece of the expression, which may have no noun: "left" names no kind. */
function namesKind(label: string, { asked }: Found): boolean {
  return !asked || parseExpression(label).head !== null;
}

function candidatesOf(
  query: Query,
  photo: ExaminedPhoto | undefined,
  { stated, ...settings }: CandidateSettings & { readonly stated?: ImageSize },
): readonly Candidate[] {
  const own = photo ? detectedCandidates(photo, settings) : [];
  if (query.tools.length === 0) return own;
  const brought = query.tools.flatMap(({ name, boxes }) =>
    boxes.flatMap(({ boxXyxy: given, score, label }, rank): Candidate[] => {
      const boxXyxy = stated ? clipXyxy(given, stated) : given;
      // What lies outside of the photo is nothing in it.
      const isOutside = boxXyxy !== given && (boxXyxy.x2 <= boxXyxy.x1 || boxXyxy.y2 <= boxXyxy.y1);
      return isOutside ? [] : [{ boxXyxy, tool: name, rank, score, label }];
    }),
  );
  return [...brought, ...own];
}

/** A run has one set of detectors. The queries of a photo share its candidates, so that what is worked out of them is known again. */
const DETECTED = new WeakMap<ExaminedPhoto, readonly Candidate[]>();

function detectedCandidates(
  photo: ExaminedPhoto,
  settings: CandidateSettings,
): readonly Candidate[] {
  const known = DETECTED.get(photo);
  if (known) return known;
  const candidates = findings(photo, settings).flatMap((each) => boxesAsCandidates(each, each));
  DETECTED.set(photo, candidates);
  return candidates;
}

/** What a detector found, best first. */
export function boxesAsCandidates(
  { name: tool, calibration }: Pick<CandidateSource, 'name' | 'calibration'>,
  found: Found,
): readonly Candidate[] {
  return found.detections.map(({ boxXyxy, score, label }, rank) => ({
    boxXyxy,
    tool,
    rank,
    score,
    label: namesKind(label, found) ? label : undefined,
    ...(found.asked ? { read: true } : { listed: true }),
    calibration,
  }));
}

/** The answer's box is that of a candidate, or rebuilt from candidates that overlap it this much (IoU). */
const SAME_OBJECT_IOU = 0.5;
/** A detector may give one box under several labels; overlaps closer than this are the same box. */
const SAME_BOX_IOU = 0.02;

/**
 * The result line of an answered query.
 * @param wanted `timing`: of the photo, milliseconds; absent where lines tell no times. `namesTools`: whether lines say which tools
 * a box is from
 */
export function resultLine(
  query: Query,
  request: RefineRequest,
  { think, answer }: Refinement,
  { timing, namesTools = false }: LineWishes = {},
): ResultLine {
  const labelled = (boxXyxy: BoxXyxy) => ({
    label: labelOf(query.query, boxXyxy, request.candidates),
    from: namesTools ? toolsOf(boxXyxy, request.candidates) : undefined,
  });
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
      score: request.tool?.score === undefined ? undefined : roundedScore(request.tool.score),
      label: request.tool?.label,
    },
    think: { bbox_2d: box(think.boxXyxy), score: roundedScore(think.score), text: think.text },
    answer: {
      bbox_2d: box(answer.boxXyxy),
      score: roundedScore(answer.score),
      decision: answer.decision,
      text: answer.text,
      format: answer.format,
      boxes: answer.boxes?.map(({ boxXyxy, score }) => ({
        bbox_2d: bbox2d(boxXyxy),
        score: roundedScore(score),
        ...labelled(boxXyxy),
      })),
      cascade: answer.cascade,
      ...(answer.boxXyxy && labelled(answer.boxXyxy)),
    },
    candidates: request.candidates.length,
    timing_ms: timing && {
      decode: roundedMs(timing.decode),
      detect: roundedMs(timing.detect),
      refine: 0,
    },
    extra: Object.keys(query.extra).length > 0 ? query.extra : undefined,
  };
}

function box(boxXyxy: BoxXyxy | null): ReturnType<typeof bbox2d> | null {
  return boxXyxy && bbox2d(boxXyxy);
}

interface LineWishes {
  readonly timing?: Pick<TimingMs, 'decode' | 'detect'>;
  readonly namesTools?: boolean;
}

/** The tools whose box it is; of a mean those whose boxes it may be made of. */
function toolsOf(boxXyxy: BoxXyxy, candidates: readonly Candidate[]): readonly string[] {
  const namesOf = (own: readonly Candidate[]) => [...new Set(own.map(({ tool }) => tool))];
  const same = candidates.filter((each) => isSameXyxy(boxXyxy, each.boxXyxy));
  if (same.length > 0) return namesOf(same);
  return namesOf(candidates.filter((each) => iouXyxy(boxXyxy, each.boxXyxy) >= FUSED_IOU));
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
