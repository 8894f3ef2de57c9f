import type { BoxXyxy, ImageSize } from '../core/box.js';
import { sigmoid } from '../core/math.js';
import type { Selector, SelectorAxis } from '../language/expression.js';
import type { ObjectHypothesis } from './candidates.js';

/**
 * How far apart two coordinates on an axis must be for their order to be sure: x and y in shares of the photo, size and height in
 * natural logs, depth as {@link coordinateOn} has it. People are less exact than boxes; fitted to what they wrote.
 */
const SOFTNESS: Readonly<Record<SelectorAxis, number>> = {
  x: 0.09,
  y: 0.09,
  size: 0.4,
  height: 0.2,
  depth: 0.18,
};
/** People who count ("second from the left") look closer than those who say "left". */
const COUNTING = 0.3;

/**
 * Coordinate of a box on an axis, growing from the `min` end to the `max` end. x, y: centre, 0..1. size, height: natural log of
 * the share of the photo. depth: grows away from the viewer, to whom near objects look large and low.
 */
function coordinateOn(axis: SelectorAxis, box: BoxXyxy, imageSize: ImageSize): number {
  const width = (box.x2 - box.x1) / imageSize.width;
  const height = (box.y2 - box.y1) / imageSize.height;
  if (axis === 'x') return (box.x1 + box.x2) / 2 / imageSize.width;
  if (axis === 'y') return (box.y1 + box.y2) / 2 / imageSize.height;
  if (axis === 'size') return Math.log(Math.max(width * height, 1e-6));
  if (axis === 'height') return Math.log(Math.max(height, 1e-3));
  const low = (0.6 * box.y2 + 0.4 * box.y1) / imageSize.height;
  return -(low + 0.25 * Math.log(Math.max(width * height, 1e-6)));
}

/** What is left of the chance of an object that is alone of its kind: "the left lion" where there is one lion. */
const ALONE = 1e-4;

/** Nobody counts further; it keeps the work on a thousand boxes small. */
const MAX_COUNTED = 16;

/**
 * Chances that exactly 0, 1, ... of independent events happen (Poisson binomial), by adding one event at a time, up to `most`
 * events and never more than 16. `[0.5, 0.5]` gives `[0.25, 0.5, 0.25]`.
 */
export function countChances(chances: readonly number[], most = MAX_COUNTED): number[] {
  const counts = [1];
  for (const chance of chances) {
    const last = counts.length - 1;
    if (last < Math.min(most, MAX_COUNTED)) counts.push(counts[last]! * chance);
    for (let n = last; n > 0; n--) counts[n] = counts[n]! * (1 - chance) + counts[n - 1]! * chance;
    counts[0] = counts[0]! * (1 - chance);
  }
  return counts;
}

/** How many objects lie before and behind one, as probabilities of each number. */
type Neighbours = Readonly<Record<'before' | 'behind', number[]>>;
/** Highest numbers of neighbours that are asked about. */
type Asked = Readonly<Record<'before' | 'behind', number>>;

function neighbours(
  objects: readonly ObjectHypothesis[],
  coordinates: readonly number[],
  softness: number,
  asked: Asked,
): Neighbours[] {
  return objects.map((_, i) => {
    const before: number[] = [];
    const behind: number[] = [];
    for (let j = 0; j < objects.length; j++) {
      if (i === j) continue;
      const { chance } = objects[j]!;
      const ahead = sigmoid((coordinates[i]! - coordinates[j]!) / softness);
      before.push(chance * ahead);
      behind.push(chance * (1 - ahead));
    }
    return {
      before: countChances(before, asked.before),
      behind: countChances(behind, asked.behind),
    };
  });
}

/** Counting from one end asks whether `rank - 1` lie on that side, and whether none lies on the other. */
function askedBy(end: Selector['end'], rank: number): Asked {
  if (end === 'middle') return { before: MAX_COUNTED, behind: MAX_COUNTED };
  return end === 'min' ? { before: rank - 1, behind: 0 } : { before: 0, behind: rank - 1 };
}

/** "In the middle" tells of the photo first, and less of the order among the objects. */
const MIDDLE_ORDER = 0.4;
/** What lies off the centre along the other axis counts half. */
const OTHER_AXIS = 0.5;

/** Probability of each object to lie closest to the photo's centre. */
function centralChances(
  axis: SelectorAxis,
  objects: readonly ObjectHypothesis[],
  imageSize: ImageSize,
): number[] {
  const off = (along: 'x' | 'y', box: BoxXyxy) =>
    Math.abs(coordinateOn(along, box, imageSize) - 0.5);
  const [main, other] = axis === 'y' ? (['y', 'x'] as const) : (['x', 'y'] as const);
  const distances = objects.map(
    ({ boxXyxy }) => off(main, boxXyxy) + OTHER_AXIS * off(other, boxXyxy),
  );
  const asked = { before: 0, behind: 0 };
  return neighbours(objects, distances, SOFTNESS.x, asked).map(({ before }) => before[0]!);
}

/** Probability of as many objects before as behind; one more on either side counts half. */
const middleChance = ({ before, behind }: Neighbours): number =>
  before.reduce((sum, chance, n) => {
    const near = (behind[n] ?? 0) + 0.5 * ((behind[n + 1] ?? 0) + (behind[n - 1] ?? 0));
    return sum + chance * near;
  }, 0);

/**
 * Probability that each object has the selector's rank among its kind, 0..1, parallel to `objects`. Neighbours are weighted
 * by objectness, so false detections do not shift the rank. "left" implies another object further right; an object with none
 * behind it gets next to nothing. "left" asks for the leftmost, as "leftmost" does; {@link positionScore} is the softer
 * reading.
 */
export function rankChances(
  { axis, end, rank: asked }: Pick<Selector, 'axis' | 'end' | 'rank'>,
  objects: readonly ObjectHypothesis[],
  imageSize: ImageSize,
): number[] {
  const rank = asked ?? 1;
  const coordinates = objects.map(({ boxXyxy }) => coordinateOn(axis, boxXyxy, imageSize));
  const softness = SOFTNESS[axis] * (rank > 1 ? COUNTING : 1);
  const around = neighbours(objects, coordinates, softness, askedBy(end, rank));
  if (end === 'middle') {
    const central = centralChances(axis, objects, imageSize);
    return around.map((each, at) => central[at]! * middleChance(each) ** MIDDLE_ORDER);
  }
  return around.map(({ before, behind }) => {
    const [first, last] = end === 'min' ? [before, behind] : [behind, before];
    const chance = first[rank - 1] ?? 0;
    return rank === 1 ? chance * Math.max(1 - (last[0] ?? 0), ALONE) : chance;
  });
}

/** 0 for a box that fills the photo, 1 for a speck at its top. */
function farness(box: BoxXyxy, { width, height }: ImageSize): number {
  const area = ((box.x2 - box.x1) * (box.y2 - box.y1)) / (width * height);
  return 1 - (Math.sqrt(Math.max(area, 0)) + box.y2 / height) / 2;
}

/**
 * How far a box lies towards the selector's end of the photo, 0..1, whatever else is there: "left" is 1 at the left border.
 * Null for axes that have no ends in the photo (size, height).
 */
export function positionScore(
  { axis, end }: Pick<Selector, 'axis' | 'end'>,
  box: BoxXyxy,
  imageSize: ImageSize,
): number | null {
  if (axis === 'size' || axis === 'height') return null;
  const share = axis === 'depth' ? farness(box, imageSize) : coordinateOn(axis, box, imageSize);
  const bounded = Math.min(Math.max(share, 0), 1);
  if (end === 'middle') return 1 - 2 * Math.abs(bounded - 0.5);
  return end === 'min' ? 1 - bounded : bounded;
}
