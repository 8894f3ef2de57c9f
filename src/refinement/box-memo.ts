import type { BoxXyxy } from '../geometry/box.js';

/**
 * What was worked out for boxes, or candidates, of a photo, as long as both are in use: its queries weigh the same ones of the
 * detector. All are known by identity.
 */
export class BoxMemo<Photo extends object, Value, Box extends object = BoxXyxy> {
  readonly #photos = new WeakMap<Photo, WeakMap<Box, Value>>();

  of(photo: Photo, box: Box, work: () => Value): Value {
    const boxes = this.#photos.get(photo) ?? new WeakMap<Box, Value>();
    this.#photos.set(photo, boxes);
    const known = boxes.get(box);
    if (known !== undefined) return known;
    const value = work();
    boxes.set(box, value);
    return value;
  }
}
