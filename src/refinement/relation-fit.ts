import type { ImageSize } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import type { Relation, RelationKind, Selector } from '../language/expression.js';
import { distanceChances } from './distance-order.js';
import { placeChances } from './order.js';
import { betweenFit, relationFit } from './relation-geometry.js';
import type { Thing } from './thing.js';

/** A landmark as it may lie in the photo, with its weight among the landmarks that the words allow, 0..1. */
export interface Landmark {
  readonly thing: Thing;
  readonly weight: number;
}

/** Boxes that overlap more are no landmark of each other. */
const SAME_OBJECT_IOU = 0.7;
/** Landmarks that stand in no better relation are not there; a product over hundreds of ghosts would say otherwise. */
export const FAINT = 0.02;
/** "closest to the door", "farther from the dog": an order among the things, not a place. */
const COMPARED = /\b(?:closest|nearest|closer|nearer)\b/;

/** The chance that some landmark stands in the relation: 1 minus the chance that none does. */
function someFit(fits: readonly number[]): number {
  return 1 - fits.filter((fit) => fit > FAINT).reduce((none, fit) => none * (1 - fit), 1);
}

const isOther = (thing: Thing, other: Thing): boolean =>
  thing !== other && iouXyxy(thing.boxXyxy, other.boxXyxy) < SAME_OBJECT_IOU;

/**
 * How well each thing stands in the relation to some landmark, 0..1, parallel to `things`; null where boxes do not show it.
 * `groups` are the landmarks that each of the relation's phrases may mean, null where nothing is known of them.
 */
export function relationFits(
  relation: Relation,
  things: readonly Thing[],
  groups: ReadonlyArray<readonly Landmark[] | null>,
  image: ImageSize,
): Array<number | null> {
  const [first, other] = groups;
  if (first === null || first === undefined) return fitsInOrder(relation, things, image);
  if (relation.kind === 'between') {
    return things.map((thing) => fitBetween(thing, first, other ?? first));
  }
  const far = relation.kind === 'far-from';
  if (far || (relation.kind === 'next-to' && COMPARED.test(relation.words))) {
    return distanceChances(things, first, image, far);
  }
  return things.map((thing) => fitToSome(relation, thing, first));
}

/** Where a thing lies in the order of its kind, if the words tie it so to something that no box shows. */
const ORDER_OF: Readonly<Partial<Record<RelationKind, Pick<Selector, 'axis' | 'end'>>>> = {
  'left-of': { axis: 'x', end: 'min' },
  'right-of': { axis: 'x', end: 'max' },
  above: { axis: 'y', end: 'min' },
  below: { axis: 'y', end: 'max' },
  behind: { axis: 'depth', end: 'max' },
};

/** "left of the lamp", where no lamp is known: further left than others. */
function fitsInOrder(
  { kind, landmarks }: Relation,
  things: readonly Thing[],
  image: ImageSize,
): Array<number | null> {
  const order = ORDER_OF[kind];
  if (order === undefined || landmarks.length === 0) return things.map(() => null);
  return placeChances({ ...order, rank: null }, things, image).map((chance) => Math.sqrt(chance));
}

function fitToSome(
  relation: Relation,
  thing: Thing,
  landmarks: readonly Landmark[],
): number | null {
  const fits = landmarks
    .filter((landmark) => isOther(thing, landmark.thing))
    .map(({ thing: other, weight }) => {
      const fit = relationFit(relation.kind, thing.boxXyxy, other.boxXyxy);
      return fit === null ? null : fit * weight;
    });
  if (fits.includes(null)) return null;
  return someFit(fits as number[]);
}

function fitBetween(thing: Thing, first: readonly Landmark[], second: readonly Landmark[]): number {
  const fits: number[] = [];
  for (const a of first) {
    for (const b of second) {
      const apart = isOther(thing, a.thing) && isOther(thing, b.thing) && isOther(a.thing, b.thing);
      if (!apart) continue;
      fits.push(a.weight * b.weight * betweenFit(thing.boxXyxy, a.thing.boxXyxy, b.thing.boxXyxy));
    }
  }
  return someFit(fits);
}
