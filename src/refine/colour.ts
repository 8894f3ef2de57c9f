import type { BoxXyxy, ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import type { AttributePart } from '../language/expression.js';
import type { PhotoEvidence } from './refiner.js';

/** CIE 1976 L*a*b*: L 0 (black) to 100 (white), a green to red, b blue to yellow, about -110..110. */
export interface Lab {
  readonly l: number;
  readonly a: number;
  readonly b: number;
}

/** Reference white D65, 2 degrees. */
const WHITE = { x: 0.95047, y: 1, z: 1.08883 };

/** sRGB transfer curve inverted, IEC 61966-2-1, for each of the 256 levels. */
const LINEAR = Float64Array.from({ length: 256 }, (_, level) => {
  const value = level / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
});

const cubeRoot = (t: number): number =>
  t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116;

/** 8-bit sRGB to CIELAB under D65. `(255, 255, 255)` is `{l: 100, a: 0, b: 0}`, but for rounding. */
export function labOf(red: number, green: number, blue: number): Lab {
  const [r, g, b] = [LINEAR[red]!, LINEAR[green]!, LINEAR[blue]!];
  const x = cubeRoot((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / WHITE.x);
  const y = cubeRoot((0.2126729 * r + 0.7151522 * g + 0.072175 * b) / WHITE.y);
  const z = cubeRoot((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / WHITE.z);
  return { l: 116 * y - 16, a: 500 * (x - y), b: 200 * (y - z) };
}

/** The eleven basic colour terms of English (Berlin and Kay, 1969). */
export const COLOUR_TERMS = [
  'red',
  'orange',
  'yellow',
  'green',
  'blue',
  'purple',
  'pink',
  'brown',
  'gray',
  'black',
  'white',
] as const;
export type ColourTerm = (typeof COLOUR_TERMS)[number];

/** Hues in degrees of the Lab plane at which one chromatic term gives way to the next, in turning order. */
const HUE_TERMS: ReadonlyArray<readonly [number, ColourTerm]> = [
  [12, 'pink'],
  [44, 'red'],
  [72, 'orange'],
  [105, 'yellow'],
  [195, 'green'],
  [308, 'blue'],
  [340, 'purple'],
  [360, 'pink'],
];
/** Below this chroma a colour looks grey; dark colours need more to look coloured. */
const GRAY_CHROMA = 12;

/** The basic term that names a colour in everyday photos: by lightness where there is little chroma, else by hue. */
export function termOf({ l, a, b }: Lab): ColourTerm {
  const chroma = Math.hypot(a, b);
  if (l < 18 || (l < 28 && chroma < 18)) return 'black';
  if (chroma < GRAY_CHROMA) return l > 78 ? 'white' : l < 32 ? 'black' : 'gray';
  const hue = ((Math.atan2(b, a) * 180) / Math.PI + 360) % 360;
  const term = HUE_TERMS.find(([until]) => hue < until)?.[1] ?? 'pink';
  if (term === 'red' && l > 62) return 'pink';
  if ((term === 'red' || term === 'orange' || term === 'yellow') && isBrown(l, chroma, hue)) {
    return 'brown';
  }
  return term === 'yellow' && l > 80 && chroma < 22 ? 'white' : term;
}

/** Brown is dark or dull orange and yellow. Skin and sand are dull orange, the suit of an astronaut is not. */
function isBrown(l: number, chroma: number, hue: number): boolean {
  if (hue < 40) return l < 42 && chroma < 32;
  if (l < 55) return l < 40 || chroma < 50;
  return (l < 75 && chroma < 38) || (hue < 72 && chroma < 42);
}

/** Terms that lighting and shade turn into each other, with the credit that one gives the other. */
const ALIKE: ReadonlyArray<readonly [ColourTerm, ColourTerm, number]> = [
  ['gray', 'black', 0.35],
  ['gray', 'white', 0.4],
  ['gray', 'blue', 0.2],
  ['brown', 'orange', 0.4],
  ['brown', 'red', 0.35],
  ['brown', 'black', 0.3],
  ['brown', 'yellow', 0.35],
  ['red', 'pink', 0.5],
  ['red', 'orange', 0.5],
  ['pink', 'purple', 0.5],
  ['purple', 'blue', 0.45],
  ['orange', 'yellow', 0.5],
  ['yellow', 'white', 0.15],
  ['blue', 'black', 0.2],
  ['yellow', 'green', 0.25],
];

/** How far a pixel of one term passes for another, 0..1; 1 for the same. */
export function likeness(one: ColourTerm, other: ColourTerm): number {
  if (one === other) return 1;
  const pair = ALIKE.find(([a, b]) => (a === one && b === other) || (a === other && b === one));
  return pair?.[2] ?? 0;
}

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
  imageSize: ImageSize,
  box: BoxXyxy,
  part: AttributePart,
): CropColours | null {
  const { raster, contentXyxy: content } = evidence;
  const [width, height] = [box.x2 - box.x1, box.y2 - box.y1];
  const half = (part === 'upper' || part === 'worn') && height < WHOLE_FIGURE * width;
  const [wx1, wy1, wx2, wy2] = half ? HALF_FIGURE : WINDOWS[part];
  if (width <= 0 || height <= 0) return null;
  const sx = (content.x2 - content.x1) / imageSize.width;
  const sy = (content.y2 - content.y1) / imageSize.height;
  const counts = new Float64Array(COLOUR_TERMS.length);
  let lightness = 0;
  for (let row = 0; row < GRID; row++) {
    for (let column = 0; column < GRID; column++) {
      const x = box.x1 + width * (wx1 + ((wx2 - wx1) * (column + 0.5)) / GRID);
      const y = box.y1 + height * (wy1 + ((wy2 - wy1) * (row + 0.5)) / GRID);
      const px = Math.min(Math.max(Math.floor(content.x1 + x * sx), 0), raster.width - 1);
      const py = Math.min(Math.max(Math.floor(content.y1 + y * sy), 0), raster.height - 1);
      const at = (py * raster.width + px) * 3;
      const lab = labOf(raster.data[at]!, raster.data[at + 1]!, raster.data[at + 2]!);
      counts[COLOUR_TERMS.indexOf(termOf(lab))]! += 1;
      lightness += lab.l;
    }
  }
  const total = GRID * GRID;
  return { shares: Array.from(counts, (count) => count / total), lightness: lightness / total };
}

/** Share of the pixels that pass for the colour, 0..1; colours that shade turns into each other count in part. */
export function colourFit(colours: CropColours, term: ColourTerm): number {
  return colours.shares.reduce(
    (sum, share, at) => sum + share * likeness(COLOUR_TERMS[at]!, term),
    0,
  );
}

/** Colours by raster, box and part, while both are in use: the queries of a photo weigh the same boxes. */
const SEEN = new WeakMap<RgbRaster, WeakMap<BoxXyxy, Map<AttributePart, CropColours | null>>>();

/** The same as {@link cropColours}, kept with the photo and the box. */
export function coloursOf(
  evidence: PhotoEvidence,
  imageSize: ImageSize,
  box: BoxXyxy,
  part: AttributePart,
): CropColours | null {
  const boxes = SEEN.get(evidence.raster) ?? new WeakMap();
  SEEN.set(evidence.raster, boxes);
  const parts = boxes.get(box) ?? new Map<AttributePart, CropColours | null>();
  boxes.set(box, parts);
  const known = parts.get(part);
  if (known !== undefined) return known;
  const colours = cropColours(evidence, imageSize, box, part);
  parts.set(part, colours);
  return colours;
}

export const isColourTerm = (value: string): value is ColourTerm =>
  (COLOUR_TERMS as readonly string[]).includes(value);
