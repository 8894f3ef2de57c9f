import { areaXyxy, type BoxXyxy, iouXyxy } from '../core/box.js';
import { isCorrect, MATCHING_IOU } from '../core/iou.js';
import type { EvalQuery, EvalResult, EvalStage } from '../formats/eval-files.js';

/** How well one query was answered. */
export interface ScoredQuery {
  /** IoU of the tool's box with the ground truth, 0..1; null where the tool gave none, which counts as 0. */
  readonly toolIou: number | null;
  /** IoU of the final box, 0..1; null where there is no answer, which counts as 0. */
  readonly finalIou: number | null;
  /** The answer's score, 0..1; null or absent where it gives none. */
  readonly confidence?: number | null;
  /** How many boxes are meant; absent where that is not known. */
  readonly truths?: number;
  /** Of the object, where one is meant. */
  readonly objectSize?: ObjectSize;
  /** Whether the answer is that nothing fits. */
  readonly isNone?: boolean;
  /** Whether its boxes match those that are meant one to one. */
  readonly isExact?: boolean;
  /** The group that the query counts in beside the whole; absent where it has none. */
  readonly group?: string;
}

/** Sizes of COCO's area ranges, by the area of the ground-truth box: below 32 x 32, below 96 x 96, and the rest. */
export type ObjectSize = 'small' | 'medium' | 'large';

/** The size of the one object that is meant; undefined where several are, or none. */
export function objectSizeOf(truthsXyxy: readonly BoxXyxy[]): ObjectSize | undefined {
  const [truth, ...others] = truthsXyxy;
  if (!truth || others.length > 0) return undefined;
  const area = areaXyxy(truth);
  if (area < 32 ** 2) return 'small';
  return area < 96 ** 2 ? 'medium' : 'large';
}

/** What was answered to a query. */
export interface AnswerParts extends Omit<EvalResult, 'id' | 'line'> {
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

/** Of larger sets each box takes the first that is free: the search for another pairing takes time by the cube of their number. */
const MAX_SEARCHED = 500;

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
  const matches = (given: BoxXyxy, truth: BoxXyxy): boolean =>
    iouXyxy(given, truth) >= MATCHING_IOU;
  const pair = (given: BoxXyxy, tried: Set<BoxXyxy>): boolean => {
    const free = truthsXyxy.find((truth) => !partner.has(truth) && matches(given, truth));
    if (free) partner.set(free, given);
    if (free || givenXyxy.length > MAX_SEARCHED) return free !== undefined;
    return truthsXyxy.some((truth) => {
      if (tried.has(truth) || !matches(given, truth)) return false;
      tried.add(truth);
      if (!pair(partner.get(truth)!, tried)) return false;
      partner.set(truth, given);
      return true;
    });
  };
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
