import { isCorrect } from '../core/iou.js';
import type { ScoredQuery } from './answers.js';

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

export type AnswerMetrics = ReturnType<typeof answerMetrics>;

/** What `vgr eval --json` tells of the answers beside the refinement metrics; shares in [0, 1], null over nothing. */
export function answerMetrics(answers: readonly ScoredQuery[]) {
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
    // Share with a final IoU above 0.5.
    accuracy_50: accuracies[0]!,
    accuracy_75: accuracies[5]!,
    accuracy_90: accuracies[8]!,
    // Of the accuracies at IoU 0.5, 0.55, ..., 0.95.
    mean_accuracy:
      answers.length === 0 ? null : accuracies.reduce<number>((sum, each) => sum + each!, 0) / 10,
    // Accuracy of the queries that mean one object, by its size.
    by_size: { small: small.value, medium: medium.value, large: large.value },
    // Of the queries that nothing fits, the share answered `none`; of the others, the share not answered `none`.
    n_acc: absent.value,
    t_acc: present.value,
    // Share whose boxes match the ground truth one to one.
    set_precision: exact.value,
    // Area under the ROC curve of the score, right answers against wrong ones.
    score_auc: areaUnderRoc(rightScores, wrongScores),
    score_ece: calibrationOf(answers).ece,
  };
}

/** The chance that a right answer scores higher than a wrong one, where a tie counts half; null where one kind is missing. */
export function areaUnderRoc(right: readonly number[], wrong: readonly number[]): number | null {
  if (right.length === 0 || wrong.length === 0) return null;
  const losers = Float64Array.from(wrong).sort();
  let [below, notAbove, won] = [0, 0, 0];
  for (const score of Float64Array.from(right).sort()) {
    while (below < losers.length && losers[below]! < score) below++;
    while (notAbove < losers.length && losers[notAbove]! <= score) notAbove++;
    won += (below + notAbove) / 2;
  }
  return won / (right.length * wrong.length);
}

export type ReliabilityBin = ScoreCalibration['bins'][number];
export type ScoreCalibration = ReturnType<typeof calibrationOf>;

const BINS = 10;

/** How well the score of an answer, where it has one, tells whether it is right. */
export function calibrationOf(answers: readonly ScoredQuery[]) {
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
    /** The answers by tenths of the score, [`from`, `to`); the last bin holds 1 too. */
    bins: bins.map((bin, index) => ({
      from: index / BINS,
      to: (index + 1) / BINS,
      count: bin.count,
      /** Null for an empty bin, as the share of right answers. */
      meanScore: bin.count === 0 ? null : bin.score / bin.count,
      accuracy: bin.count === 0 ? null : bin.right / bin.count,
    })),
    /** Answers with a score. */
    count,
    /**
     * Expected calibration error, 0..1: the distance of mean score and accuracy, averaged over the bins by their counts.
     * Null for no answer.
     * @see C. Guo et al., "On Calibration of Modern Neural Networks", 2017
     */
    ece: count === 0 ? null : gap / count,
    /** Mean squared distance of the score from 0 or 1, 0..1; null for no answer. */
    brier: count === 0 ? null : squares / count,
  };
}
