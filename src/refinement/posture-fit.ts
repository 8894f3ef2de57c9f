import { sigmoid } from '../detection/logistic.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import type { Posture } from '../language/posture.js';

/**
 * Height over width where one posture passes into the other, and the spread, natural logs. Medians over boxes of persons
 * in RefCOCO, RefCOCO+ and RefCOCOg: 2.5 where the words say that they stand, 1.3 where they sit, 0.7 where they lie.
 */
const UPRIGHT = { from: Math.log(1.85), spread: 0.35 };
const LYING = { below: Math.log(1), spread: 0.25 };

/** Closer to the border of the photo than this share of it, a box may be cut off there. */
const BORDER = 0.01;

/** How well the shape of a person's box goes with a posture, 0..1; 0.5 for a box that the border of the photo cuts. */
export function postureFit(posture: Posture, box: BoxXyxy, image: ImageSize): number {
  const cut =
    Math.min(box.x1, image.width - box.x2) < BORDER * image.width ||
    Math.min(box.y1, image.height - box.y2) < BORDER * image.height;
  if (cut) return 0.5;
  const shape = Math.log(Math.max(box.y2 - box.y1, 1) / Math.max(box.x2 - box.x1, 1));
  if (posture === 'lying') return sigmoid((LYING.below - shape) / LYING.spread);
  const upright = sigmoid((shape - UPRIGHT.from) / UPRIGHT.spread);
  return posture === 'upright' ? upright : 1 - upright;
}
