import type { DetectorCard } from '../formats/model-card.js';

/** What a detector's score is worth; see `decoding.calibration` of a card. */
export type ScoreCalibration = NonNullable<DetectorCard['decoding']['calibration']>;

/**
 * Of detectors whose card tells none: the joint fit of NanoDet-Plus, PicoDet at two sizes and YOLOX-Nano, each counting alike,
 * over 190 photos that COCO annotates in full; docs/models/README.md tells how.
 */
const GENERAL: ScoreCalibration = { intercept: -0.4, score: 1.86, area: -0.07 };

/** What the scores of a detector are worth. */
export function calibrationOf({ decoding }: DetectorCard): ScoreCalibration {
  return decoding.calibration ?? GENERAL;
}
