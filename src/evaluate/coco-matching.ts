import { AREA_RANGES, type CocoDetections, type CocoGroundTruth } from './coco-columns.js';

/**
 * The fixed parameters of COCO's box evaluation.
 * @see T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", 2014; pycocotools 2.0, `cocoeval.py`
 */

/** `count` numbers from `start` to `stop`, rounded as numpy's `linspace` rounds: a threshold one bit off moves matches. */
export function linspace(start: number, stop: number, count: number): Float64Array {
  const step = (stop - start) / (count - 1);
  return Float64Array.from({ length: count }, (_, index) =>
    index === count - 1 ? stop : index * step + start,
  );
}

/** 0.5, 0.55, .. 0.95 */
export const IOU_THRESHOLDS = linspace(0.5, 0.95, 10);

/** Of one image and category no more detections than this are evaluated, best first. */
export const MAX_DETECTIONS = 100;

const AREAS = AREA_RANGES.length;
const ALL_THRESHOLDS = (1 << IOU_THRESHOLDS.length) - 1;

/** A detection of IoU 1 matches at any threshold, whatever the rounding. */
const MAX_THRESHOLD = 1 - 1e-10;

/** Matches detections to the ground truth, as pycocotools' `evaluateImg` does. */
export class CocoMatcher {
  /**
   * Which detections have a match, at `[detection * 4 + area range]`; bit t of a word stands for threshold t of
   * {@link IOU_THRESHOLDS}.
   */
  readonly matched: Uint16Array;
  /** Which detections count neither as right nor as wrong, in the same layout. */
  readonly ignored: Uint16Array;

  constructor(
    private readonly detections: CocoDetections,
    private readonly truth: CocoGroundTruth,
  ) {
    this.matched = new Uint16Array(detections.length * AREAS);
    this.ignored = new Uint16Array(detections.length * AREAS);
  }

  /**
   * Matches the detections of one image and category.
   * @param detections rows by falling score, no more than {@link MAX_DETECTIONS}
   * @param annotations rows in the order of the file
   */
  match(detections: readonly number[], annotations: readonly number[]): void {
    const ious = detections.map((detection) =>
      annotations.map((annotation) => this.#iou(detection * 4, annotation)),
    );
    const canMatch = ious.some((row) => row.some((iou) => iou >= IOU_THRESHOLDS[0]!));
    for (let areaRange = 0; areaRange < AREAS; areaRange++) {
      if (canMatch) this.#matchInRange(areaRange, detections, annotations, ious);
      this.#ignoreOutside(areaRange, detections);
    }
  }

  /**
   * With a crowd, the share of the detection inside it. The order of the operations is that of pycocotools' `bbIou`, so that
   * a threshold that an IoU just meets is met in both.
   */
  #iou(d: number, annotation: number): number {
    const detection = this.detections.xywh;
    const { xywh, crowds } = this.truth;
    const g = annotation * 4;
    const [dx, dy, dWidth, dHeight] = [
      detection[d]!,
      detection[d + 1]!,
      detection[d + 2]!,
      detection[d + 3]!,
    ];
    const [gx, gy, gWidth, gHeight] = [xywh[g]!, xywh[g + 1]!, xywh[g + 2]!, xywh[g + 3]!];
    const width = Math.min(dWidth + dx, gWidth + gx) - Math.max(dx, gx);
    const height = Math.min(dHeight + dy, gHeight + gy) - Math.max(dy, gy);
    if (width <= 0 || height <= 0) return 0;
    const intersection = width * height;
    const area = dWidth * dHeight;
    return intersection / (crowds[annotation] ? area : area + gWidth * gHeight - intersection);
  }

  /** @param ious by detection and annotation */
  #matchInRange(
    areaRange: number,
    detections: readonly number[],
    annotations: readonly number[],
    ious: readonly (readonly number[])[],
  ): void {
    const { crowds, zeroIdRow } = this.truth;
    const indices = annotations.map((_, index) => index);
    const isIgnored = annotations.map((row) => this.truth.isIgnored(row, areaRange));
    const counted = indices.filter((index) => !isIgnored[index]);
    const uncounted = indices.filter((index) => isIgnored[index]);
    IOU_THRESHOLDS.forEach((exact, threshold) => {
      const minIou = Math.min(exact, MAX_THRESHOLD);
      const isFree = annotations.map(() => true);
      detections.forEach((detection, at) => {
        let match = bestMatch(ious[at]!, counted, isFree, minIou);
        if (match < 0) match = bestMatch(ious[at]!, uncounted, isFree, minIou);
        if (match < 0) return;
        const annotation = annotations[match]!;
        isFree[match] = crowds[annotation] === 1;
        const word = detection * AREAS + areaRange;
        // pycocotools stores the id of the match and takes 0 for none.
        if (annotation !== zeroIdRow) this.matched[word]! |= 1 << threshold;
        if (isIgnored[match]) this.ignored[word]! |= 1 << threshold;
      });
    });
  }

  /** A detection without a match whose own area is outside the range is not held against the detector. */
  #ignoreOutside(areaRange: number, detections: readonly number[]): void {
    const { min, max } = AREA_RANGES[areaRange]!;
    const { xywh } = this.detections;
    for (const detection of detections) {
      const area = xywh[detection * 4 + 2]! * xywh[detection * 4 + 3]!;
      if (area >= min && area <= max) continue;
      const word = detection * AREAS + areaRange;
      this.ignored[word]! |= ALL_THRESHOLDS & ~this.matched[word]!;
    }
  }
}

/** Of the annotations `among`, the index of the free one of highest IoU, of equal ones the last; -1 where none reaches `minIou`. */
function bestMatch(
  ious: readonly number[],
  among: readonly number[],
  isFree: readonly boolean[],
  minIou: number,
): number {
  let best = -1;
  let bestIou = minIou;
  for (const index of among) {
    if (!isFree[index] || ious[index]! < bestIou) continue;
    bestIou = ious[index]!;
    best = index;
  }
  return best;
}
