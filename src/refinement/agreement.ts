import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy, isSameXyxy } from '../geometry/overlap.js';
import type { Candidate } from './refiner.js';

/** Boxes that overlap more show the same object. */
const SAME_OBJECT_IOU = 0.5;

/**
 * The share of the voting tools whose best box shows the same object, 0..1; a box further down a tool's list counts
 * 1 / (1 + place). Null where no tool votes.
 */
export function agreement(
  box: BoxXyxy,
  candidates: readonly Candidate[],
  voters: ReadonlySet<string>,
): number | null {
  if (voters.size === 0) return null;
  const votes = new Map<string, number>();
  for (const { tool, rank, boxXyxy } of candidates) {
    if (!voters.has(tool) || !showSameObject(box, boxXyxy)) continue;
    votes.set(tool, Math.max(1 / (1 + rank), votes.get(tool) ?? 0));
  }
  return [...votes.values()].reduce((sum, vote) => sum + vote, 0) / voters.size;
}

function showSameObject(a: BoxXyxy, b: BoxXyxy): boolean {
  return iouXyxy(a, b) > SAME_OBJECT_IOU || isSameXyxy(a, b);
}
