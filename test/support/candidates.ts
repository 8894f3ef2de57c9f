import type { BoxXyxy, ImageSize } from '../../src/geometry/box.js';
import type { Candidate, RefineRequest } from '../../src/refinement/refiner.js';

export const PHOTO: ImageSize = { width: 600, height: 400 };

/** A box by its left edge, its top edge and its size, pixels. */
export const box = (x: number, y: number, width: number, height: number): BoxXyxy => ({
  x1: x,
  y1: y,
  x2: x + width,
  y2: y + height,
});

/** Boxes of one detector, best first: `[label, score, box]`. */
export function detected(
  boxes: ReadonlyArray<readonly [string, number, BoxXyxy]>,
  tool = 'detector',
): Candidate[] {
  return boxes.map(([label, score, boxXyxy], rank) => ({ boxXyxy, tool, rank, score, label }));
}

/** The one box of a tool that was asked the expression itself. */
export const answered = (tool: string, boxXyxy: BoxXyxy): Candidate => ({ boxXyxy, tool, rank: 0 });

export function request(
  query: string,
  candidates: readonly Candidate[],
  tool: Candidate | null = candidates[0] ?? null,
): RefineRequest {
  return { query, image: PHOTO, candidates, toolName: tool?.tool ?? 'detector', tool };
}
