import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { areaXyxy } from '../geometry/box.js';
import { shareInsideXyxy } from '../geometry/overlap.js';
import type { Candidate } from './refiner.js';

/** A box told in shares of the photo. */
export interface BoxGeometry {
  /** Centre, 0..1. */
  readonly cx: number;
  readonly cy: number;
  /** 0..1 */
  readonly width: number;
  readonly height: number;
  /** Square root of the share of the photo, 0..1. */
  readonly size: number;
  /** Natural log of width over height in pixels, over 3, within -1..1. */
  readonly aspect: number;
  /** How many of the photo's four borders it touches, over 4. */
  readonly borders: number;
}

/** A box this near to a border, as a share of the photo, touches it. */
const TOUCH = 0.01;

/** Shape and place of a box. A box without extent is 1 pixel wide and high. */
export function boxGeometry(box: BoxXyxy, image: ImageSize): BoxGeometry {
  const width = Math.max(box.x2 - box.x1, 1);
  const height = Math.max(box.y2 - box.y1, 1);
  const touches = [
    box.x1 / image.width,
    box.y1 / image.height,
    1 - box.x2 / image.width,
    1 - box.y2 / image.height,
  ].filter((distance) => distance < TOUCH).length;
  return {
    cx: (box.x1 + box.x2) / 2 / image.width,
    cy: (box.y1 + box.y2) / 2 / image.height,
    width: width / image.width,
    height: height / image.height,
    size: Math.sqrt((width * height) / (image.width * image.height)),
    aspect: Math.min(Math.max(Math.log(width / height) / 3, -1), 1),
    borders: touches / 4,
  };
}

/**
 * The largest share of a box that lies inside a clearly larger box (twice the area) of the same label, 0..1: near 1 for a
 * head or hand that a detector boxed as one more person. 0 where the candidate has no label.
 */
export function partShare(candidate: Candidate, candidates: readonly Candidate[]): number {
  if (candidate.label === undefined) return 0;
  const area = areaXyxy(candidate.boxXyxy);
  return candidates
    .filter(({ label, boxXyxy }) => label === candidate.label && areaXyxy(boxXyxy) > 2 * area)
    .reduce((most, { boxXyxy }) => Math.max(most, shareInsideXyxy(candidate.boxXyxy, boxXyxy)), 0);
}
