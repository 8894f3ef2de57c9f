import type { EvalBox } from '../formats/eval-queries.js';
import type { EvalStage } from '../formats/eval-results.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { iouXyxy, isCorrect } from '../geometry/overlap.js';

/** What a query asks for, with the box that is meant. */
export interface QueryTruth {
  readonly id: string;
  readonly query: string;
  readonly image?: string;
  readonly size?: ImageSize;
  readonly group?: string;
  readonly truthXyxy: BoxXyxy;
}

/** How good the answer to one query is. */
export interface AnswerScore {
  /** Place of the query in its file, from 0. */
  readonly row: number;
  /** 0..1; null where the tool gave no box. */
  readonly toolIou: number | null;
  /** 0..1; null where there is no answer or no box in it. */
  readonly finalIou: number | null;
  /** The answer's own confidence, 0..1; null where it gives none. */
  readonly confidence: number | null;
}

/** What was answered to a query. */
export interface AnswerParts {
  readonly toolName?: string;
  readonly tool: EvalBox | null;
  readonly think?: EvalStage;
  readonly answer: EvalStage | null;
  readonly decision?: string;
  /** Of the photo, where the answer tells it. */
  readonly size?: ImageSize;
}

/** A query with its answer and how good that is. The answer's box is the one that counts. */
export type ScoredAnswer = QueryTruth & AnswerScore & AnswerParts;

/** Scores an answer. The fixed shape keeps a million of them cheap. */
export function answerScore(
  row: number,
  truth: BoxXyxy,
  { tool, answer }: AnswerParts,
): AnswerScore {
  return {
    row,
    toolIou: iouWithTruth(tool?.boxXyxy, truth),
    finalIou: iouWithTruth(answer && countedBox(answer, truth), truth),
    confidence: answer?.score ?? null,
  };
}

/** The whole of an answer, for those that are shown. */
export function scoredAnswer(
  truth: QueryTruth,
  { toolName, tool, think, answer, decision, size }: AnswerParts,
  score: AnswerScore,
): ScoredAnswer {
  return {
    ...truth,
    ...score,
    tool,
    answer: answer && { ...answer, boxXyxy: countedBox(answer, truth.truthXyxy) },
    ...(toolName !== undefined && { toolName }),
    ...(think && { think }),
    ...(decision !== undefined && { decision }),
    ...(size && { size }),
  };
}

/**
 * The box of an answer that counts: of several the one that overlaps the ground truth most, the first of equal ones.
 * @see VG-Refiner, arXiv 2512.06373, PiTER
 */
function countedBox({ boxXyxy, boxes = [] }: EvalStage, truth: BoxXyxy): BoxXyxy | null {
  if (boxXyxy === null) return null;
  return [boxXyxy, ...boxes.map((each) => each.boxXyxy)].reduce((best, box) =>
    iouXyxy(box, truth) > iouXyxy(best, truth) ? box : best,
  );
}

function iouWithTruth(box: BoxXyxy | null | undefined, truth: BoxXyxy): number | null {
  return box ? iouXyxy(box, truth) : null;
}

/**
 * correction: the tool was wrong, the answer is right. confirmation: both are right. loss: the tool was right, the answer is
 * wrong. error: both are wrong.
 */
export type Outcome = 'correction' | 'confirmation' | 'loss' | 'error';

/** In the order in which reports name them. */
export const OUTCOMES = ['correction', 'confirmation', 'loss', 'error'] as const;

export function outcomeOf(toolIou: number | null, finalIou: number | null): Outcome {
  const toolRight = isCorrect(toolIou ?? 0);
  if (isCorrect(finalIou ?? 0)) return toolRight ? 'confirmation' : 'correction';
  return toolRight ? 'loss' : 'error';
}
