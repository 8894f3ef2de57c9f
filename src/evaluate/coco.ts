import { VgrError } from '../core/error.js';
import { PrecisionRecall } from './coco-curves.js';
import {
  AREA_RANGES,
  COCO_METRIC_KEYS,
  CocoMatcher,
  type CocoMetrics,
  isIgnored,
  MAX_DETECTIONS,
  type TruthColumns,
} from './coco-matching.js';
import { BoxOrder, type CocoDetections, type CocoGroundTruth } from './coco-tables.js';

export interface CategoryMetrics {
  readonly id: number;
  readonly name: string;
  readonly metrics: CocoMetrics;
}

export interface CocoEvaluation {
  readonly coco: CocoMetrics;
  /** By rising category id. */
  readonly categories: readonly CategoryMetrics[];
  /** What is left out or unusual, a sentence each. */
  readonly notices: readonly string[];
}

/**
 * COCO's box evaluation: the numbers of pycocotools, in the same three steps. Detections are matched to the ground truth of
 * their image and category, precision and recall are traced over all images of a category, and the categories that have
 * ground truth are averaged.
 * @throws VgrError INPUT_INVALID for detections of images that the ground truth does not list
 */
export function evaluateCoco(truth: CocoGroundTruth, detections: CocoDetections): CocoEvaluation {
  refuseUnknownImages(truth, detections);
  const { imageIds, categories } = truth;
  const categoryIds = categories.map(({ id }) => id);
  const truthOrder = new BoxOrder(truth.boxes, imageIds, categoryIds);
  const order = new BoxOrder(detections.boxes, imageIds, categoryIds, detections.scores);
  const columns = truth.columns();
  const bits = {
    matched: new Uint16Array(detections.boxes.length * AREA_RANGES.length),
    ignored: new Uint16Array(detections.boxes.length * AREA_RANGES.length),
  };
  const matcher = new CocoMatcher(detections.boxes.xywh, columns, bits);
  const ranks = new Uint32Array(detections.boxes.length);
  const curves = new PrecisionRecall();
  const perCategory = categories.map(({ id, name }, category) => {
    matchCategory(matcher, order, truthOrder, category, ranks);
    const run = {
      detections: order.ranked(category).filter((row) => ranks[row]! < MAX_DETECTIONS),
      ranks,
      bits,
      positives: positivesOf(columns, truthOrder.ranked(category)),
    };
    return { id, name, metrics: curves.metricsOf(run) };
  });
  return {
    coco: meanOverCategories(perCategory),
    categories: perCategory,
    notices: noticesOf(truth, truthOrder, detections, order),
  };
}

/** Matches the best detections of each image, and notes every detection's place in its image. */
function matchCategory(
  matcher: CocoMatcher,
  order: BoxOrder,
  truthOrder: BoxOrder,
  category: number,
  ranks: Uint32Array,
): void {
  const none = new Uint32Array(0);
  const truthRuns = truthOrder.imageRuns(category);
  let truthRun = truthRuns.next();
  for (const { image, rows } of order.imageRuns(category)) {
    while (!truthRun.done && truthRun.value.image < image) truthRun = truthRuns.next();
    const annotations =
      !truthRun.done && truthRun.value.image === image ? truthRun.value.rows : none;
    matcher.match(rows.subarray(0, MAX_DETECTIONS), annotations);
    rows.forEach((row, rank) => {
      ranks[row] = rank;
    });
  }
}

/** By area range: how many of the annotations count. */
function positivesOf(columns: TruthColumns, annotations: Uint32Array): number[] {
  return AREA_RANGES.map(
    (_, areaRange) => annotations.filter((row) => !isIgnored(columns, row, areaRange)).length,
  );
}

/** Of each number, the mean over the categories that define it; -1 where none does. */
function meanOverCategories(categories: readonly CategoryMetrics[]): CocoMetrics {
  const entries = COCO_METRIC_KEYS.map((key) => {
    const defined = categories.map(({ metrics }) => metrics[key]).filter((value) => value > -1);
    const sum = defined.reduce((total, value) => total + value, 0);
    return [key, defined.length === 0 ? -1 : sum / defined.length];
  });
  return Object.fromEntries(entries) as CocoMetrics;
}

function refuseUnknownImages(truth: CocoGroundTruth, { boxes }: CocoDetections): void {
  const unknown = new Set(boxes.imageIds.filter((id) => !truth.hasImage(id)));
  if (unknown.size === 0) return;
  const first = [...unknown].slice(0, 5).join(', ');
  throw new VgrError(
    'INPUT_INVALID',
    `detections: ${unknown.size} image ids are not in the ground truth; the first: ${first}`,
    {
      hint: 'both files must come from one data set; `vgr detect --image-ids GT.json` writes the ids of the ground truth',
    },
  );
}

function noticesOf(
  truth: CocoGroundTruth,
  truthOrder: BoxOrder,
  detections: CocoDetections,
  order: BoxOrder,
): string[] {
  const notices: string[] = [];
  const strayTruth = truth.boxes.length - truthOrder.length;
  const strayDetections = detections.boxes.length - order.length;
  if (strayTruth > 0) {
    notices.push(
      `${strayTruth} annotations name an image or a category that is not listed; they do not count`,
    );
  }
  if (strayDetections > 0) {
    notices.push(
      `${strayDetections} detections name a category that is not listed; they do not count`,
    );
  }
  if (truth.columns().zeroIds.includes(1)) {
    notices.push(
      'an annotation has the id 0, which pycocotools takes for "no match"; the numbers here do the same. Ids from 1 avoid it',
    );
  }
  if (detections.boxes.length === 0) notices.push('there are no detections');
  return notices;
}
