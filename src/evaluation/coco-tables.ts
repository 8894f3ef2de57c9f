import type { Category } from '../formats/coco-categories.js';
import type { CocoAnnotation, CocoDetection, CocoEntry } from '../formats/coco-records.js';
import { VgrError } from '../formats/fault.js';
import { BoxTable } from './box-table.js';
import type { TruthColumns } from './coco-matching.js';
import { DoubleColumn } from './column.js';

/** The ground truth of a COCO file. Its sections may come in any order. */
export class CocoGroundTruth {
  readonly boxes = new BoxTable();
  readonly #area = new DoubleColumn();
  readonly #crowd = new DoubleColumn();
  readonly #zeroId = new DoubleColumn();
  readonly #imageIds = new Set<number>();
  readonly #annotationIds = new Set<number>();
  readonly #categoryNames = new Map<number, string>();

  /** @throws VgrError INPUT_INVALID for an annotation id that comes twice */
  add(entry: CocoEntry): void {
    if (entry.kind === 'image') this.addImage(entry.image.id);
    else if (entry.kind === 'category') this.addCategory(entry.category);
    else this.addAnnotation(entry.annotation);
  }

  addImage(id: number): void {
    this.#imageIds.add(id);
  }

  addCategory({ id, name }: Category): void {
    this.#categoryNames.set(id, name);
  }

  /** @throws VgrError INPUT_INVALID for an id that comes twice */
  addAnnotation({ id, imageId, categoryId, boxXywh, area, crowd }: CocoAnnotation): void {
    if (this.#annotationIds.has(id)) {
      throw new VgrError(
        'INPUT_INVALID',
        `ground truth: annotation id ${id} comes twice; expected every id once`,
      );
    }
    this.#annotationIds.add(id);
    this.boxes.push(imageId, categoryId, boxXywh);
    this.#area.push(area);
    this.#crowd.push(crowd ? 1 : 0);
    this.#zeroId.push(id === 0 ? 1 : 0);
  }

  /** Rising. */
  get imageIds(): number[] {
    return [...this.#imageIds].sort((a, b) => a - b);
  }

  hasImage(id: number): boolean {
    return this.#imageIds.has(id);
  }

  /** By rising id. */
  get categories(): Category[] {
    return [...this.#categoryNames].map(([id, name]) => ({ id, name })).sort((a, b) => a.id - b.id);
  }

  columns(): TruthColumns {
    return {
      xywh: this.boxes.xywh,
      areas: this.#area.view(),
      crowds: this.#crowd.view(),
      zeroIds: this.#zeroId.view(),
    };
  }
}

/** The detections of a COCO results file. */
export class CocoDetections {
  readonly boxes = new BoxTable();
  readonly #score = new DoubleColumn();

  add({ imageId, categoryId, boxXywh, score }: CocoDetection): void {
    this.boxes.push(imageId, categoryId, boxXywh);
    this.#score.push(score);
  }

  /** One a row. */
  get scores(): Float64Array {
    return this.#score.view();
  }
}
