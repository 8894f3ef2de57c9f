import type { ScoreCalibration } from '../detection/calibration.js';
import { sigmoid } from '../detection/logistic.js';
import { areaXyxy, type ImageSize } from '../geometry/box.js';
import type { Candidate } from './refiner.js';

/**
 * Logistic fit of "a box of this score is a thing of this label" on CenterNet's boxes in 190 photos that COCO annotates in
 * full (11,901 boxes after suppression, 1,025 true): log-odds = 3.26 + 2.55 logit(score) + 0.37 ln(share of the photo).
 * A score of 0.1 is true 3 times in 100, 0.3 about half the time, 0.5 four times in five.
 */
const CENTERNET: ScoreCalibration = { intercept: 3.26, score: 2.55, area: 0.37 };
/** Tools that tell no score list few boxes and mean them. */
const WITHOUT_SCORE = 0.7;
const SMALLEST_SHARE = 1e-4;
const EDGE = 1e-3;

/** Chance that a candidate is a real thing of its label, 0..1. A score that nothing is known of counts like CenterNet's. */
export function existence(
  { boxXyxy, score, calibration = CENTERNET }: Candidate,
  image: ImageSize,
): number {
  if (score === undefined) return WITHOUT_SCORE;
  const bounded = Math.min(Math.max(score, EDGE), 1 - EDGE);
  const share = areaXyxy(boxXyxy) / Math.max(1, image.width * image.height);
  return sigmoid(
    calibration.intercept +
      calibration.score * Math.log(bounded / (1 - bounded)) +
      calibration.area * Math.log(Math.max(share, SMALLEST_SHARE)),
  );
}
