import { printable, VgrError } from '../core/error.js';
import type { CocoId } from '../formats/foreign-json.js';
import {
  AREA_RANGES,
  type CocoDetections,
  type CocoGroundTruth,
  compareIds,
} from './coco-columns.js';
import { CocoMatcher, IOU_THRESHOLDS, linspace, MAX_DETECTIONS } from './coco-matching.js';

export const COCO_METRIC_KEYS = [
  ...(['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl'] as const),
  ...(['AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl'] as const),
] as const;

/**
 * The twelve numbers, fractions 0..1; -1 where there is no ground truth to measure against. AP: mean precision over IoU
 * 0.5..0.95 in all areas, `AP50` at IoU 0.5. AR: mean highest recall over IoU 0.5..0.95 with 100 detections an image and
 * category, `AR1` with one. `s`, `m`, `l`: the area ranges small, medium, large.
 */
export type CocoMetrics = Readonly<Record<(typeof COCO_METRIC_KEYS)[number], number>>;

export type CocoEvaluation = ReturnType<typeof evaluateCoco>;

/**
 * COCO's box evaluation: the numbers of pycocotools, in the same three steps. Detections are matched to the ground truth of
 * their image and category, precision and recall are traced over all images of a category, and the categories that have
 * ground truth are averaged.
 * @throws VgrError INPUT_INVALID for detections of images that the ground truth does not list
 */
export function evaluateCoco(truth: CocoGroundTruth, detections: CocoDetections) {
  refuseUnknownImages(truth, detections);
  const { scores, imageIds } = detections;
  const matcher = new CocoMatcher(detections, truth);
  const ranks = new Uint32Array(detections.length);
  const isListed = (row: number) => truth.images.has(truth.imageIds[row]!);
  const truthRows = rowsByKey([...truth.imageIds.keys()].filter(isListed), truth.categoryIds);
  const rows = rowsByKey([...imageIds.keys()], detections.categoryIds);
  let [knownTruth, known] = [0, 0];
  const categories = truth.categories.map(({ id, name }) => {
    const annotations = truthRows.get(id) ?? [];
    const ranked = (rows.get(id) ?? []).sort(
      (a, b) => scores[b]! - scores[a]! || compareIds(imageIds[a]!, imageIds[b]!) || a - b,
    );
    knownTruth += annotations.length;
    known += ranked.length;
    const annotationsByImage = rowsByKey(annotations, truth.imageIds);
    for (const [imageId, inImage] of rowsByKey(ranked, imageIds)) {
      matcher.match(inImage.slice(0, MAX_DETECTIONS), annotationsByImage.get(imageId) ?? []);
      inImage.forEach((row, rank) => {
        ranks[row] = rank;
      });
    }
    const positives = AREA_RANGES.map(
      (_, range) => annotations.filter((row) => !truth.isIgnored(row, range)).length,
    );
    const evaluated = ranked.filter((row) => ranks[row]! < MAX_DETECTIONS);
    return { id, name, metrics: metricsOf({ detections: evaluated, ranks, matcher, positives }) };
  });
  return {
    coco: meanOf(categories.map(({ metrics }) => metrics)),
    /** By rising id. */
    categories,
    /** What is left out or unusual, a sentence each. */
    notices: [
      ...noticesOf(truth, detections, truth.length - knownTruth, detections.length - known),
      ...strangersNotice(categories, detections),
    ],
  };
}

/** The rows by the key that they have in a column, in the order in which they come. */
function rowsByKey(rows: readonly number[], keys: readonly CocoId[]): Map<CocoId, number[]> {
  const groups = new Map<CocoId, number[]>();
  for (const row of rows) {
    const group = groups.get(keys[row]!);
    if (group) group.push(row);
    else groups.set(keys[row]!, [row]);
  }
  return groups;
}

/** The detections of one category over all images. */
interface CategoryRun {
  /** Rows by falling score; of equal scores, by image and then by row. */
  readonly detections: readonly number[];
  /** By row: rank among the detections of the same image and category, from 0. */
  readonly ranks: Uint32Array;
  readonly matcher: CocoMatcher;
  /** By area range: how many annotations count. */
  readonly positives: readonly number[];
}

/** The twelve numbers of one category; -1 where no annotation counts. */
function metricsOf(run: CategoryRun): CocoMetrics {
  const [all, small, medium, large] = AREA_RANGES.map((_, range) => averagePrecisions(run, range));
  const recall = (areaRange: number, detections: number) => meanRecall(run, areaRange, detections);
  return {
    AP: mean(all!),
    AP50: all![0] ?? -1,
    AP75: all![5] ?? -1,
    APs: mean(small!),
    APm: mean(medium!),
    APl: mean(large!),
    AR1: recall(0, 1),
    AR10: recall(0, 10),
    AR100: recall(0, MAX_DETECTIONS),
    ARs: recall(1, MAX_DETECTIONS),
    ARm: recall(2, MAX_DETECTIONS),
    ARl: recall(3, MAX_DETECTIONS),
  };
}

const AREAS = AREA_RANGES.length;

/** 0, 0.01, .. 1 */
const RECALL_THRESHOLDS = linspace(0, 1, 101);

/** The gap between 1 and the next double, which pycocotools adds to keep precision finite. */
const SPACING = 2 ** -52;

/** One number an IoU threshold; empty where no annotation counts. */
function averagePrecisions(run: CategoryRun, areaRange: number): number[] {
  const { detections, matcher } = run;
  const { matched, ignored } = matcher;
  const positives = run.positives[areaRange]!;
  if (positives === 0) return [];
  const precision = new Float64Array(detections.length);
  const recall = new Float64Array(detections.length);
  return Array.from(IOU_THRESHOLDS, (_, threshold) => {
    let right = 0;
    let wrong = 0;
    for (let index = 0; index < detections.length; index++) {
      const word = detections[index]! * AREAS + areaRange;
      if (((ignored[word]! >> threshold) & 1) === 0) {
        if ((matched[word]! >> threshold) & 1) right++;
        else wrong++;
      }
      precision[index] = right / (wrong + right + SPACING);
      recall[index] = right / positives;
    }
    return interpolatedMean(precision, recall);
  });
}

/** Mean over the recall thresholds of the highest precision at that recall or beyond; 0 where it is never reached. */
function interpolatedMean(precision: Float64Array, recall: Float64Array): number {
  for (let index = precision.length - 1; index > 0; index--) {
    if (precision[index]! > precision[index - 1]!) precision[index - 1] = precision[index]!;
  }
  let sum = 0;
  let at = 0;
  for (const threshold of RECALL_THRESHOLDS) {
    while (at < recall.length && recall[at]! < threshold) at++;
    if (at === recall.length) break;
    sum += precision[at]!;
  }
  return sum / RECALL_THRESHOLDS.length;
}

/** Mean over the IoU thresholds of the recall that the best `most` detections of each image reach. */
function meanRecall(
  { detections, ranks, matcher, positives }: CategoryRun,
  areaRange: number,
  most: number,
): number {
  if (positives[areaRange] === 0) return -1;
  let right = 0;
  for (const detection of detections) {
    if (ranks[detection]! >= most) continue;
    const word = detection * AREAS + areaRange;
    right += bitCount(matcher.matched[word]! & ~matcher.ignored[word]!);
  }
  return right / positives[areaRange]! / IOU_THRESHOLDS.length;
}

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** -1 for no value. */
function mean(values: readonly number[]): number {
  if (values.length === 0) return -1;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of each number, the mean over the categories that define it; -1 where none does. */
function meanOf(categories: readonly CocoMetrics[]): CocoMetrics {
  const entries = COCO_METRIC_KEYS.map((key) => [
    key,
    mean(categories.map((metrics) => metrics[key]).filter((value) => value > -1)),
  ]);
  return Object.fromEntries(entries) as CocoMetrics;
}

function refuseUnknownImages(truth: CocoGroundTruth, detections: CocoDetections): void {
  const unknown = new Set(detections.imageIds.filter((id) => !truth.images.has(id)));
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

/** Where nothing overlaps anything of its category, the numbers of the categories may be those of another set. */
function strangersNotice(
  categories: readonly { readonly name: string; readonly metrics: CocoMetrics }[],
  detections: CocoDetections,
): string[] {
  const wanted = categories.filter(({ metrics }) => metrics.AP50 > -1);
  if (detections.length === 0 || wanted.some(({ metrics }) => metrics.AP50 > 0)) return [];
  const ids = [...new Set(detections.categoryIds)].slice(0, 3).join(', ');
  const names = wanted.slice(0, 3).map(({ name }) => printable(name));
  return [
    `no detection overlaps an object of its category: detections name the categories ${ids}, objects are there of ${names.join(', ')}. \`vgr detect --image-ids GT.json\` takes numbers by name`,
  ];
}

/**
 * @param strayTruths rows of an image or a category that is not listed
 * @param strays rows of a category that is not listed
 */
function noticesOf(
  truth: CocoGroundTruth,
  detections: CocoDetections,
  strayTruths: number,
  strays: number,
): string[] {
  return [
    strayTruths > 0 &&
      `${strayTruths} annotations name an image or a category that is not listed; they do not count`,
    strays > 0 && `${strays} detections name a category that is not listed; they do not count`,
    truth.zeroIdRow >= 0 &&
      'an annotation has the id 0, which pycocotools takes for "no match"; the numbers here do the same. Ids from 1 avoid it',
    detections.length === 0 && 'there are no detections',
  ].filter((notice) => notice !== false);
}
