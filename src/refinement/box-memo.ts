import type { BoxXyxy } from '../geometry/box.js';

/**
 * What was worked out for boxes of a photo, as long as both are in use: its queries weigh the same boxes of the detector.
 * Boxes and photos are known by identity.
 */
export class BoxMemo<Photo extends object, Value> {
  readonly #photos = new WeakMap<Photo, WeakMap<BoxXyxy, Value>>();

  of(photo: Photo, box: BoxXyxy, work: () => Value): Value {
    const boxes = this.#photos.get(photo) ?? new WeakMap<BoxXyxy, Value>();
    this.#photos.set(photo, boxes);
    const known = boxes.get(box);
    if (known !== undefined) return known;
    const value = work();
    boxes.set(box, value);
    return value;
  }
}
