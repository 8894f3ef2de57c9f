import { type BoxXyxy, iouXyxy } from '../core/box.js';
import { isCorrect, MATCHING_IOU } from '../core/iou.js';
import type { EvalQuery, EvalResult, EvalStage } from '../formats/eval-files.js';
import { objectSizeOf } from './answer-metrics.js';
import type { ScoredQuery } from './metrics.js';

/** What was answered to a query. */
export interface AnswerParts
  extends Pick<EvalResult, 'toolName' | 'tool' | 'think' | 'answer' | 'decision' | 'size'> {
  /** All boxes of an entry of `tools` that counts as the answer, to be matched with a set; elsewhere its first one counts. */
  readonly listedXyxy?: readonly BoxXyxy[];
}

/**
 * How good the answer to one query is. Where nothing fits, the IoU of the tool is 1 for no box and 0 for one, and the final
 * IoU 1 for the answer `none` and 0 for a box.
 */
export function answerScore(
  { truthsXyxy, group }: EvalQuery,
  { tool, answer, listedXyxy, decision }: AnswerParts,
): ScoredQuery {
  const isNone = answer !== null && answer.boxXyxy === null && decision !== 'fallback';
  const isAbsent = truthsXyxy.length === 0;
  const finalBox = answer && countedBox(answer, truthsXyxy);
  return {
    toolIou: isAbsent && tool ? (tool.boxXyxy ? 0 : 1) : bestIou(tool?.boxXyxy ?? null, truthsXyxy),
    finalIou: isNone && isAbsent ? 1 : bestIou(finalBox, truthsXyxy),
    confidence: answer?.score ?? null,
    truths: truthsXyxy.length,
    objectSize: objectSizeOf(truthsXyxy),
    isNone,
    isExact: answer !== null && matchOneToOne(listedXyxy ?? boxesOf(answer), truthsXyxy),
    group,
  };
}

/** Every box that an answer gives. */
export function boxesOf({ boxXyxy, boxes }: EvalStage): readonly BoxXyxy[] {
  if (boxes) return boxes.map((each) => each.boxXyxy);
  return boxXyxy ? [boxXyxy] : [];
}

/**
 * The box of an answer that counts. It is the first; but where one object is meant and several boxes are given, the one that
 * overlaps it most, the first of equal ones.
 * @see VG-Refiner, arXiv 2512.06373, PiTER
 */
export function countedBox(answer: EvalStage, truthsXyxy: readonly BoxXyxy[]): BoxXyxy | null {
  const [truth, ...others] = truthsXyxy;
  if (answer.boxXyxy === null || !truth || others.length > 0) return answer.boxXyxy;
  return boxesOf(answer).reduce((best, box) =>
    iouXyxy(box, truth) > iouXyxy(best, truth) ? box : best,
  );
}

/** With the box of the ground truth that it overlaps most; null for no box. */
function bestIou(box: BoxXyxy | null, truthsXyxy: readonly BoxXyxy[]): number | null {
  if (box === null) return null;
  return truthsXyxy.reduce((best, truth) => Math.max(best, iouXyxy(box, truth)), 0);
}

/**
 * Whether every given box can be paired with one of the ground truth that it matches, and none is left on either side.
 * Searches augmenting paths (Kuhn).
 */
export function matchOneToOne(
  givenXyxy: readonly BoxXyxy[],
  truthsXyxy: readonly BoxXyxy[],
): boolean {
  if (givenXyxy.length !== truthsXyxy.length) return false;
  /** By box of the ground truth, the given box that it is paired with. */
  const partner = new Map<BoxXyxy, BoxXyxy>();
  const pair = (given: BoxXyxy, tried: Set<BoxXyxy>): boolean =>
    truthsXyxy.some((truth) => {
      if (tried.has(truth) || iouXyxy(given, truth) < MATCHING_IOU) return false;
      tried.add(truth);
      const rival = partner.get(truth);
      if (rival && !pair(rival, tried)) return false;
      partner.set(truth, given);
      return true;
    });
  return givenXyxy.every((given) => pair(given, new Set()));
}

/** How answers end, in the order in which reports name them. */
export const OUTCOMES = ['correction', 'confirmation', 'loss', 'error'] as const;

/**
 * correction: the tool was wrong, the answer is right. confirmation: both are right. loss: the tool was right, the answer is
 * wrong. error: both are wrong.
 */
export type Outcome = (typeof OUTCOMES)[number];

export function outcomeOf({ toolIou, finalIou }: ScoredQuery): Outcome {
  const toolRight = isCorrect(toolIou ?? 0);
  if (isCorrect(finalIou ?? 0)) return toolRight ? 'confirmation' : 'correction';
  return toolRight ? 'loss' : 'error';
}

/** Something for each outcome. */
export function byOutcome<T>(of: (outcome: Outcome) => T): Record<Outcome, T> {
  return Object.fromEntries(OUTCOMES.map((outcome) => [outcome, of(outcome)])) as Record<
    Outcome,
    T
  >;
}
