import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import type { Candidate } from './refiner.js';

/** Candidates that show what a box shows. */
export interface Crowd {
  readonly count: number;
  /** Sum of their scores. */
  readonly scores: number;
  readonly highest: number;
}

/** Candidates that overlap a box more (IoU) show what it shows. */
const ALIKE_IOU = 0.5;

export function crowdAt(boxXyxy: BoxXyxy, candidates: readonly Candidate[]): Crowd {
  let [count, scores, highest] = [0, 0, -Infinity];
  for (const other of candidates) {
    if (iouXyxy(boxXyxy, other.boxXyxy) <= ALIKE_IOU) continue;
    const score = other.score ?? 0;
    count += 1;
    scores += score;
    highest = Math.max(highest, score);
  }
  return { count, scores, highest };
}
