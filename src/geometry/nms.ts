import type { BoxXyxy } from './box.js';
import { iouXyxy } from './overlap.js';

/** A box that competes with others of its class. */
export interface Contender {
  readonly boxXyxy: BoxXyxy;
  /** Boxes of different classes do not compete. */
  readonly classIndex: number;
}

/**
 * Non-maximum suppression, greedy and per class: a box goes when its IoU with a kept one before it is above `iou`.
 * Idempotent; keeps the order.
 * @param contenders best first
 * @param iou 0..1
 * @param limit no more than this many are kept
 */
export function suppressOverlaps<T extends Contender>(
  contenders: readonly T[],
  iou: number,
  limit = Number.POSITIVE_INFINITY,
): T[] {
  const kept: T[] = [];
  const keptOfClass = new Map<number, T[]>();
  for (const contender of contenders) {
    if (kept.length >= limit) break;
    const rivals = keptOfClass.get(contender.classIndex);
    if (rivals === undefined) {
      keptOfClass.set(contender.classIndex, [contender]);
    } else if (rivals.some((rival) => iouXyxy(rival.boxXyxy, contender.boxXyxy) > iou)) {
      continue;
    } else {
      rivals.push(contender);
    }
    kept.push(contender);
  }
  return kept;
}
