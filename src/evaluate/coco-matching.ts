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
export const MAX_DETECTIONS = 100;

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

/** Columns of the ground truth, one row an annotation; `xywh` has four numbers a row. */
export interface TruthColumns {
  readonly xywh: Float64Array;
  /** Square pixels. */
  readonly areas: Float64Array;
  /** 1 for a crowd. */
  readonly crowds: Float64Array;
  /** 1 for the annotation with the id 0. */
  readonly zeroIds: Float64Array;
}

/**
 * How the detections fared, at `[detection * 4 + area range]`; bit t of a word stands for threshold t of
 * {@link IOU_THRESHOLDS}.
 */
export interface MatchBits {
  /** The detection has a match. */
  readonly matched: Uint16Array;
  /** The detection counts neither as right nor as wrong. */
  readonly ignored: Uint16Array;
}

const AREAS = AREA_RANGES.length;
const ALL_THRESHOLDS = (1 << IOU_THRESHOLDS.length) - 1;

/** A detection of IoU 1 matches at any threshold, whatever the rounding. */
const HIGHEST_THRESHOLD = 1 - 1e-10;

/** True where an annotation does not count in an area range. */
export function isIgnored(truth: TruthColumns, row: number, areaRange: number): boolean {
  const { least, most } = AREA_RANGES[areaRange]!;
  const area = truth.areas[row]!;
  return truth.crowds[row] === 1 || area < least || area > most;
}

/** Matches the detections of one image and category to its ground truth, as pycocotools' `evaluateImg` does. */
export class CocoMatcher {
  readonly #detectionXywh: Float64Array;
  readonly #truth: TruthColumns;
  readonly #bits: MatchBits;
  /** `[place of the detection * number of annotations + place of the annotation]` */
  #ious = new Float64Array(1024);
  readonly #bestIou = new Float64Array(MAX_DETECTIONS);
  /** Places of the annotations, those that count first. */
  #order = new Uint32Array(64);
  /** By place in `#order`: 1 where a match uses the annotation up. */
  #taken = new Uint8Array(64);

  constructor(detectionXywh: Float64Array, truth: TruthColumns, bits: MatchBits) {
    this.#detectionXywh = detectionXywh;
    this.#truth = truth;
    this.#bits = bits;
  }

  /**
   * @param detections rows by falling score, no more than {@link MAX_DETECTIONS}
   * @param annotations rows in the order of the file
   */
  match(detections: Uint32Array, annotations: Uint32Array): void {
    this.#computeIous(detections, annotations);
    for (let areaRange = 0; areaRange < AREAS; areaRange++) {
      const counted = this.#orderAnnotations(annotations, areaRange);
      for (let threshold = 0; threshold < IOU_THRESHOLDS.length; threshold++) {
        this.#matchAt(threshold, areaRange, detections, annotations, counted);
      }
      this.#ignoreOutside(detections, areaRange);
    }
  }

  #computeIous(detections: Uint32Array, annotations: Uint32Array): void {
    const size = detections.length * annotations.length;
    if (size > this.#ious.length) this.#ious = new Float64Array(size * 2);
    let at = 0;
    for (let place = 0; place < detections.length; place++) {
      let best = 0;
      for (const annotation of annotations) {
        const iou = this.#iou(detections[place]! * 4, annotation);
        this.#ious[at++] = iou;
        if (iou > best) best = iou;
      }
      this.#bestIou[place] = best;
    }
  }

  /**
   * With a crowd, the share of the detection inside it. The order of the operations is that of pycocotools' `bbIou`, so that
   * a threshold that an IoU just meets is met in both.
   */
  #iou(d: number, annotation: number): number {
    const detection = this.#detectionXywh;
    const { xywh } = this.#truth;
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
    const crowd = this.#truth.crowds[annotation] === 1;
    return intersection / (crowd ? area : area + gWidth * gHeight - intersection);
  }

  /** Fills `#order`, and says how many annotations count. */
  #orderAnnotations(annotations: Uint32Array, areaRange: number): number {
    if (annotations.length > this.#order.length) {
      this.#order = new Uint32Array(annotations.length * 2);
      this.#taken = new Uint8Array(annotations.length * 2);
    }
    let counted = 0;
    for (let place = 0; place < annotations.length; place++) {
      if (!isIgnored(this.#truth, annotations[place]!, areaRange)) this.#order[counted++] = place;
    }
    let next = counted;
    for (let place = 0; place < annotations.length; place++) {
      if (isIgnored(this.#truth, annotations[place]!, areaRange)) this.#order[next++] = place;
    }
    return counted;
  }

  #matchAt(
    threshold: number,
    areaRange: number,
    detections: Uint32Array,
    annotations: Uint32Array,
    counted: number,
  ): void {
    const least = Math.min(IOU_THRESHOLDS[threshold]!, HIGHEST_THRESHOLD);
    this.#taken.fill(0, 0, annotations.length);
    for (let place = 0; place < detections.length; place++) {
      if (this.#bestIou[place]! < least) continue;
      const match = this.#bestMatch(place, annotations, counted, least);
      if (match < 0) continue;
      const annotation = annotations[this.#order[match]!]!;
      this.#taken[match] = 1 - this.#truth.crowds[annotation]!;
      const word = detections[place]! * AREAS + areaRange;
      // pycocotools stores the id of the match and takes 0 for none.
      if (this.#truth.zeroIds[annotation] === 0) this.#bits.matched[word]! |= 1 << threshold;
      if (match >= counted) this.#bits.ignored[word]! |= 1 << threshold;
    }
  }

  /** Place in `#order` of the free annotation of highest IoU, of equals the last; one that counts goes first; -1 for none. */
  #bestMatch(place: number, annotations: Uint32Array, counted: number, least: number): number {
    const row = place * annotations.length;
    let best = -1;
    let bestIou = least;
    for (let at = 0; at < annotations.length; at++) {
      if (at === counted && best >= 0) break;
      if (this.#taken[at] === 1) continue;
      const iou = this.#ious[row + this.#order[at]!]!;
      if (iou < bestIou) continue;
      bestIou = iou;
      best = at;
    }
    return best;
  }

  /** A detection without a match whose own area is outside the range is not held against the detector. */
  #ignoreOutside(detections: Uint32Array, areaRange: number): void {
    const { least, most } = AREA_RANGES[areaRange]!;
    for (const detection of detections) {
      const area =
        this.#detectionXywh[detection * 4 + 2]! * this.#detectionXywh[detection * 4 + 3]!;
      if (area >= least && area <= most) continue;
      const word = detection * AREAS + areaRange;
      this.#bits.ignored[word]! |= ALL_THRESHOLDS & ~this.#bits.matched[word]!;
    }
  }
}
