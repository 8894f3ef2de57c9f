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
export interface Calibration {
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

/** Takes scores and whether the answer was right. */
export class CalibrationTally {
  readonly #count = new Float64Array(BINS);
  readonly #score = new Float64Array(BINS);
  readonly #right = new Float64Array(BINS);
  #squares = 0;

  /** @param score 0..1 */
  add(score: number, isRight: boolean): void {
    const bin = Math.min(BINS - 1, Math.floor(score * BINS));
    this.#count[bin]! += 1;
    this.#score[bin]! += score;
    this.#right[bin]! += isRight ? 1 : 0;
    this.#squares += (score - (isRight ? 1 : 0)) ** 2;
  }

  calibration(): Calibration {
    const count = this.#count.reduce((sum, inBin) => sum + inBin, 0);
    const gap = this.#score.reduce(
      (sum, score, bin) => sum + Math.abs(score - this.#right[bin]!),
      0,
    );
    return {
      bins: Array.from(this.#count, (inBin, bin) => ({
        from: bin / BINS,
        to: (bin + 1) / BINS,
        count: inBin,
        meanScore: inBin === 0 ? null : this.#score[bin]! / inBin,
        accuracy: inBin === 0 ? null : this.#right[bin]! / inBin,
      })),
      count,
      ece: count === 0 ? null : gap / count,
      brier: count === 0 ? null : this.#squares / count,
    };
  }
}
