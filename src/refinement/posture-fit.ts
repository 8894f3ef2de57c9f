import { sigmoid } from '../detection/logistic.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import type { Posture } from '../language/stature.js';

/**
 * Height over width where one posture passes into the other, and the spread, natural logs. Medians over boxes of persons
 * in RefCOCO, RefCOCO+ and RefCOCOg: 2.5 where the words say that they stand, 1.3 where they sit, 0.7 where they lie.
 */
const UPRIGHT = { from: Math.log(1.85), spread: 0.35 };
const LYING = { below: Math.log(1), spread: 0.25 };
/**
 * The same for animals, of RefCOCOg: 1.0 over 58 boxes where they stand or walk, 0.9 over 10 where they sit, 0.6 over 15 where
 * they lie. Their shape tells lying from the rest alone.
 */
const ANIMAL_LYING = { below: Math.log(0.8), spread: 0.3 };

/** Closer to the border of the photo than this share of it, a box may be cut off there. */
const BORDER = 0.01;

/** Whose posture is asked for. */
export type Body = 'person' | 'animal';

/**
 * How well the shape of a body's box goes with a posture, 0..1. What lies beyond the border of the photo makes a body wider or
 * taller than its box; where that may turn the answer, it is 0.5.
 */
export function postureFit(posture: Posture, body: Body, box: BoxXyxy, image: ImageSize): number {
  const aside = Math.min(box.x1, image.width - box.x2) < BORDER * image.width;
  const above = Math.min(box.y1, image.height - box.y2) < BORDER * image.height;
  if (aside && above) return 0.5;
  const shape = Math.log(Math.max(box.y2 - box.y1, 1) / Math.max(box.x2 - box.x1, 1));
  const fit = shapeFit(posture, body, shape);
  if (!aside && !above) return fit;
  const tall = posture === 'upright' || (posture === 'seated' && body === 'animal');
  return tall === above ? Math.max(0.5, fit) : Math.min(0.5, fit);
}

function shapeFit(posture: Posture, body: Body, shape: number): number {
  if (body === 'animal') {
    const lying = sigmoid((ANIMAL_LYING.below - shape) / ANIMAL_LYING.spread);
    return posture === 'lying' ? lying : 1 - lying;
  }
  if (posture === 'lying') return sigmoid((LYING.below - shape) / LYING.spread);
  const upright = sigmoid((shape - UPRIGHT.from) / UPRIGHT.spread);
  return posture === 'upright' ? upright : 1 - upright;
}
