import { areaXyxy, type BoxXyxy } from '../geometry/box.js';

/** Sizes of COCO's area ranges, by the area of the ground-truth box: below 32 x 32, below 96 x 96, and the rest. */
export type ObjectSize = 'small' | 'medium' | 'large';

export function objectSize(truthXyxy: BoxXyxy): ObjectSize {
  const area = areaXyxy(truthXyxy);
  if (area < 32 ** 2) return 'small';
  return area < 96 ** 2 ? 'medium' : 'large';
}
