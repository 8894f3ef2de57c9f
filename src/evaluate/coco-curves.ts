import {
  AREA_RANGES,
  type CocoMetrics,
  IOU_50,
  IOU_75,
  IOU_THRESHOLDS,
  MAX_DETECTIONS,
  type MatchBits,
  RECALL_THRESHOLDS,
} from './coco-matching.js';

/** The detections of one category over all images. */
export interface CategoryRun {
  /** Rows by falling score; of equal scores, by image and then by place within it. */
  readonly detections: Uint32Array;
  /** By row: place among the detections of the same image and category, from 0. */
  readonly ranks: Uint32Array;
  readonly bits: MatchBits;
  /** By area range: how many annotations count. */
  readonly positives: readonly number[];
}

/** The gap between 1 and the next double, by which pycocotools keeps precision finite. */
const SPACING = 2 ** -52;

const AREAS = AREA_RANGES.length;

/** Precision and recall of a category over its ranked detections. */
export class PrecisionRecall {
  #precision = new Float64Array(1024);
  #recall = new Float64Array(1024);

  /** The twelve numbers of one category; -1 where no annotation counts. */
  metricsOf(run: CategoryRun): CocoMetrics {
    const all = this.#averagePrecisions(run, 0);
    const [small, medium, large] = [1, 2, 3].map((area) => this.#averagePrecisions(run, area));
    const recall = (areaRange: number, most: number) => meanRecall(run, areaRange, most);
    return {
      AP: mean(all),
      AP50: all[IOU_50] ?? -1,
      AP75: all[IOU_75] ?? -1,
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

  /** One number an IoU threshold; empty where no annotation counts. */
  #averagePrecisions(run: CategoryRun, areaRange: number): number[] {
    if (run.positives[areaRange] === 0) return [];
    return Array.from(IOU_THRESHOLDS, (_, threshold) => {
      const length = this.#trace(run, areaRange, threshold);
      return this.#interpolatedMean(length);
    });
  }

  /** Fills precision and recall after each detection, and says how many there are. */
  #trace(run: CategoryRun, areaRange: number, threshold: number): number {
    const { detections, bits } = run;
    if (detections.length > this.#precision.length) {
      this.#precision = new Float64Array(detections.length);
      this.#recall = new Float64Array(detections.length);
    }
    const positives = run.positives[areaRange]!;
    const [precision, recall] = [this.#precision, this.#recall];
    let right = 0;
    let wrong = 0;
    for (let index = 0; index < detections.length; index++) {
      const word = detections[index]! * AREAS + areaRange;
      if (((bits.ignored[word]! >> threshold) & 1) === 0) {
        if ((bits.matched[word]! >> threshold) & 1) right++;
        else wrong++;
      }
      precision[index] = right / (wrong + right + SPACING);
      recall[index] = right / positives;
    }
    return detections.length;
  }

  /** Mean over the recall thresholds of the highest precision at that recall or beyond; 0 where it is never reached. */
  #interpolatedMean(length: number): number {
    const [precision, recall] = [this.#precision, this.#recall];
    for (let index = length - 1; index > 0; index--) {
      if (precision[index]! > precision[index - 1]!) precision[index - 1] = precision[index]!;
    }
    let sum = 0;
    let at = 0;
    for (const threshold of RECALL_THRESHOLDS) {
      while (at < length && recall[at]! < threshold) at++;
      if (at === length) break;
      sum += precision[at]!;
    }
    return sum / RECALL_THRESHOLDS.length;
  }
}

/** Mean over the IoU thresholds of the recall that the best `most` detections of each image reach. */
function meanRecall(run: CategoryRun, areaRange: number, most: number): number {
  const positives = run.positives[areaRange]!;
  if (positives === 0) return -1;
  let right = 0;
  for (const detection of run.detections) {
    if (run.ranks[detection]! >= most) continue;
    const word = detection * AREAS + areaRange;
    right += bitCount(run.bits.matched[word]! & ~run.bits.ignored[word]!);
  }
  return right / positives / IOU_THRESHOLDS.length;
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
