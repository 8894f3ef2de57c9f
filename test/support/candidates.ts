import type { BoxXyxy, ImageSize } from '../../src/core/box.js';
import { createLiteRefiner, type LiteSpec } from '../../src/refine/lite-refiner.js';
import { PRIOR_NUMBERS } from '../../src/refine/policy.js';
import type {
  Candidate,
  PhotoEvidence,
  Refinement,
  RefineRequest,
} from '../../src/refine/refiner.js';

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

/** Three dogs from left to right, the middle one best seen, and two chairs; a false dog far left. */
export const YARD = detected([
  ['dog', 0.9, box(250, 180, 110, 90)],
  ['dog', 0.7, box(80, 190, 60, 50)],
  ['chair', 0.7, box(520, 150, 60, 120)],
  ['dog', 0.6, box(450, 170, 60, 60)],
  ['chair', 0.6, box(20, 20, 60, 60)],
  ['dog', 0.06, box(5, 180, 30, 30)],
]);

/** The one box of a tool that was asked the expression itself. */
export const answered = (tool: string, boxXyxy: BoxXyxy): Candidate => ({ boxXyxy, tool, rank: 0 });

export function request(
  query: string,
  candidates: readonly Candidate[],
  tool: Candidate | null = candidates[0] ?? null,
): RefineRequest {
  return { query, imageSize: PHOTO, candidates, toolName: tool?.tool ?? 'detector', tool };
}

/** A photo that is red on the left half and green on the right. */
export const HALVES: PhotoEvidence = {
  raster: {
    width: 60,
    height: 40,
    data: Uint8Array.from({ length: 60 * 40 * 3 }, (_, at) =>
      at % 3 === (at % 180 < 90 ? 0 : 1) ? 200 : 20,
    ),
  },
  contentXyxy: { x1: 0, y1: 0, x2: 60, y2: 40 },
};

/** The lite refiner before anything is fitted. */
export const PRIOR: LiteSpec = {
  name: 'lite',
  numbers: PRIOR_NUMBERS,
  rules: { answers: 'auto', minConfidence: 0 },
};

export function refined(asked: RefineRequest, spec: LiteSpec = PRIOR): Promise<Refinement> {
  return createLiteRefiner(spec).refine(asked);
}

/** The box in the photo mirrored left to right. */
export const mirrorXyxy = (box: BoxXyxy, { width }: ImageSize): BoxXyxy => ({
  ...box,
  x1: width - box.x2,
  x2: width - box.x1,
});
