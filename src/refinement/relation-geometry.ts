import { sigmoid } from '../detection/logistic.js';
import type { BoxXyxy } from '../geometry/box.js';
import { intersectionXyxy, shareInsideXyxy } from '../geometry/overlap.js';
import type { RelationKind } from '../language/expression.js';

/** How well two boxes stand in a relation as the eye sees it in the plane, 0..1. The subject comes first. */
type Predicate = (subject: BoxXyxy, landmark: BoxXyxy) => number;

const width = (box: BoxXyxy) => Math.max(box.x2 - box.x1, 1);
const height = (box: BoxXyxy) => Math.max(box.y2 - box.y1, 1);
const centreX = (box: BoxXyxy) => (box.x1 + box.x2) / 2;
const centreY = (box: BoxXyxy) => (box.y1 + box.y2) / 2;
/** Empty space between two boxes over their mean size; 0 where they touch or overlap. */
function gap(a: BoxXyxy, b: BoxXyxy): number {
  const dx = Math.max(0, Math.max(a.x1, b.x1) - Math.min(a.x2, b.x2));
  const dy = Math.max(0, Math.max(a.y1, b.y1) - Math.min(a.y2, b.y2));
  return Math.hypot(dx, dy) / meanSize(a, b);
}

const meanSize = (a: BoxXyxy, b: BoxXyxy): number =>
  (Math.sqrt(width(a) * height(a)) + Math.sqrt(width(b) * height(b))) / 2;

/** 1 where the boxes touch, about a third at one mean size apart. */
const near: Predicate = (a, b) => Math.exp(-gap(a, b));

/** Share of the narrower box's extent along x that both have in common. */
function commonX(a: BoxXyxy, b: BoxXyxy): number {
  const common = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  return Math.min(1, Math.max(0, common) / Math.min(width(a), width(b)));
}

/** Signed offset of centres in mean sizes. */
const offsetX = (a: BoxXyxy, b: BoxXyxy) => (centreX(a) - centreX(b)) / meanSize(a, b);
const offsetY = (a: BoxXyxy, b: BoxXyxy) => (centreY(a) - centreY(b)) / meanSize(a, b);

/** The smaller box's share inside the other: what is held, worn or ridden overlaps its bearer. */
const carried: Predicate = (subject, landmark) => {
  const shared = intersectionXyxy(subject, landmark);
  const smaller = Math.min(width(subject) * height(subject), width(landmark) * height(landmark));
  return Math.min(1, shared / smaller) * 0.8 + 0.2 * near(subject, landmark);
};

/** Lower edges tell depth on level ground: who stands lower stands nearer. */
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
export function relationFit(
  kind: RelationKind,
  subject: BoxXyxy,
  landmark: BoxXyxy,
): number | null {
  return PREDICATES[kind]?.(subject, landmark) ?? null;
}

/** How well the subject lies between two boxes, 0..1: 1 at the point midway, less off the line that joins them. */
export function betweenFit(subject: BoxXyxy, first: BoxXyxy, second: BoxXyxy): number {
  const span = Math.hypot(centreX(first) - centreX(second), centreY(first) - centreY(second));
  const toFirst = Math.hypot(centreX(subject) - centreX(first), centreY(subject) - centreY(first));
  const toSecond = Math.hypot(
    centreX(subject) - centreX(second),
    centreY(subject) - centreY(second),
  );
  const detour = (toFirst + toSecond - span) / Math.max(span, 1);
  const balance = Math.min(toFirst, toSecond) / Math.max(toFirst, toSecond, 1);
  return Math.exp(-3 * detour) * (0.5 + 0.5 * balance);
}
