import { sigmoid } from '../detection/logistic.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import type { Selector, SelectorAxis } from '../language/expression.js';
import type { Thing } from './thing.js';

/**
 * How far apart two places on an axis must be for their order to be sure, as a share of the axis: x and y in shares of the
 * photo, the others in natural logs.
 */
const SOFTNESS: Readonly<Record<SelectorAxis, number>> = {
  x: 0.015,
  y: 0.015,
  size: 0.08,
  height: 0.05,
  depth: 0.04,
};

/** Place of a box on an axis, growing from the `min` end to the `max` end. x, y: centre, 0..1. size, height: natural log of
 * the share of the photo. depth: grows away from the viewer, who sees near things large and low. */
function placeOn(axis: SelectorAxis, box: BoxXyxy, image: ImageSize): number {
  const width = (box.x2 - box.x1) / image.width;
  const height = (box.y2 - box.y1) / image.height;
  if (axis === 'x') return (box.x1 + box.x2) / 2 / image.width;
  if (axis === 'y') return (box.y1 + box.y2) / 2 / image.height;
  if (axis === 'size') return Math.log(Math.max(width * height, 1e-6));
  if (axis === 'height') return Math.log(Math.max(height, 1e-3));
  return -(Math.sqrt(Math.max(width * height, 0)) + box.y2 / image.height) / 2;
}

/** What is left of the chance of a thing that is alone of its kind: "the left lion" where there is one lion. */
const ALONE = 1e-4;

/** Nobody counts further; it keeps the work on a thousand boxes small. */
const MOST_COUNTED = 16;

/**
 * Chances that exactly 0, 1, ... of independent events happen (Poisson binomial), by adding one event at a time, up to `most`
 * events and never more than 16. `[0.5, 0.5]` gives `[0.25, 0.5, 0.25]`.
 */
export function countChances(chances: readonly number[], most = MOST_COUNTED): number[] {
  const counts = [1];
  for (const chance of chances) {
    const last = counts.length - 1;
    if (last < Math.min(most, MOST_COUNTED)) counts.push(counts[last]! * chance);
    for (let n = last; n > 0; n--) counts[n] = counts[n]! * (1 - chance) + counts[n - 1]! * chance;
    counts[0] = counts[0]! * (1 - chance);
  }
  return counts;
}

/** How many things lie before and behind each thing, as chances of each number. */
interface Neighbours {
  readonly before: number[];
  readonly behind: number[];
}

/** Highest numbers of neighbours that are asked about. */
interface Asked {
  readonly before: number;
  readonly behind: number;
}

function neighbours(
  things: readonly Thing[],
  places: readonly number[],
  softness: number,
  asked: Asked,
): Neighbours[] {
  return things.map((_, i) => {
    const before: number[] = [];
    const behind: number[] = [];
    for (let j = 0; j < things.length; j++) {
      if (i === j) continue;
      const { chance } = things[j]!;
      const ahead = sigmoid((places[i]! - places[j]!) / softness);
      before.push(chance * ahead);
      behind.push(chance * (1 - ahead));
    }
    return {
      before: countChances(before, asked.before),
      behind: countChances(behind, asked.behind),
    };
  });
}

/** Counting from one end asks whether `rank - 1` lie on that side, and whether nobody lies on the other. */
function askedBy({ end, rank }: Pick<Selector, 'end' | 'rank'>): Asked {
  if (end === 'middle') return { before: MOST_COUNTED, behind: MOST_COUNTED };
  const first = (rank ?? 1) - 1;
  return end === 'min' ? { before: first, behind: 0 } : { before: 0, behind: first };
}

/** Chance of as many things before as behind; one more on either side counts half. */
function middleChance({ before, behind }: Neighbours): number {
  return before.reduce((sum, chance, n) => {
    const near = (behind[n] ?? 0) + 0.5 * ((behind[n + 1] ?? 0) + (behind[n - 1] ?? 0));
    return sum + chance * near;
  }, 0);
}

/**
 * Chance that each thing holds the place which the selector asks for among its kind, 0..1, parallel to `things`. A thing
 * counts as a neighbour as far as it is likely to be there at all, so that ghosts of low score push nobody from his place.
 * Whoever says "left" has seen something further right: a thing with nobody behind it in the order is not meant. "left" asks
 * for the leftmost, as "leftmost" does; see {@link lean} for the softer reading.
 */
export function placeChances(
  selector: Pick<Selector, 'axis' | 'end' | 'rank'>,
  things: readonly Thing[],
  image: ImageSize,
): number[] {
  const places = things.map(({ boxXyxy }) => placeOn(selector.axis, boxXyxy, image));
  const around = neighbours(things, places, SOFTNESS[selector.axis], askedBy(selector));
  if (selector.end === 'middle') return around.map(middleChance);
  const rank = selector.rank ?? 1;
  return around.map(({ before, behind }) => {
    const [first, last] = selector.end === 'min' ? [before, behind] : [behind, before];
    const held = first[rank - 1] ?? 0;
    return rank === 1 ? held * Math.max(1 - (last[0] ?? 0), ALONE) : held;
  });
}

/**
 * How far a box lies towards the selector's end of the photo, 0..1, whatever else is there: "left" is 1 at the left border.
 * Null for axes that have no ends in the photo (size, height).
 */
export function lean(
  selector: Pick<Selector, 'axis' | 'end'>,
  box: BoxXyxy,
  image: ImageSize,
): number | null {
  if (selector.axis === 'size' || selector.axis === 'height') return null;
  const place = placeOn(selector.axis, box, image);
  const share = selector.axis === 'depth' ? 1 + place : place;
  const bounded = Math.min(Math.max(share, 0), 1);
  if (selector.end === 'middle') return 1 - 2 * Math.abs(bounded - 0.5);
  return selector.end === 'min' ? 1 - bounded : bounded;
}
