import { areaXyxy, type BoxXyxy, type ImageSize } from '../geometry/box.js';
import type { Expression } from '../language/expression.js';
import { lean } from './order.js';

/**
 * Weights of ln(share of the photo) and of ln(lean): the first is that of `existence`, the second that of the transparent
 * scorer. The intercept makes the mean chance right that the transparent scorer is right on the training photos (1,422
 * expressions).
 */
const WEIGHTS = { intercept: 0.8, area: 0.37, lean: 0.5 };
const SMALLEST_SHARE = 1e-4;
/** What a lean of 0 still counts for. */
const FLOOR = 0.05;

/**
 * What the box of an answer says by itself, as natural log-odds to be added: people speak of what is large in the photo, and
 * "on the left" is said of what lies there. It tells doubt where the only box that was proposed has nothing to be compared
 * with.
 */
export function boxPlausibility(
  boxXyxy: BoxXyxy,
  { selectors }: Expression,
  image: ImageSize,
): number {
  const share = areaXyxy(boxXyxy) / Math.max(1, image.width * image.height);
  const leans = selectors
    .filter(({ negated }) => !negated)
    .map((selector) => lean(selector, boxXyxy, image))
    .filter((value) => value !== null);
  return leans.reduce(
    (sum, value) => sum + WEIGHTS.lean * Math.log(FLOOR + value),
    WEIGHTS.intercept + WEIGHTS.area * Math.log(Math.min(Math.max(share, SMALLEST_SHARE), 1)),
  );
}
