import { VgrError } from '../core/error.js';
import type {
  CocoAnnotation,
  CocoCategory,
  CocoDetection,
  CocoEntry,
} from '../formats/coco-records.js';
import type { CocoId } from '../formats/foreign-json.js';

/** COCO's area ranges all, small, medium and large, square pixels, both ends inside. */
export const AREA_RANGES = [
  { min: 0, max: 1e5 ** 2 },
  { min: 0, max: 32 ** 2 },
  { min: 32 ** 2, max: 96 ** 2 },
  { min: 96 ** 2, max: 1e5 ** 2 },
] as const;

/** Numbers by value, then texts by their characters, as numpy sorts either. */
export function compareIds(a: CocoId, b: CocoId): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : Number(a > b);
}

/** Boxes as columns, one row a box in the order of the file: plain lists of numbers take 8 bytes a number. */
class BoxColumns {
  readonly imageIds: CocoId[] = [];
  readonly categoryIds: CocoId[] = [];
  /** Four numbers a row: x, y, width, height. */
  readonly xywh: number[] = [];

  get length(): number {
    return this.imageIds.length;
  }

  protected push({ imageId, categoryId, boxXywh }: CocoAnnotation | CocoDetection): void {
    this.imageIds.push(imageId);
    this.categoryIds.push(categoryId);
    this.xywh.push(boxXywh.x, boxXywh.y, boxXywh.width, boxXywh.height);
  }
}

/** The ground truth of a COCO file. Its sections may come in any order. */
export class CocoGroundTruth extends BoxColumns {
  /** The images that the file lists. */
  readonly images = new Set<CocoId>();
  /** Square pixels. */
  readonly areas: number[] = [];
  /** 1 for a crowd. */
  readonly crowds: number[] = [];
  /** The row of the annotation with the id 0; -1 where there is none. */
  zeroIdRow = -1;
  readonly #annotationIds = new Set<CocoId>();
  readonly #categoryNames = new Map<CocoId, string>();

  /** @throws VgrError INPUT_INVALID for an annotation id that comes twice */
  add(entry: CocoEntry): void {
    if (entry.kind === 'image') {
      this.images.add(entry.image.id);
    } else if (entry.kind === 'category') {
      this.#categoryNames.set(entry.category.id, entry.category.name);
    } else {
      const { id, area, crowd } = entry.annotation;
      if (this.#annotationIds.has(id)) {
        throw new VgrError(
          'INPUT_INVALID',
          `ground truth: annotation id ${id} comes twice; expected every id once`,
        );
      }
      this.#annotationIds.add(id);
      if (id === 0) this.zeroIdRow = this.length;
      this.push(entry.annotation);
      this.areas.push(area);
      this.crowds.push(crowd ? 1 : 0);
    }
  }

  /** True where an annotation does not count in an area range. */
  isIgnored(row: number, areaRange: number): boolean {
    const { min, max } = AREA_RANGES[areaRange]!;
    const area = this.areas[row]!;
    return this.crowds[row] === 1 || area < min || area > max;
  }

  /** By rising id. */
  get categories(): CocoCategory[] {
    const categories = [...this.#categoryNames].map(([id, name]) => ({ id, name }));
    return categories.sort((a, b) => compareIds(a.id, b.id));
  }
}

/** The detections of a COCO results file. */
export class CocoDetections extends BoxColumns {
  /** One a row. */
  readonly scores: number[] = [];

  add(detection: CocoDetection): void {
    this.push(detection);
    this.scores.push(detection.score);
  }
}
