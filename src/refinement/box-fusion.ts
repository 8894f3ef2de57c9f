import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import type { Candidate } from './refiner.js';

/** Boxes must overlap this much (IoU) to be averaged; beyond it they differ in their edges only. */
const AGREEING_IOU = 0.6;
const WITHOUT_SCORE = 0.5;

/**
 * The mean of the boxes that different tools give for the object in `box`, weighted by score (0.5 where there is none), each
 * tool with its best-overlapping box. Null where fewer than two tools agree: boxes of one tool repeat its error.
 */
export function fusedBox(box: BoxXyxy, candidates: readonly Candidate[]): BoxXyxy | null {
  const ofTool = new Map<string, { candidate: Candidate; iou: number }>();
  for (const candidate of candidates) {
    const iou = iouXyxy(box, candidate.boxXyxy);
    if (iou >= AGREEING_IOU && iou > (ofTool.get(candidate.tool)?.iou ?? 0)) {
      ofTool.set(candidate.tool, { candidate, iou });
    }
  }
  if (ofTool.size < 2) return null;
  const parts = [...ofTool.values()].map(({ candidate }) => ({
    box: candidate.boxXyxy,
    weight: Math.max(candidate.score ?? WITHOUT_SCORE, 1e-3),
  }));
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (side: keyof BoxXyxy) =>
    parts.reduce((sum, part) => sum + part.box[side] * part.weight, 0) / total;
  return { x1: mean('x1'), y1: mean('y1'), x2: mean('x2'), y2: mean('y2') };
}
