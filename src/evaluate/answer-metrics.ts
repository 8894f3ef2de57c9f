import { areaXyxy, type BoxXyxy } from '../core/box.js';
import { isCorrect } from '../core/iou.js';

/** What `vgr eval --json` tells of the answers beside the refinement metrics; shares in [0, 1], null over nothing. */
export interface AnswerMetrics {
  /** Share with a final IoU above 0.5. */
  readonly accuracy_50: number | null;
  readonly accuracy_75: number | null;
  readonly accuracy_90: number | null;
  /** Mean of the accuracies at IoU 0.5, 0.55, ..., 0.95. */
  readonly mean_accuracy: number | null;
  /** Accuracy by the size of the object, of the queries that mean one. */
  readonly by_size: Readonly<Record<ObjectSize, number | null>>;
  /** Of the queries that nothing fits, the share answered `none`. */
  readonly n_acc: number | null;
  /** Of the other queries, the share not answered `none`. */
  readonly t_acc: number | null;
  /** Share whose boxes match the ground truth one to one. */
  readonly set_precision: number | null;
  /** Area under the ROC curve of the score, right answers against wrong ones; ties count half. */
  readonly score_auc: number | null;
  /** Expected calibration error of the score, over ten bins. */
  readonly score_ece: number | null;
}

/** One answer, as far as its metrics need it. */
export interface JudgedAnswer {
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
}

/** 0.5, 0.55, ..., 0.95. */
const THRESHOLDS = Array.from({ length: 10 }, (_, index) => (50 + 5 * index) / 100);

/** Right ones of all. */
class Share {
  #right = 0;
  #all = 0;

  add(isRight: boolean): void {
    this.#all += 1;
    if (isRight) this.#right += 1;
  }

  get value(): number | null {
    return this.#all === 0 ? null : this.#right / this.#all;
  }
}

export function answerMetrics(answers: readonly JudgedAnswer[]): AnswerMetrics {
  const above = THRESHOLDS.map(() => new Share());
  const bySize = { small: new Share(), medium: new Share(), large: new Share() };
  const [absent, present, exact] = [new Share(), new Share(), new Share()];
  const rightScores: number[] = [];
  const wrongScores: number[] = [];
  for (const answer of answers) {
    const { confidence, truths, objectSize, isNone = false, isExact = false } = answer;
    const iou = answer.finalIou ?? 0;
    for (let index = 0; index < above.length; index++) above[index]!.add(iou > THRESHOLDS[index]!);
    if (objectSize) bySize[objectSize].add(isCorrect(iou));
    if (truths !== undefined) {
      exact.add(isExact);
      if (truths === 0) absent.add(isNone);
      else present.add(!isNone);
    }
    if (confidence != null) (isCorrect(iou) ? rightScores : wrongScores).push(confidence);
  }
  const accuracies = above.map(({ value }) => value);
  const { small, medium, large } = bySize;
  return {
    accuracy_50: accuracies[0]!,
    accuracy_75: accuracies[5]!,
    accuracy_90: accuracies[8]!,
    mean_accuracy:
      answers.length === 0 ? null : accuracies.reduce<number>((sum, each) => sum + each!, 0) / 10,
    by_size: { small: small.value, medium: medium.value, large: large.value },
    n_acc: absent.value,
    t_acc: present.value,
    set_precision: exact.value,
    score_auc: areaUnderRoc(Float64Array.from(rightScores), Float64Array.from(wrongScores)),
    score_ece: calibrationOf(answers).ece,
  };
}

/** The chance that a right answer scores higher than a wrong one, where a tie counts half; null where one kind is missing. */
export function areaUnderRoc(right: Float64Array, wrong: Float64Array): number | null {
  if (right.length === 0 || wrong.length === 0) return null;
  const losers = wrong.toSorted();
  let [below, notAbove, won] = [0, 0, 0];
  for (const score of right.toSorted()) {
    while (below < losers.length && losers[below]! < score) below++;
    while (notAbove < losers.length && losers[notAbove]! <= score) notAbove++;
    won += (below + notAbove) / 2;
  }
  return won / (right.length * wrong.length);
}

/** The answers whose score falls in one tenth of the range. */
export interface ReliabilityBin {
  /** The bin holds scores in [`from`, `to`), the last one 1 too. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Null for an empty bin. */
  readonly meanScore: number | null;
  /** Share of right answers; null for an empty bin. */
  readonly accuracy: number | null;
}

/** How well the score of an answer tells whether it is right. */
export interface ScoreCalibration {
  readonly bins: readonly ReliabilityBin[];
  /** Answers with a score. */
  readonly count: number;
  /**
   * Expected calibration error, 0..1: the distance of mean score and accuracy, averaged over the bins by their counts.
   * Null for no answer.
   * @see C. Guo et al., "On Calibration of Modern Neural Networks", 2017
   */
  readonly ece: number | null;
  /** Mean squared distance of the score from 0 or 1, 0..1; null for no answer. */
  readonly brier: number | null;
}

const BINS = 10;

export function calibrationOf(answers: readonly JudgedAnswer[]): ScoreCalibration {
  const bins = Array.from({ length: BINS }, () => ({ count: 0, score: 0, right: 0 }));
  let [count, squares] = [0, 0];
  for (const { confidence, finalIou } of answers) {
    if (confidence == null) continue;
    const right = isCorrect(finalIou ?? 0) ? 1 : 0;
    const bin = bins[Math.min(BINS - 1, Math.floor(confidence * BINS))]!;
    bin.count += 1;
    bin.score += confidence;
    bin.right += right;
    count += 1;
    squares += (confidence - right) ** 2;
  }
  const gap = bins.reduce((sum, { score, right }) => sum + Math.abs(score - right), 0);
  return {
    bins: bins.map((bin, index) => ({
      from: index / BINS,
      to: (index + 1) / BINS,
      count: bin.count,
      meanScore: bin.count === 0 ? null : bin.score / bin.count,
      accuracy: bin.count === 0 ? null : bin.right / bin.count,
    })),
    count,
    ece: count === 0 ? null : gap / count,
    brier: count === 0 ? null : squares / count,
  };
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
