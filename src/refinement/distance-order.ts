import { sigmoid } from '../detection/logistic.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import type { Thing } from './thing.js';

/** How far apart two distances must be for their order to be sure, as a share of the photo's diagonal. */
const SOFTNESS = 0.02;
/** Share of the distance of centres in a distance: of two boxes that touch a thing the one over its middle is closer. */
const CENTRES = 0.25;

/** Nobody means one of more; it keeps the work on a thousand boxes small. */
const MOST_LANDMARKS = 16;

/** Empty space between two boxes and, less, what lies between their centres, as a share of the photo's diagonal. */
function distance(a: BoxXyxy, b: BoxXyxy, { width, height }: ImageSize): number {
  const dx = Math.max(0, Math.max(a.x1, b.x1) - Math.min(a.x2, b.x2));
  const dy = Math.max(0, Math.max(a.y1, b.y1) - Math.min(a.y2, b.y2));
  const cx = (a.x1 + a.x2 - b.x1 - b.x2) / 2;
  const cy = (a.y1 + a.y2 - b.y1 - b.y2) / 2;
  return (Math.hypot(dx, dy) + CENTRES * Math.hypot(cx, cy)) / Math.hypot(width, height);
}

/**
 * Chance of each thing to be the closest of all things to the landmark, or the farthest from it, 0..1, parallel to `things`:
 * a mean over what the landmark may be, by weight. Other things count as far as they are likely to be there. Null where no
 * landmark may be there.
 */
export function distanceChances(
  things: readonly Thing[],
  landmarks: ReadonlyArray<{ readonly thing: Thing; readonly weight: number }>,
  image: ImageSize,
  farthest: boolean,
): Array<number | null> {
  const likeliest = [...landmarks].sort((a, b) => b.weight - a.weight).slice(0, MOST_LANDMARKS);
  const total = likeliest.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return things.map(() => null);
  const means = new Array<number>(things.length).fill(0);
  for (const { thing: landmark, weight } of likeliest) {
    const distances = things.map(({ boxXyxy }) => distance(boxXyxy, landmark.boxXyxy, image));
    for (const [at, own] of distances.entries()) {
      const first = things.reduce((chance, other, i) => {
        if (i === at || other === landmark) return chance;
        const before = sigmoid(((farthest ? -1 : 1) * (own - distances[i]!)) / SOFTNESS);
        return chance * (1 - other.chance * before);
      }, 1);
      means[at]! += (weight / total) * (things[at] === landmark ? 0 : first);
    }
  }
  return means;
}
