import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import type { RgbRaster } from '../geometry/raster.js';
import type { Attribute, AttributePart, Expression, Relation } from '../language/expression.js';
import { isPerson, isWorn } from '../language/lexicon.js';
import { postureOf } from '../language/posture.js';
import { BoxMemo } from './box-memo.js';
import { COLOUR_TERMS, type ColourTerm } from './colour-term.js';
import { type CropColours, colourFit, cropColours } from './crop-colour.js';
import { lean, placeChances } from './order.js';
import { postureFit } from './posture-fit.js';
import type { PhotoEvidence } from './refiner.js';
import { betweenFit, relationFit } from './relation-geometry.js';
import { type Kind, type Proposals, type Thing, thingsOf } from './thing.js';

/** What is at hand to judge things by. */
export interface Scene extends Proposals {
  readonly evidence?: PhotoEvidence;
}

/** How one thing meets an expression. Every number is 0..1; null where nothing is known. */
export interface Clue {
  readonly thing: Thing;
  /** Parallel to the expression's selectors: chance to hold the place asked for among its kind. */
  readonly places: readonly number[];
  /** Parallel to the expression's selectors: how far it lies towards that end of the photo. */
  readonly leans: ReadonlyArray<number | null>;
  /** Parallel to the expression's attributes: colour seen where the attribute shows, or size among its kind. */
  readonly attributes: ReadonlyArray<number | null>;
  /** Parallel to the expression's relations: how well it stands so to some landmark. */
  readonly relations: ReadonlyArray<number | null>;
}

/** All things of the kind that an expression names, each with its clues. */
export interface Clues {
  readonly naming: Kind['naming'];
  readonly things: readonly Clue[];
}

/** Expressions nest as deep as they are written; deeper landmarks than this say nothing about the answer. */
const DEEPEST = 3;
const SAME_OBJECT_IOU = 0.7;
/** Landmarks that stand in no better relation are not there; a product over hundreds of ghosts would say otherwise. */
const FAINT = 0.02;

/** L* that counts as wholly light, and as wholly dark. */
const LIGHT = 80;
const DARK = 20;

/** Compares the sizes of things: the weighted share of the others that is smaller; null where it is alone. */
function sizeAmong(thing: Thing, things: readonly Thing[]): number | null {
  const area = ({ boxXyxy: b }: Thing) => (b.x2 - b.x1) * (b.y2 - b.y1);
  let [smaller, all] = [0, 0];
  for (const other of things) {
    if (other === thing) continue;
    all += other.chance;
    if (area(other) < area(thing)) smaller += other.chance;
  }
  return all > 0.05 ? smaller / all : null;
}

function shadeFit(colours: CropColours, shade: NonNullable<Attribute['shade']>): number {
  const light = Math.min(Math.max((colours.lightness - DARK) / (LIGHT - DARK), 0), 1);
  return shade === 'dark' ? 1 - light : light;
}

const isColourTerm = (value: string): value is ColourTerm =>
  (COLOUR_TERMS as readonly string[]).includes(value);

const SEEN = new BoxMemo<RgbRaster, Map<AttributePart, CropColours | null>>();

function coloursOf(
  evidence: PhotoEvidence,
  image: ImageSize,
  box: BoxXyxy,
  part: AttributePart,
): CropColours | null {
  const parts = SEEN.of(evidence.raster, box, () => new Map());
  const known = parts.get(part);
  if (known !== undefined) return known;
  const colours = cropColours(evidence, image, box, part);
  parts.set(part, colours);
  return colours;
}

function attributeFit(
  attribute: Attribute,
  thing: Thing,
  things: readonly Thing[],
  scene: Scene,
): number | null {
  const { kind, value, shade, part, negated } = attribute;
  const asked = (fit: number | null) => (fit === null || !negated ? fit : 1 - fit);
  if (kind === 'size') {
    const size = sizeAmong(thing, things);
    return asked(size === null || value === 'big' ? size : 1 - size);
  }
  const shown = (kind === 'colour' && isColourTerm(value)) || shade !== null;
  if (!shown || scene.evidence === undefined) return null;
  const colours = coloursOf(scene.evidence, scene.image, thing.boxXyxy, part);
  if (colours === null) return null;
  if (kind === 'colour' && isColourTerm(value)) return asked(colourFit(colours, value));
  return asked(shade === null ? null : shadeFit(colours, shade));
}

/** A landmark as it may lie in the photo, with its weight among the landmarks that the words allow, 0..1. */
interface Landmark {
  readonly thing: Thing;
  readonly weight: number;
}

/** The things that a landmark may be; null where the detector does not know its noun. */
function landmarksOf(expression: Expression, scene: Scene, depth: number): Landmark[] | null {
  if (expression.head === null && expression.selectors.length === 0) return null;
  const { naming, things } = cluesOf(expression, scene, depth + 1);
  // A garment would point at every person; boxes do not show it.
  const garment = expression.head !== null && isWorn(expression.head.lemma);
  if (naming === 'unknown' || garment) return null;
  return things
    .map(({ thing, places }) => ({ thing, weight: places.reduce((w, p) => w * p, thing.chance) }))
    .filter(({ weight }) => weight > FAINT);
}

/** The chance that some landmark stands in the relation: 1 minus the chance that none does. */
function someFit(fits: readonly number[]): number {
  return 1 - fits.filter((fit) => fit > FAINT).reduce((none, fit) => none * (1 - fit), 1);
}

const isOther = (thing: Thing, other: Thing): boolean =>
  thing !== other && iouXyxy(thing.boxXyxy, other.boxXyxy) < SAME_OBJECT_IOU;

function relationFits(
  relation: Relation,
  things: readonly Thing[],
  scene: Scene,
  depth: number,
): Array<number | null> {
  const nothing = things.map(() => null);
  if (depth >= DEEPEST || relation.landmarks.length === 0) return nothing;
  const groups = relation.landmarks.map((landmark) => landmarksOf(landmark, scene, depth));
  const first = groups[0];
  if (first === null || first === undefined) return nothing;
  const second = relation.kind === 'between' ? (groups[1] ?? first) : null;
  return things.map((thing) =>
    second === null ? fitToSome(relation, thing, first) : fitBetween(thing, first, second),
  );
}

/** "sitting on the bench": the posture counts beside the place, and alone where the place is unknown. */
function withPosture(
  { words }: Relation,
  things: readonly Thing[],
  image: ImageSize,
  fits: ReadonlyArray<number | null>,
): ReadonlyArray<number | null> {
  const posture = postureOf(words);
  if (posture === null) return fits;
  return fits.map(
    (fit, at) => (fit ?? 1) * postureFit(posture, (things[at] as Thing).boxXyxy, image),
  );
}

function fitToSome(
  relation: Relation,
  thing: Thing,
  landmarks: readonly Landmark[],
): number | null {
  const fits = landmarks
    .filter((landmark) => isOther(thing, landmark.thing))
    .map(({ thing: other, weight }) => {
      const fit = relationFit(relation.kind, thing.boxXyxy, other.boxXyxy);
      return fit === null ? null : fit * weight;
    });
  if (fits.includes(null)) return null;
  return someFit(fits as number[]);
}

function fitBetween(thing: Thing, first: readonly Landmark[], second: readonly Landmark[]): number {
  const fits: number[] = [];
  for (const a of first) {
    for (const b of second) {
      const apart = isOther(thing, a.thing) && isOther(thing, b.thing) && isOther(a.thing, b.thing);
      if (!apart) continue;
      fits.push(a.weight * b.weight * betweenFit(thing.boxXyxy, a.thing.boxXyxy, b.thing.boxXyxy));
    }
  }
  return someFit(fits);
}

/**
 * The things that an expression may mean, each with what speaks for it. Blind to which candidate is the tool's answer.
 * `depth` counts how deep the expression nests in another.
 */
export function cluesOf(expression: Expression, scene: Scene, depth = 0): Clues {
  const { things, naming } = thingsOf(expression, scene, depth > 0);
  const places = expression.selectors.map((selector) => {
    const chances = placeChances(selector, things, scene.image);
    return selector.negated ? chances.map((chance) => 1 - chance) : chances;
  });
  const person = expression.head !== null && isPerson(expression.head.lemma);
  const attributeOf = (attribute: Attribute, thing: Thing): number | null => {
    const posture = person && attribute.kind === 'other' ? postureOf(attribute.value) : null;
    if (posture === null) return attributeFit(attribute, thing, things, scene);
    const fit = postureFit(posture, thing.boxXyxy, scene.image);
    return attribute.negated ? 1 - fit : fit;
  };
  const relations = expression.relations.map((relation) => {
    const fits = relationFits(relation, things, scene, depth);
    const held = person ? withPosture(relation, things, scene.image, fits) : fits;
    return relation.negated ? held.map((fit) => (fit === null ? null : 1 - fit)) : held;
  });
  const clues = things.map((thing, at) => ({
    thing,
    places: places.map((chances) => chances[at] as number),
    leans: expression.selectors.map((selector) => lean(selector, thing.boxXyxy, scene.image)),
    attributes: expression.attributes.map((attribute) => attributeOf(attribute, thing)),
    relations: relations.map((fits) => fits[at] ?? null),
  }));
  return { naming, things: clues };
}
