import type { BoxXywh } from '../geometry/box.js';
import { DoubleColumn } from './column.js';

/** Boxes of many images and categories as columns, one row a box, in the order in which they were added. */
export class BoxTable {
  readonly #imageId = new DoubleColumn();
  readonly #categoryId = new DoubleColumn();
  readonly #xywh = new DoubleColumn();

  get length(): number {
    return this.#imageId.length;
  }

  push(imageId: number, categoryId: number, { x, y, width, height }: BoxXywh): void {
    this.#imageId.push(imageId);
    this.#categoryId.push(categoryId);
    this.#xywh.push(x);
    this.#xywh.push(y);
    this.#xywh.push(width);
    this.#xywh.push(height);
  }

  get imageIds(): Float64Array {
    return this.#imageId.view();
  }

  get categoryIds(): Float64Array {
    return this.#categoryId.view();
  }

  /** Four numbers a row: x, y, width, height. */
  get xywh(): Float64Array {
    return this.#xywh.view();
  }
}
