import type { FeatureMap } from '../detection/detection.js';
import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import type { PhotoEvidence } from './refiner.js';

/** Samples along each side of a box. */
const GRID = 5;

/**
 * Mean of a detector's features over a box, [channels], each feature scaled so that the mean square over the map is 1.
 * `boxXyxy` in pixels of the photo. The samples lie symmetrically in the box, so that a mirrored photo gives the same.
 * Null where the detector gave no map.
 */
export function pooledFeatures(
  { featureMap, raster, contentXyxy: content }: PhotoEvidence,
  image: ImageSize,
  boxXyxy: BoxXyxy,
): Float32Array | null {
  if (featureMap === undefined) return null;
  const { channels, width, height, data } = featureMap;
  const toMap = (
    value: number,
    size: number,
    from: number,
    to: number,
    raster: number,
    cells: number,
  ) =>
    Math.min(
      Math.max(Math.floor(((from + (value / size) * (to - from)) / raster) * cells), 0),
      cells - 1,
    );
  const cells: number[] = [];
  for (let row = 0; row < GRID; row++) {
    for (let column = 0; column < GRID; column++) {
      const x = boxXyxy.x1 + ((boxXyxy.x2 - boxXyxy.x1) * (column + 0.5)) / GRID;
      const y = boxXyxy.y1 + ((boxXyxy.y2 - boxXyxy.y1) * (row + 0.5)) / GRID;
      const cx = toMap(x, image.width, content.x1, content.x2, raster.width, width);
      const cy = toMap(y, image.height, content.y1, content.y2, raster.height, height);
      cells.push(cy * width + cx);
    }
  }
  const scale = 1 / (GRID * GRID * rootMeanSquare(featureMap));
  // A channel lies together: going through its samples before the next one spares most of the misses of the cache.
  return Float32Array.from({ length: channels }, (_, channel) => {
    const from = channel * height * width;
    let sum = 0;
    for (const cell of cells) sum = Math.fround(sum + data[from + cell]!);
    return sum * scale;
  });
}

const KNOWN_SCALES = new WeakMap<FeatureMap, number>();

function rootMeanSquare(map: FeatureMap): number {
  const known = KNOWN_SCALES.get(map);
  if (known !== undefined) return known;
  let sum = 0;
  for (const value of map.data) sum += value * value;
  const scale = Math.max(Math.sqrt(sum / map.data.length), 1e-6);
  KNOWN_SCALES.set(map, scale);
  return scale;
}
