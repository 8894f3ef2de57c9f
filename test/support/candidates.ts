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

export async function refined(asked: RefineRequest, spec: LiteSpec = PRIOR): Promise<Refinement> {
  return (await createLiteRefiner(spec).refine([asked]))[0]!;
}

/** The box in the photo mirrored left to right. */
export const mirrorXyxy = (box: BoxXyxy, { width }: ImageSize): BoxXyxy => ({
  ...box,
  x1: width - box.x2,
  x2: width - box.x1,
});
