import { sigmoid } from '../detection/logistic.js';
/** Log-odds are multiplied by `scale` and shifted by `offset` before they become a probability. */
export interface Calibration {
  readonly scale: number;
  readonly offset: number;
}

export const UNCALIBRATED: Calibration = { scale: 1, offset: 0 };

/** Pulls a fit on few answers towards no change; counts like this many answers. */
const PRIOR = 1;
const ITERATIONS = 50;

/**
 * The scale and offset under which log-odds say best how often answers are right: logistic regression by Newton's method,
 * with a weak prior on {@link UNCALIBRATED}.
 * @see Platt 1999, "Probabilistic outputs for support vector machines"
 */
export function fitCalibration(logOdds: ArrayLike<number>, right: ArrayLike<boolean>): Calibration {
  let { scale, offset } = UNCALIBRATED;
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const gradient = [PRIOR * (scale - 1), PRIOR * offset] as [number, number];
    const curvature = [PRIOR, 0, PRIOR] as [number, number, number];
    for (let i = 0; i < logOdds.length; i++) {
      const x = logOdds[i]!;
      const p = sigmoid(scale * x + offset);
      const miss = p - (right[i] ? 1 : 0);
      gradient[0] += miss * x;
      gradient[1] += miss;
      curvature[0] += p * (1 - p) * x * x;
      curvature[1] += p * (1 - p) * x;
      curvature[2] += p * (1 - p);
    }
    const [a, b, c] = curvature;
    const determinant = a * c - b * b;
    const stepScale = (c * gradient[0] - b * gradient[1]) / determinant;
    const stepOffset = (a * gradient[1] - b * gradient[0]) / determinant;
    // A full Newton step may overshoot where probabilities are flat.
    const limit = Math.min(1, 1 / Math.max(Math.abs(stepScale), Math.abs(stepOffset), 1e-12));
    scale -= limit * stepScale;
    offset -= limit * stepOffset;
    if (Math.max(Math.abs(stepScale), Math.abs(stepOffset)) < 1e-9) break;
  }
  return { scale, offset };
}
