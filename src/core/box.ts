/**
 * Boxes in absolute pixels of the upright photo: the origin is the top left corner of the image, x grows to the right,
 * y grows downwards. The layout is part of every name, so that corners are never taken for sizes.
 */

/** Corners: `x1 <= x2`, `y1 <= y2`. */
export interface BoxXyxy {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** Top left corner and size, the layout of COCO files. */
export interface BoxXywh {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Centre and size. */
export interface BoxCxcywh {
  readonly cx: number;
  readonly cy: number;
  readonly width: number;
  readonly height: number;
}

/** Size of an image, pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** `{x: 1, y: 2, width: 3, height: 4}` is `{x1: 1, y1: 2, x2: 4, y2: 6}`. */
export function xywhToXyxy(box: BoxXywh): BoxXyxy {
  return { x1: box.x, y1: box.y, x2: box.x + box.width, y2: box.y + box.height };
}

/** `{x1: 1, y1: 2, x2: 4, y2: 6}` is `{x: 1, y: 2, width: 3, height: 4}`. */
export function xyxyToXywh(box: BoxXyxy): BoxXywh {
  return { x: box.x1, y: box.y1, width: box.x2 - box.x1, height: box.y2 - box.y1 };
}

/** `{cx: 2, cy: 3, width: 2, height: 4}` is `{x1: 1, y1: 1, x2: 3, y2: 5}`. */
export function cxcywhToXyxy(box: BoxCxcywh): BoxXyxy {
  return {
    x1: box.cx - box.width / 2,
    y1: box.cy - box.height / 2,
    x2: box.cx + box.width / 2,
    y2: box.cy + box.height / 2,
  };
}

/** Area in square pixels; 0 for a box without extent. */
export function areaXyxy(box: BoxXyxy): number {
  return Math.max(0, box.x2 - box.x1) * Math.max(0, box.y2 - box.y1);
}

/** The box with `share` of its width more on the left and on the right, and of its height above and below. */
export function widenedXyxy({ x1, y1, x2, y2 }: BoxXyxy, share: number): BoxXyxy {
  const [dx, dy] = [(x2 - x1) * share, (y2 - y1) * share];
  return { x1: x1 - dx, y1: y1 - dy, x2: x2 + dx, y2: y2 + dy };
}

/** The part of the box inside the image. A box wholly outside becomes a box of no area on the border. */
export function clipXyxy(box: BoxXyxy, { width, height }: ImageSize): BoxXyxy {
  return {
    x1: Math.min(Math.max(box.x1, 0), width),
    y1: Math.min(Math.max(box.y1, 0), height),
    x2: Math.min(Math.max(box.x2, 0), width),
    y2: Math.min(Math.max(box.y2, 0), height),
  };
}

/** The box stretched by `sx` along x and `sy` along y, away from the origin. */
export function scaleXyxy(box: BoxXyxy, sx: number, sy: number): BoxXyxy {
  return { x1: box.x1 * sx, y1: box.y1 * sy, x2: box.x2 * sx, y2: box.y2 * sy };
}

/** Keeps the quotient finite for two boxes without area; the value of the paper's evaluation code. */
const IOU_EPSILON = 1e-6;

/** Area common to both boxes, square pixels. */
export function intersectionXyxy(a: BoxXyxy, b: BoxXyxy): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  return width > 0 && height > 0 ? width * height : 0;
}

/**
 * Intersection over union, `intersection / (union + 1e-6)`, in [0, 1). Corners are continuous: no pixel is added.
 * @see VG-Refiner, arXiv 2512.06373, evaluation
 */
export function iouXyxy(a: BoxXyxy, b: BoxXyxy): number {
  const intersection = intersectionXyxy(a, b);
  return intersection / (areaXyxy(a) + areaXyxy(b) - intersection + IOU_EPSILON);
}

/** Whether the corners are the same. A box without area overlaps nothing, not even itself, so IoU cannot say so. */
export function isSameXyxy(a: BoxXyxy, b: BoxXyxy): boolean {
  return a.x1 === b.x1 && a.y1 === b.y1 && a.x2 === b.x2 && a.y2 === b.y2;
}

/** The share of `inner` that lies in `outer`, in [0, 1]; 0 where `inner` has no area. */
export function shareInsideXyxy(inner: BoxXyxy, outer: BoxXyxy): number {
  const area = areaXyxy(inner);
  return area > 0 ? intersectionXyxy(inner, outer) / area : 0;
}
