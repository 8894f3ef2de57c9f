import { type BoxXyxy, iouXyxy, isSameXyxy } from './box.js';

/** IoUs at which boxes count as something, in [0, 1). Each name says what it decides. */

/** A box is right where its IoU with the ground truth is above this: in evaluation, in rewards, in what a score promises. */
export const CORRECT_IOU = 0.5;

/** Whether a box of this IoU with the ground truth is right. */
export function isCorrect(iou: number): boolean {
  return iou > CORRECT_IOU;
}

/**
 * From this IoU on two boxes of sets match, the threshold included.
 * @see C. Liu et al., "GRES", CVPR 2023, gRefCOCO
 */
export const MATCHING_IOU = 0.5;

/** Two boxes that overlap more show the same object: an answer adjusts the tool's box, and does not correct it. */
export const SAME_OBJECT_IOU = 0.5;

/** Candidates that overlap more are boxes of one object hypothesis. */
export const MERGED_OBJECT_IOU = 0.6;

/** Boxes of different tools that overlap at least this much are averaged; beyond it they differ in their edges only. */
export const FUSED_IOU = 0.6;

/** Boxes that overlap this much or more are no landmarks of each other. */
export const LANDMARK_IOU = 0.7;

/** Boxes that overlap more are one choice: the second adds none. */
export const DUPLICATE_IOU = 0.95;

/** An answer of the small refiner that overlaps the tool's box more is that box. */
export const SAME_BOX_IOU = 0.999;

/**
 * What an answer does with the tool's box.
 * @param sameAbove the IoU above which the answer is the tool's box; by default only equal corners make it so
 */
export function decisionOn(
  answer: BoxXyxy,
  tool: BoxXyxy | undefined,
  sameAbove = 1,
): 'confirm' | 'correct' | 'adjust' {
  if (tool === undefined) return 'correct';
  const iou = iouXyxy(answer, tool);
  if (iou > sameAbove || isSameXyxy(answer, tool)) return 'confirm';
  return iou > SAME_OBJECT_IOU ? 'adjust' : 'correct';
}
