import type { BoxXyxy, ImageSize } from './box.js';
import type { RasterSpec } from './raster.js';

/**
 * The photo's rectangle inside the raster, whole raster pixels, at least 1 by 1. A photo of 640 by 480 letterboxed to
 * 512 by 512 fills `{x1: 0, y1: 0, x2: 512, y2: 384}`; centred, `{x1: 0, y1: 64, x2: 512, y2: 448}`.
 */
export function contentXyxy(photo: ImageSize, spec: RasterSpec): BoxXyxy {
  if (spec.fit === 'stretch') return { x1: 0, y1: 0, x2: spec.width, y2: spec.height };
  const scale = Math.min(spec.width / photo.width, spec.height / photo.height);
  const width = Math.min(spec.width, Math.max(1, Math.round(photo.width * scale)));
  const height = Math.min(spec.height, Math.max(1, Math.round(photo.height * scale)));
  const centred = spec.fit === 'letterbox-centre';
  const x1 = centred ? Math.floor((spec.width - width) / 2) : 0;
  const y1 = centred ? Math.floor((spec.height - height) / 2) : 0;
  return { x1, y1, x2: x1 + width, y2: y1 + height };
}

/** A box in raster pixels, told in pixels of the photo. Not clipped: what lies in the border lies outside the photo. */
export function rasterToPhotoXyxy(box: BoxXyxy, photo: ImageSize, spec: RasterSpec): BoxXyxy {
  const content = contentXyxy(photo, spec);
  const sx = photo.width / (content.x2 - content.x1);
  const sy = photo.height / (content.y2 - content.y1);
  return {
    x1: (box.x1 - content.x1) * sx,
    y1: (box.y1 - content.y1) * sy,
    x2: (box.x2 - content.x1) * sx,
    y2: (box.y2 - content.y1) * sy,
  };
}

/** A box in pixels of the photo, told in raster pixels; the inverse of {@link rasterToPhotoXyxy}. */
export function photoToRasterXyxy(box: BoxXyxy, photo: ImageSize, spec: RasterSpec): BoxXyxy {
  const content = contentXyxy(photo, spec);
  const sx = (content.x2 - content.x1) / photo.width;
  const sy = (content.y2 - content.y1) / photo.height;
  return {
    x1: content.x1 + box.x1 * sx,
    y1: content.y1 + box.y1 * sy,
    x2: content.x1 + box.x2 * sx,
    y2: content.y1 + box.y2 * sy,
  };
}
