import { areaXyxy, type BoxXyxy, xyxyToXywh } from '../core/box.js';
import type { CocoDetection } from '../formats/coco-records.js';
import { evaluateCoco } from './coco.js';
import { CocoDetections, CocoGroundTruth } from './coco-tables.js';

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
  let id = 0;
  for (const [imageId, boxes] of reference.entries()) {
    truth.addImage(imageId);
    for (const { boxXyxy, score, categoryId } of boxes) {
      if (score < SURE) continue;
      id += 1;
      truth.addCategory({ id: categoryId, name: String(categoryId) });
      truth.addAnnotation({
        id,
        imageId,
        categoryId,
        boxXywh: xyxyToXywh(boxXyxy),
        area: areaXyxy(boxXyxy),
        crowd: false,
      });
    }
  }
  if (id === 0) return undefined;
  const detections = new CocoDetections();
  for (const [imageId, boxes] of found.entries()) {
    for (const { boxXyxy, score, categoryId } of boxes) {
      const detection: CocoDetection = {
        imageId,
        categoryId,
        boxXywh: xyxyToXywh(boxXyxy),
        score,
      };
      detections.add(detection);
    }
  }
  return evaluateCoco(truth, detections).coco.AP50;
}
