import { areaXyxy, type BoxXyxy } from './box.js';

/** Keeps the quotient finite for two boxes without area; the value of the paper's evaluation code. */
const IOU_EPSILON = 1e-6;

/** A box is right where its IoU with the ground truth is above this: in evaluation, in rewards, in what a score promises. */
export const CORRECT_IOU = 0.5;

/** Whether a box of this IoU with the ground truth is right. */
export function isCorrect(iou: number): boolean {
  return iou > CORRECT_IOU;
}

/** Area common to both boxes, square pixels. */
export function intersectionXyxy(a: BoxXyxy, b: BoxXyxy): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  return width > 0 && height > 0 ? width * height : 0;
}

/**
 * Intersection over union, `intersection / (union + 1e-6)`, in [0, 1). Corners are continuous: no pixel is added.
 * @see VG-Refiner, arXiv 2512.06373, evaluation
 */
export function iouXyxy(a: BoxXyxy, b: BoxXyxy): number {
  const intersection = intersectionXyxy(a, b);
  return intersection / (areaXyxy(a) + areaXyxy(b) - intersection + IOU_EPSILON);
}

/** Whether the corners are the same. A box without area overlaps nothing, itself neither: this tells that it is itself. */
export function isSameXyxy(a: BoxXyxy, b: BoxXyxy): boolean {
  return a.x1 === b.x1 && a.y1 === b.y1 && a.x2 === b.x2 && a.y2 === b.y2;
}

/** The share of `inner` that lies in `outer`, in [0, 1]; 0 where `inner` has no area. */
export function shareInsideXyxy(inner: BoxXyxy, outer: BoxXyxy): number {
  const area = areaXyxy(inner);
  return area > 0 ? intersectionXyxy(inner, outer) / area : 0;
}
