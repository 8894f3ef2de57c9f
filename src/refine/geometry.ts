import {
  type BoxXyxy,
  type ImageSize,
  intersectionXyxy,
  iouXyxy,
  shareInsideXyxy,
} from '../core/box.js';
import { LANDMARK_IOU } from '../core/iou.js';
import { sigmoid } from '../core/math.js';
import type { Relation, RelationKind, Selector, SelectorAxis } from '../language/expression.js';
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

/** People do not count further; the limit keeps the work on a thousand boxes small. */
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

/**
 * Chances of each object that 0, 1, ... others lie before it on an axis, or behind it.
 * @param most see {@link countChances}
 */
function neighbourChances(
  side: 'before' | 'behind',
  objects: readonly ObjectHypothesis[],
  coordinates: readonly number[],
  softness: number,
  most?: number,
): number[][] {
  return objects.map((_, i) => {
    const chances: number[] = [];
    for (const [j, { chance }] of objects.entries()) {
      if (i === j) continue;
      const ahead = sigmoid((coordinates[i]! - coordinates[j]!) / softness);
      chances.push(chance * (side === 'before' ? ahead : 1 - ahead));
    }
    return countChances(chances, most);
  });
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
  return neighbourChances('before', objects, distances, SOFTNESS.x, 0).map(([none]) => none!);
}

/** Probability of as many objects before as behind; one more on either side counts half. */
const middleChance = (before: readonly number[], behind: readonly number[]): number =>
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
  const others = (side: 'before' | 'behind', most?: number) =>
    neighbourChances(side, objects, coordinates, softness, most);
  if (end === 'middle') {
    const central = centralChances(axis, objects, imageSize);
    const behind = others('behind');
    return others('before').map(
      (before, at) => central[at]! * middleChance(before, behind[at]!) ** MIDDLE_ORDER,
    );
  }
  const [first, last] =
    end === 'min' ? (['before', 'behind'] as const) : (['behind', 'before'] as const);
  const chances = others(first, rank - 1).map((counts) => counts[rank - 1] ?? 0);
  if (rank > 1) return chances;
  return others(last, 0).map(([alone], at) => chances[at]! * Math.max(1 - alone!, ALONE));
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

/** A fit, 0..1; null where nothing is known of it. */
export type Fit = number | null;

/** A landmark as it may lie in the photo, with its weight among the landmarks that the words allow, 0..1. */
export interface Landmark {
  readonly object: ObjectHypothesis;
  readonly weight: number;
}

/** Landmarks in no better relation are not there; a product over hundreds of false detections would say otherwise. */
export const MIN_WEIGHT = 0.02;
/** "closest to the door", "farther from the dog": an order among the objects, and no relation of each by itself. */
const COMPARED = /\b(?:closest|nearest|closer|nearer)\b/;

/** The probability that some landmark stands in the relation: 1 minus the probability that none does. */
const someFit = (fits: readonly number[]): number =>
  1 - fits.filter((fit) => fit > MIN_WEIGHT).reduce((none, fit) => none * (1 - fit), 1);

const isOther = (object: ObjectHypothesis, other: ObjectHypothesis): boolean =>
  object !== other && iouXyxy(object.boxXyxy, other.boxXyxy) < LANDMARK_IOU;

/**
 * How well each object stands in the relation to some landmark, 0..1, parallel to `objects`; null where boxes do not show it.
 * `groups` are the landmarks that each of the relation's phrases may mean, null where nothing is known of them.
 */
export function relationFits(
  { kind, words, landmarks }: Relation,
  objects: readonly ObjectHypothesis[],
  groups: ReadonlyArray<readonly Landmark[] | null>,
  imageSize: ImageSize,
): Fit[] {
  const [first, other] = groups;
  if (first === null || first === undefined) {
    const order = RANK_OF[kind];
    if (order === undefined || landmarks.length === 0) return objects.map(() => null);
    // "left of the lamp", where no lamp is known: further left than others.
    return rankChances({ ...order, rank: null }, objects, imageSize).map(Math.sqrt);
  }
  if (kind === 'between') {
    const [near, far] = [first, other ?? first].map((each) => likeliest(each, MAX_PAIRED));
    return objects.map((object) => fitBetween(object, near!, far!));
  }
  if (kind === 'far-from') return distanceChances(objects, first, imageSize, 'farthest');
  if (kind === 'next-to' && COMPARED.test(words)) {
    return distanceChances(objects, first, imageSize, 'closest');
  }
  return objects.map((object) => {
    const others = first.filter((landmark) => isOther(object, landmark.object));
    const fits = others.map(({ object: { boxXyxy }, weight }) => {
      const fit = relationFit(kind, object.boxXyxy, boxXyxy);
      return fit === null ? null : fit * weight;
    });
    return fits.includes(null) ? null : someFit(fits as number[]);
  });
}

/** The rank among its kind that an object has if the words relate it to something that no box shows. */
export const RANK_OF: Readonly<Partial<Record<RelationKind, Pick<Selector, 'axis' | 'end'>>>> = {
  'left-of': { axis: 'x', end: 'min' },
  'right-of': { axis: 'x', end: 'max' },
  above: { axis: 'y', end: 'min' },
  below: { axis: 'y', end: 'max' },
  behind: { axis: 'depth', end: 'max' },
};

function fitBetween(
  object: ObjectHypothesis,
  first: readonly Landmark[],
  second: readonly Landmark[],
): number {
  const fits: number[] = [];
  for (const a of first) {
    for (const b of second) {
      const apart =
        isOther(object, a.object) && isOther(object, b.object) && isOther(a.object, b.object);
      if (!apart) continue;
      const fit = betweenFit(object.boxXyxy, a.object.boxXyxy, b.object.boxXyxy);
      fits.push(a.weight * b.weight * fit);
    }
  }
  return someFit(fits);
}

/** How far apart two distances must be for their order to be sure, as a share of the photo's diagonal. */
const DISTANCE_SOFTNESS = 0.02;
/** Share of the distance of centres in a distance: of two boxes that touch an object the one over its middle is closer. */
const CENTRES = 0.25;

/** Expressions do not choose among more; the limits keep the work on thousands of boxes small. */
const MAX_LANDMARKS = 16;
/** Landmarks of which every two are looked at together. */
const MAX_PAIRED = 64;

const likeliest = (landmarks: readonly Landmark[], most: number): readonly Landmark[] =>
  landmarks.length <= most
    ? landmarks
    : landmarks.toSorted((a, b) => b.weight - a.weight).slice(0, most);

/** Empty space between two boxes and, less, what lies between their centres, as a share of the photo's diagonal. */
const distance = (a: BoxXyxy, b: BoxXyxy, imageSize: ImageSize): number =>
  (spaceBetween(a, b) + CENTRES * centreDistance(a, b)) /
  Math.hypot(imageSize.width, imageSize.height);

/**
 * Probability of each object to be the closest of all objects to the landmark, or the farthest from it, 0..1, parallel to
 * `objects`: a mean over what the landmark may be, by weight. Other objects count as far as they are likely to be there. Null
 * where no landmark may be there.
 */
export function distanceChances(
  objects: readonly ObjectHypothesis[],
  landmarks: readonly Landmark[],
  imageSize: ImageSize,
  asked: 'closest' | 'farthest',
): Fit[] {
  const sign = asked === 'farthest' ? -1 : 1;
  const counted = landmarks.toSorted((a, b) => b.weight - a.weight).slice(0, MAX_LANDMARKS);
  const total = counted.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return objects.map(() => null);
  const means = new Array<number>(objects.length).fill(0);
  for (const { object: landmark, weight } of counted) {
    const distances = objects.map(({ boxXyxy }) => distance(boxXyxy, landmark.boxXyxy, imageSize));
    for (const [at, own] of distances.entries()) {
      const first = objects.reduce((chance, other, i) => {
        if (i === at || other === landmark) return chance;
        const before = sigmoid((sign * (own - distances[i]!)) / DISTANCE_SOFTNESS);
        return chance * (1 - other.chance * before);
      }, 1);
      means[at]! += (weight / total) * (objects[at] === landmark ? 0 : first);
    }
  }
  return means;
}

/** How well two boxes stand in a relation as the eye sees it in the plane, 0..1. The subject comes first. */
type Predicate = (subject: BoxXyxy, landmark: BoxXyxy) => number;

const width = (box: BoxXyxy) => Math.max(box.x2 - box.x1, 1);
const height = (box: BoxXyxy) => Math.max(box.y2 - box.y1, 1);
const centreX = (box: BoxXyxy) => (box.x1 + box.x2) / 2;
const centreY = (box: BoxXyxy) => (box.y1 + box.y2) / 2;

/** Pixels between the borders of two boxes; 0 where they touch or overlap. */
function spaceBetween(a: BoxXyxy, b: BoxXyxy): number {
  const dx = Math.max(0, Math.max(a.x1, b.x1) - Math.min(a.x2, b.x2));
  const dy = Math.max(0, Math.max(a.y1, b.y1) - Math.min(a.y2, b.y2));
  return Math.hypot(dx, dy);
}

const centreDistance = (a: BoxXyxy, b: BoxXyxy): number =>
  Math.hypot(centreX(a) - centreX(b), centreY(a) - centreY(b));

const meanSize = (a: BoxXyxy, b: BoxXyxy): number =>
  (Math.sqrt(width(a) * height(a)) + Math.sqrt(width(b) * height(b))) / 2;

/** 1 where the boxes touch, about a third at one mean size apart. */
const near: Predicate = (a, b) => Math.exp(-(spaceBetween(a, b) / meanSize(a, b)));

/** Share of the narrower box's extent along x that both have in common. */
function commonX(a: BoxXyxy, b: BoxXyxy): number {
  const common = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  return Math.min(1, Math.max(0, common) / Math.min(width(a), width(b)));
}

/** Signed offset of centres in mean sizes. */
const offsetX = (a: BoxXyxy, b: BoxXyxy) => (centreX(a) - centreX(b)) / meanSize(a, b);
const offsetY = (a: BoxXyxy, b: BoxXyxy) => (centreY(a) - centreY(b)) / meanSize(a, b);

/** The smaller box's share inside the other: what is held, worn or ridden overlaps its owner. */
const carried: Predicate = (subject, landmark) => {
  const shared = intersectionXyxy(subject, landmark);
  const smaller = Math.min(width(subject) * height(subject), width(landmark) * height(landmark));
  return Math.min(1, shared / smaller) * 0.8 + 0.2 * near(subject, landmark);
};

/** Lower edges tell depth on level ground: what stands lower stands nearer. */
const nearer = (subject: BoxXyxy, landmark: BoxXyxy): number =>
  sigmoid((4 * (subject.y2 - landmark.y2)) / meanSize(subject, landmark));

/** What the boxes can tell. Relations that they do not show ("facing", "other") are left out. */
const PREDICATES: Readonly<Partial<Record<RelationKind, Predicate>>> = {
  'next-to': near,
  'left-of': (s, l) => sigmoid(-5 * offsetX(s, l)) * (0.4 + 0.6 * near(s, l)),
  'right-of': (s, l) => sigmoid(5 * offsetX(s, l)) * (0.4 + 0.6 * near(s, l)),
  above: (s, l) => sigmoid(-5 * offsetY(s, l)) * (0.4 + 0.6 * commonX(s, l)) * near(s, l),
  below: (s, l) => sigmoid(5 * offsetY(s, l)) * (0.4 + 0.6 * commonX(s, l)) * near(s, l),
  on: (s, l) => commonX(s, l) * near(s, l) * sigmoid(4 * ((l.y2 - s.y2) / meanSize(s, l) + 0.3)),
  in: (s, l) => 0.2 * near(s, l) + 0.8 * shareInsideXyxy(s, l),
  behind: (s, l) => near(s, l) * (1 - nearer(s, l)),
  'in-front-of': (s, l) => near(s, l) * nearer(s, l),
  holding: carried,
  wearing: carried,
  with: carried,
  riding: (s, l) => carried(s, l) * sigmoid(-4 * offsetY(s, l)),
  of: (s, l) => shareInsideXyxy(s, l),
};

/**
 * How well the boxes stand in a relation, 0..1; null where boxes do not show it. "Left" is the left of the picture.
 * `behind` and `in-front-of` compare lower edges; `on`, `in` and the like need overlap or touch.
 */
export const relationFit = (kind: RelationKind, subject: BoxXyxy, landmark: BoxXyxy): Fit =>
  PREDICATES[kind]?.(subject, landmark) ?? null;

/** How well the subject lies between two boxes, 0..1: 1 at the point midway, less off the line that joins them. */
export function betweenFit(subject: BoxXyxy, first: BoxXyxy, second: BoxXyxy): number {
  const [toFirst, toSecond] = [centreDistance(subject, first), centreDistance(subject, second)];
  const span = centreDistance(first, second);
  const detour = (toFirst + toSecond - span) / Math.max(span, 1);
  const balance = Math.min(toFirst, toSecond) / Math.max(toFirst, toSecond, 1);
  return Math.exp(-3 * detour) * (0.5 + 0.5 * balance);
}
