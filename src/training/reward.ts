/** Overlap with the ground truth from which an answer is right, in rewards. */
export const RIGHT_IOU = 0.5;

const REFINEMENT_SHARE = 0.9;
const FORMAT_SHARE = 0.1;
const CORRECTION_REWARD = 1;
const CONFIRMATION_REWARD = 0.5;

/** `refinement`: by what became of the tool's answer. `iou`: by overlap alone, for comparison. */
export type RewardKind = 'refinement' | 'iou';

/** Overlaps with the ground truth, 0..1; 0 where there is no box. */
export interface RewardOverlaps {
  readonly tool: number;
  readonly answer: number;
}

/**
 * 1 for a correction (the tool is wrong, the answer right), 0.5 for a confirmation (both are right), 0 for a wrong answer.
 * @see VG-Refiner, arXiv 2512.06373, refinement reward
 */
export function refinementReward({ tool, answer }: RewardOverlaps): number {
  if (answer < RIGHT_IOU) return 0;
  return tool < RIGHT_IOU ? CORRECTION_REWARD : CONFIRMATION_REWARD;
}

/** The whole reward in [0, 1]: nine parts for the answer, one part for the format, which a lite policy always keeps. */
export function reward(kind: RewardKind, overlaps: RewardOverlaps, format = 1): number {
  const earned = kind === 'refinement' ? refinementReward(overlaps) : overlaps.answer;
  return REFINEMENT_SHARE * earned + FORMAT_SHARE * format;
}
