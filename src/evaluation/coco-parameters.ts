/**
 * The fixed parameters of COCO's box evaluation.
 * @see T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", 2014; pycocotools 2.0, `cocoeval.py`
 */

/** `count` numbers from `start` to `stop`, rounded as numpy's `linspace` rounds: a threshold one bit off moves matches. */
function linspace(start: number, stop: number, count: number): Float64Array {
  const step = (stop - start) / (count - 1);
  return Float64Array.from({ length: count }, (_, index) =>
    index === count - 1 ? stop : index * step + start,
  );
}

/** 0.5, 0.55, .. 0.95 */
export const IOU_THRESHOLDS = linspace(0.5, 0.95, 10);
export const IOU_50 = 0;
export const IOU_75 = 5;

/** 0, 0.01, .. 1 */
export const RECALL_THRESHOLDS = linspace(0, 1, 101);

/** Detections of one image and category that are looked at, best first. */
export const MOST_DETECTIONS = 100;

/** Square pixels, both ends inside. */
export const AREA_RANGES = [
  { name: 'all', least: 0, most: 1e5 ** 2 },
  { name: 'small', least: 0, most: 32 ** 2 },
  { name: 'medium', least: 32 ** 2, most: 96 ** 2 },
  { name: 'large', least: 96 ** 2, most: 1e5 ** 2 },
] as const;

/** The twelve numbers, fractions 0..1; -1 where there is no ground truth to measure against. */
export interface CocoMetrics {
  /** Mean precision over IoU 0.5..0.95, all areas. */
  readonly AP: number;
  readonly AP50: number;
  readonly AP75: number;
  readonly APs: number;
  readonly APm: number;
  readonly APl: number;
  /** Mean highest recall over IoU 0.5..0.95 with one detection an image and category. */
  readonly AR1: number;
  readonly AR10: number;
  readonly AR100: number;
  readonly ARs: number;
  readonly ARm: number;
  readonly ARl: number;
}

export const COCO_METRIC_KEYS = [
  'AP',
  'AP50',
  'AP75',
  'APs',
  'APm',
  'APl',
  'AR1',
  'AR10',
  'AR100',
  'ARs',
  'ARm',
  'ARl',
] as const satisfies readonly (keyof CocoMetrics)[];
