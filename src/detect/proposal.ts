import { areaXyxy, type BoxXyxy, clipXyxy, type ImageSize, iouXyxy } from '../core/box.js';
import { rasterSize, rasterToPhotoXyxy } from '../core/raster.js';
import type { Category } from '../formats/coco.js';
import { classesOf, type DetectorCard } from '../formats/model-card.js';
import { CardMismatch, type DecodeOptions, type Detection, type DetectorFamily } from './family.js';
import { type GraphOutputs, outputsFor } from './heads.js';
import { packRasters } from './packing.js';

/** A box as the heads give it. */
export interface Proposal {
  /** Pixels of the model's input raster, not clipped. */
  readonly boxXyxy: BoxXyxy;
  /** 0..1 */
  readonly score: number;
  readonly classIndex: number;
  /** In place of the name of its class. */
  readonly label?: string;
}

/** What one architecture knows of its graphs. */
interface FamilyRules {
  /** Roles of the outputs that are fetched. */
  readonly roles: (card: DetectorCard) => readonly string[];
  /**
   * Checks the outputs, and gives a function for the boxes of one photo of the batch.
   * @throws {CardMismatch} where the outputs are not what the card says
   */
  readonly propose: (outputs: BatchOutputs) => (index: number) => Proposal[];
}

/** Outputs for a batch of rasters of one size. */
export interface BatchOutputs extends GraphOutputs {
  readonly raster: ImageSize;
  /** Boxes of a lower score need not be proposed. */
  readonly minScore: number;
}

/** A family of detectors with labels of their own. */
export function closedFamily({ roles, propose }: FamilyRules): DetectorFamily {
  return {
    pack: packRasters,
    outputNames: (card) => roles(card).flatMap((role) => outputsFor(card, role)),
    decode(outputs, images, card, options) {
      const raster = rasterSize(images[0]!, card.input);
      const { minScore } = options;
      const proposals = propose({ outputs, card, batch: images.length, raster, minScore });
      return images.map((image, index) => finishProposals(proposals(index), image, card, options));
    },
  };
}

/** The values of one photo, `length` of them for each cell. */
interface CellRows {
  readonly values: Float32Array;
  readonly length: number;
  readonly classes: number;
  /** Where in a row the scores of the classes begin; 0 where absent. */
  readonly scoresAt?: number;
  /** Where a row has the score of any object, which those of the classes are multiplied by. */
  readonly objectAt?: number;
}

/** The box of each cell, once for each class with a score of at least `minScore`; made only if there is one. */
export function proposeCells(
  { values, length, classes, scoresAt = 0, objectAt }: CellRows,
  minScore: number,
  boxOf: (cell: number) => BoxXyxy,
): Proposal[] {
  const proposals: Proposal[] = [];
  for (let cell = 0, at = 0; at < values.length; cell++, at += length) {
    const factor = objectAt === undefined ? 1 : values[at + objectAt]!;
    // No class score is above 1, and not a number is below any score.
    if (!(factor >= minScore)) continue;
    let boxXyxy: BoxXyxy | undefined;
    for (let classIndex = 0; classIndex < classes; classIndex++) {
      const score = values[at + scoresAt + classIndex]! * factor;
      if (!(score >= minScore)) continue;
      boxXyxy ??= boxOf(cell);
      proposals.push({ boxXyxy, score, classIndex });
    }
  }
  return proposals;
}

/** Most proposals that enter suppression, best first, as in the reference configurations of the one-stage detectors. */
const SUPPRESSION_LIMIT = 1000;

/** A score above 1 by more than this is no rounding: half precision is off by a thousandth at most. */
const SCORE_SLACK = 0.001;

/**
 * The proposals of one photo as detections: best first, overlaps suppressed where the card says so, in photo pixels,
 * clipped. Boxes of labels that are not wanted, of classes before the first (the background, or what fills a list), and those
 * without area inside the photo, are dropped. Equal scores go by rising class index, then by their order.
 * @throws {CardMismatch} for a score above 1 or a class that the card has no label for
 */
export function finishProposals(
  proposals: readonly Proposal[],
  image: ImageSize,
  card: DetectorCard,
  { maxDetections, nmsIou = card.decoding.nmsIou ?? undefined, classes }: DecodeOptions,
  categories: readonly (Category | undefined)[] = classesOf(card),
): Detection[] {
  const isWanted = ({ classIndex, score }: Proposal): boolean => {
    if (score > 1 + SCORE_SLACK) {
      throw new CardMismatch(`${card.name}: expected scores of 0 to 1, got ${score}`);
    }
    if (classIndex >= categories.length) {
      const { firstClass = 0 } = card.decoding;
      throw new CardMismatch(
        `${card.name}: expected class numbers of at most ${categories.length - 1 + firstClass}, as the card has ${categories.length} labels, got ${classIndex + firstClass}`,
      );
    }
    const category = categories[classIndex];
    return category !== undefined && (classes === undefined || classes.includes(category.name));
  };
  const sorted = proposals
    .filter(isWanted)
    .sort((a, b) => b.score - a.score || a.classIndex - b.classIndex);
  const kept =
    nmsIou === undefined ? sorted : suppressOverlaps(sorted.slice(0, SUPPRESSION_LIMIT), nmsIou);
  const detections: Detection[] = [];
  for (const { boxXyxy, score, classIndex, label } of kept) {
    if (detections.length === maxDetections) break;
    const inPhoto = clipXyxy(rasterToPhotoXyxy(boxXyxy, image, card.input), image);
    if (!(areaXyxy(inPhoto) > 0)) continue;
    const category = categories[classIndex]!;
    detections.push({
      boxXyxy: inPhoto,
      score: Math.min(1, score),
      label: label ?? category.name,
      categoryId: category.id,
    });
  }
  return detections;
}

/**
 * Non-maximum suppression, greedy and per class: a box goes when its IoU with a kept one before it is above `iou`.
 * Idempotent; keeps the order.
 * @param contenders best first
 * @param iou 0..1
 */
export function suppressOverlaps<T extends Pick<Proposal, 'boxXyxy' | 'classIndex'>>(
  contenders: readonly T[],
  iou: number,
): T[] {
  const keptOfClass = new Map<number, T[]>();
  return contenders.filter((contender) => {
    const kept = keptOfClass.get(contender.classIndex) ?? [];
    if (kept.some(({ boxXyxy }) => iouXyxy(boxXyxy, contender.boxXyxy) > iou)) return false;
    kept.push(contender);
    keptOfClass.set(contender.classIndex, kept);
    return true;
  });
}
