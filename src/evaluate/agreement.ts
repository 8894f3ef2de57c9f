import { areaXyxy, type BoxXyxy, xyxyToXywh } from '../core/box.js';
import { evaluateCoco } from './coco.js';
import { CocoDetections, CocoGroundTruth } from './coco-columns.js';

/** A box that a detector found, by COCO's category ids. */
export interface FoundBox {
  readonly boxXyxy: BoxXyxy;
  readonly score: number;
  readonly categoryId: number;
}

/** Lowest score at which the reference's boxes count as objects. */
const SURE = 0.4;

/**
 * How well one detector's boxes agree with another's: the average precision at IoU 0.5 as if the sure boxes of the
 * reference were the truth. No measure of quality, but wrong labels, channels or scales bring it near 0.
 * @param found boxes for each photo
 * @param reference the same photos
 * @returns 0..1; undefined where the reference is sure of nothing
 */
export function agreement(
  found: readonly (readonly FoundBox[])[],
  reference: readonly (readonly FoundBox[])[],
): number | undefined {
  const truth = new CocoGroundTruth();
  reference.forEach((boxes, imageId) => {
    truth.add({ kind: 'image', image: { id: imageId } });
    for (const { boxXyxy, score, categoryId } of boxes) {
      if (score < SURE) continue;
      truth.add({ kind: 'category', category: { id: categoryId, name: String(categoryId) } });
      const boxXywh = xyxyToXywh(boxXyxy);
      const annotation = {
        id: truth.length + 1,
        imageId,
        categoryId,
        boxXywh,
        area: areaXyxy(boxXyxy),
        crowd: false,
      };
      truth.add({ kind: 'annotation', annotation });
    }
  });
  if (truth.length === 0) return undefined;
  const detections = new CocoDetections();
  found.forEach((boxes, imageId) => {
    for (const { boxXyxy, score, categoryId } of boxes) {
      detections.add({ imageId, categoryId, boxXywh: xyxyToXywh(boxXyxy), score });
    }
  });
  return evaluateCoco(truth, detections).coco.AP50;
}
