import { areaXyxy, type BoxXyxy } from '../geometry/box.js';

/** Sizes of COCO's area ranges, by the area of the ground-truth box: below 32 x 32, below 96 x 96, and the rest. */
export type ObjectSize = 'small' | 'medium' | 'large';

/** The size of the one object that is meant; undefined where several are, or none. */
export function objectSizeOf(truthsXyxy: readonly BoxXyxy[]): ObjectSize | undefined {
  const [truth, ...others] = truthsXyxy;
  if (!truth || others.length > 0) return undefined;
  const area = areaXyxy(truth);
  if (area < 32 ** 2) return 'small';
  return area < 96 ** 2 ? 'medium' : 'large';
}
