import type { ScoreCalibration } from '../detection/calibration.js';
import { extentOf, type Query } from '../formats/query-line.js';
import { parseExpression } from '../language/expression.js';
import type { Candidate, RefineRequest } from '../refinement/refiner.js';
import { firstAnswer, toolAnswer } from '../refinement/tool-answer.js';
import type { ExaminedPhoto } from './photo-store.js';

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
  const image = photo?.size ?? query.size ?? extentOf(candidates.map(({ boxXyxy }) => boxXyxy));
  return {
    query: query.query,
    image,
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
