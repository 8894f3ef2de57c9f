import type { ExaminedPhoto } from '../pipeline/photo-store.js';

const SHARED = new WeakMap<ExaminedPhoto, ExaminedPhoto>();

/** The photo with its pixels in shared memory, so that threads read them where they lie. They are copied once a photo. */
export function sharedPhoto(photo: ExaminedPhoto): ExaminedPhoto {
  const known = SHARED.get(photo);
  if (known) return known;
  const { data } = photo.raster;
  const pixels = new Uint8Array(new SharedArrayBuffer(data.length));
  pixels.set(data);
  const shared = { ...photo, raster: { ...photo.raster, data: pixels } };
  SHARED.set(photo, shared);
  return shared;
}
