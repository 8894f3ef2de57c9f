import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import type { AttributePart } from '../language/expression.js';
import { COLOUR_TERMS, type ColourTerm, labOf, likeness, termOf } from './colour-term.js';
import type { PhotoEvidence } from './refiner.js';

/** Colours of one part of a crop. */
export interface CropColours {
  /** Share of the sampled pixels that each term names, summing to 1; in the order of `COLOUR_TERMS`. */
  readonly shares: readonly number[];
  /** Mean lightness L*, 0..100. */
  readonly lightness: number;
}

/** A part of a box in shares of its width and height. */
type Window = readonly [x1: number, y1: number, x2: number, y2: number];

/**
 * Where a part shows in the box of an upright person, or, for `whole`, of anything. Borders are left out, since they show
 * the background.
 */
const WINDOWS: Readonly<Record<AttributePart, Window>> = {
  whole: [0.2, 0.2, 0.8, 0.8],
  worn: [0.25, 0.18, 0.75, 0.9],
  upper: [0.25, 0.18, 0.75, 0.5],
  lower: [0.25, 0.52, 0.75, 0.95],
  head: [0.3, 0, 0.7, 0.16],
};

/** Of a person who is not seen down to the feet: clothes fill what lies below the face. */
const HALF_FIGURE: Window = [0.2, 0.4, 0.8, 0.95];
/** Boxes of whole figures are higher than this times their width. */
const WHOLE_FIGURE = 1.7;

/** Samples along each side of a window. */
const GRID = 14;

/** Colours in a window of the box. Null for a box without extent. The box is in pixels of the photo. */
export function cropColours(
  evidence: PhotoEvidence,
  image: ImageSize,
  box: BoxXyxy,
  part: AttributePart,
): CropColours | null {
  const { raster, contentXyxy: content } = evidence;
  const [width, height] = [box.x2 - box.x1, box.y2 - box.y1];
  const half = (part === 'upper' || part === 'worn') && height < WHOLE_FIGURE * width;
  const [wx1, wy1, wx2, wy2] = half ? HALF_FIGURE : WINDOWS[part];
  if (width <= 0 || height <= 0) return null;
  const sx = (content.x2 - content.x1) / image.width;
  const sy = (content.y2 - content.y1) / image.height;
  const counts = new Float64Array(COLOUR_TERMS.length);
  let lightness = 0;
  for (let row = 0; row < GRID; row++) {
    for (let column = 0; column < GRID; column++) {
      const x = box.x1 + width * (wx1 + ((wx2 - wx1) * (column + 0.5)) / GRID);
      const y = box.y1 + height * (wy1 + ((wy2 - wy1) * (row + 0.5)) / GRID);
      const px = Math.min(Math.max(Math.floor(content.x1 + x * sx), 0), raster.width - 1);
      const py = Math.min(Math.max(Math.floor(content.y1 + y * sy), 0), raster.height - 1);
      const at = (py * raster.width + px) * 3;
      const [r, g, b] = [raster.data[at], raster.data[at + 1], raster.data[at + 2]];
      const lab = labOf(r as number, g as number, b as number);
      const term = COLOUR_TERMS.indexOf(termOf(lab));
      counts[term] = (counts[term] as number) + 1;
      lightness += lab.l;
    }
  }
  const total = GRID * GRID;
  return { shares: Array.from(counts, (count) => count / total), lightness: lightness / total };
}

/** Share of the pixels that pass for the colour, 0..1; colours that shade turns into each other count in part. */
export function colourFit(colours: CropColours, term: ColourTerm): number {
  return colours.shares.reduce(
    (sum, share, at) => sum + share * likeness(COLOUR_TERMS[at] as ColourTerm, term),
    0,
  );
}
