import type { BoxXyxy, ImageSize } from '../../geometry/box.js';

/** How a vision-language model cuts a photo into patches, and in which coordinates it tells boxes. */
export interface PixelGrid {
  /** Sides of the picture are multiples of this, pixels. */
  readonly step: number;
  /** Fewest and most pixels of the picture. */
  readonly minPixels: number;
  readonly maxPixels: number;
  /** Both sides run from 0 to this number in the model's coordinates; absent where it tells pixels of the picture. */
  readonly scale?: number;
}

/**
 * Grids by model family. Sides and least pixels are those of the models' own image processors, so that a server leaves the
 * picture as it comes; the most pixels are lower than theirs, since a picture of 1280 patches shows what a box needs.
 * @see Qwen2-VL, arXiv 2409.12191 (coordinates from 0 to 1000); Qwen2.5-VL, arXiv 2502.13923 (pixels); Qwen3-VL, arXiv
 *   2511.21631 (patches of 32, coordinates from 0 to 1000); InternVL 2.5, arXiv 2412.05271 (12 tiles of 448)
 */
export const GRIDS = {
  'qwen2-vl': { step: 28, minPixels: 56 * 56, maxPixels: 1280 * 28 * 28, scale: 1000 },
  'qwen2.5-vl': { step: 28, minPixels: 56 * 56, maxPixels: 1280 * 28 * 28 },
  'qwen3-vl': { step: 32, minPixels: 256 * 256, maxPixels: 1280 * 32 * 32, scale: 1000 },
  internvl: { step: 1, minPixels: 1, maxPixels: 12 * 448 * 448, scale: 1000 },
} as const satisfies Record<string, PixelGrid>;

export type GridName = keyof typeof GRIDS;

/**
 * The size at which the model sees a photo: both sides rounded to the grid; where that leaves too many or too few pixels,
 * scaled by one factor and rounded down or up. A photo of 640 by 480 is 644 by 476 on a grid of 28. A size that this
 * function gives stays as it is.
 * @see smart_resize of Qwen2-VL's image processor
 */
export function gridSize({ width, height }: ImageSize, grid: PixelGrid): ImageSize {
  const { step, minPixels, maxPixels } = grid;
  const nearest = (side: number): number => Math.max(step, halfEven(side / step) * step);
  const size = { width: nearest(width), height: nearest(height) };
  const pixels = size.width * size.height;
  if (pixels > maxPixels) {
    const shrink = Math.sqrt((width * height) / maxPixels);
    const down = (side: number): number => Math.max(step, Math.floor(side / shrink / step) * step);
    return { width: down(width), height: down(height) };
  }
  if (pixels < minPixels) {
    const stretch = Math.sqrt(minPixels / (width * height));
    const up = (side: number): number => Math.ceil((side * stretch) / step) * step;
    return { width: up(width), height: up(height) };
  }
  return size;
}

/** Python's `round`: halves go to the even neighbour. */
function halfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** A photo as a model sees it. */
export interface ModelView {
  /** The upright photo, pixels. */
  readonly photo: ImageSize;
  /** The picture that is sent, pixels. */
  readonly picture: ImageSize;
  readonly grid: PixelGrid;
}

/** Width and height of the photo in the model's coordinates. */
export function modelExtent({ picture, grid: { scale } }: ModelView): ImageSize {
  return scale === undefined ? picture : { width: scale, height: scale };
}

/** A box of the photo in the model's coordinates, not rounded. */
export function toModelXyxy(box: BoxXyxy, view: ModelView): BoxXyxy {
  const { width, height } = modelExtent(view);
  const sx = width / view.photo.width;
  const sy = height / view.photo.height;
  return { x1: box.x1 * sx, y1: box.y1 * sy, x2: box.x2 * sx, y2: box.y2 * sy };
}

/** The same as it is written for the model: whole numbers inside the picture. */
export function writtenXyxy(box: BoxXyxy, view: ModelView): BoxXyxy {
  const { width, height } = modelExtent(view);
  const { x1, y1, x2, y2 } = toModelXyxy(box, view);
  const inside = (value: number, most: number): number =>
    Math.min(Math.max(Math.round(value), 0), most);
  return {
    x1: inside(x1, width),
    y1: inside(y1, height),
    x2: inside(x2, width),
    y2: inside(y2, height),
  };
}

/** A box in the model's coordinates, told in pixels of the photo; the inverse of {@link toModelXyxy}. */
export function fromModelXyxy(box: BoxXyxy, view: ModelView): BoxXyxy {
  const { width, height } = modelExtent(view);
  const sx = view.photo.width / width;
  const sy = view.photo.height / height;
  return { x1: box.x1 * sx, y1: box.y1 * sy, x2: box.x2 * sx, y2: box.y2 * sy };
}
