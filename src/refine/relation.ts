import {
  type BoxXyxy,
  type ImageSize,
  intersectionXyxy,
  iouXyxy,
  shareInsideXyxy,
} from '../core/box.js';
import { LANDMARK_IOU } from '../core/iou.js';
import { sigmoid } from '../core/math.js';
import type { Relation, RelationKind, Selector } from '../language/expression.js';
import type { ObjectHypothesis } from './candidates.js';
import { rankChances } from './relative-rank.js';

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
  if (kind === 'between') return objects.map((object) => fitBetween(object, first, other ?? first));
  const far = kind === 'far-from';
  if (far || (kind === 'next-to' && COMPARED.test(words))) {
    return distanceChances(objects, first, imageSize, far);
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
const SOFTNESS = 0.02;
/** Share of the distance of centres in a distance: of two boxes that touch an object the one over its middle is closer. */
const CENTRES = 0.25;

/** Nobody means one of more; it keeps the work on a thousand boxes small. */
const MAX_LANDMARKS = 16;

/** Empty space between two boxes and, less, what lies between their centres, as a share of the photo's diagonal. */
function distance(a: BoxXyxy, b: BoxXyxy, { width, height }: ImageSize): number {
  const cx = (a.x1 + a.x2 - b.x1 - b.x2) / 2;
  const cy = (a.y1 + a.y2 - b.y1 - b.y2) / 2;
  return (spaceBetween(a, b) + CENTRES * Math.hypot(cx, cy)) / Math.hypot(width, height);
}

/**
 * Probability of each object to be the closest of all objects to the landmark, or the farthest from it, 0..1, parallel to
 * `objects`: a mean over what the landmark may be, by weight. Other objects count as far as they are likely to be there. Null
 * where no landmark may be there.
 */
export function distanceChances(
  objects: readonly ObjectHypothesis[],
  landmarks: readonly Landmark[],
  imageSize: ImageSize,
  farthest: boolean,
): Fit[] {
  const likeliest = [...landmarks].sort((a, b) => b.weight - a.weight).slice(0, MAX_LANDMARKS);
  const total = likeliest.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return objects.map(() => null);
  const means = new Array<number>(objects.length).fill(0);
  for (const { object: landmark, weight } of likeliest) {
    const distances = objects.map(({ boxXyxy }) => distance(boxXyxy, landmark.boxXyxy, imageSize));
    for (const [at, own] of distances.entries()) {
      const first = objects.reduce((chance, other, i) => {
        if (i === at || other === landmark) return chance;
        const before = sigmoid(((farthest ? -1 : 1) * (own - distances[i]!)) / SOFTNESS);
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
