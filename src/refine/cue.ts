import { areaXyxy, type BoxXyxy, type ImageSize } from '../core/box.js';
import { sigmoid } from '../core/math.js';
import type { Attribute, Expression, Relation, RelationKind } from '../language/expression.js';
import { isAnimate, isPerson, isWorn } from '../language/lexicon.js';
import { AGES, type Posture, postureOf } from '../language/vocabulary.js';
import {
  mayBeShown,
  type Naming,
  type ObjectHypothesis,
  objectsOf,
  type Scene,
} from './candidates.js';
import { type CropColours, colourFit, coloursOf, isColourTerm } from './colour.js';
import {
  type Fit,
  type Landmark,
  MIN_WEIGHT,
  positionScore,
  rankChances,
  relationFits,
} from './geometry.js';

/** How one object meets an expression. */
export interface Cue {
  readonly object: ObjectHypothesis;
  /** Parallel to the expression's selectors: probability to hold the rank asked for among its kind, 0..1. */
  readonly rankChances: readonly number[];
  /** Parallel to the expression's selectors: how far it lies towards that end of the photo. */
  readonly positionScores: readonly Fit[];
  /** Parallel to the expression's attributes: colour seen where the attribute shows, or size among its kind. */
  readonly attributes: readonly Fit[];
  /** Parallel to the expression's relations: how well it stands so to some landmark. */
  readonly relations: readonly Fit[];
}

/** Expressions nest as deep as they are written; deeper landmarks than this say nothing about the answer. */
const MAX_DEPTH = 3;

/** L* that counts as wholly light, and as wholly dark. */
const LIGHT = 80;
const DARK = 20;

const negatedIf = (negated: boolean, fit: Fit): Fit => (fit === null || !negated ? fit : 1 - fit);

/** Compares the sizes of objects: the weighted share of the others that is smaller; null where it is alone. */
function sizeAmong(object: ObjectHypothesis, objects: readonly ObjectHypothesis[]): Fit {
  const own = areaXyxy(object.boxXyxy);
  let [smaller, all] = [0, 0];
  for (const other of objects) {
    if (other === object) continue;
    all += other.chance;
    if (areaXyxy(other.boxXyxy) < own) smaller += other.chance;
  }
  return all > 0.05 ? smaller / all : null;
}

function shadeFit({ lightness }: CropColours, shade: NonNullable<Attribute['shade']>): number {
  const light = Math.min(Math.max((lightness - DARK) / (LIGHT - DARK), 0), 1);
  return shade === 'dark' ? 1 - light : light;
}

function attributeFit(
  attribute: Attribute,
  object: ObjectHypothesis,
  objects: readonly ObjectHypothesis[],
  scene: Scene & { readonly body: Body | null },
): Fit {
  const { kind, value, negated } = attribute;
  const { body, imageSize } = scene;
  const isOther = kind === 'other';
  const age = isOther && body === 'animal' ? AGES.get(value) : undefined;
  if (kind === 'size' || age !== undefined) {
    // Young animals are small among their kind, and grown ones large.
    const isLarge = value === 'big' || age === 'grown';
    const size = sizeAmong(object, objects);
    return size === null || isLarge !== negated ? size : 1 - size;
  }
  const posture = isOther && body ? postureOf(value) : null;
  const fit =
    body && posture
      ? postureFit(posture, body, object.boxXyxy, imageSize)
      : lookFit(attribute, object, scene);
  return negatedIf(negated, fit);
}

/** Colour or shade, as the photo shows it. */
function lookFit(
  { kind, value, shade, part }: Attribute,
  { boxXyxy }: ObjectHypothesis,
  { evidence, imageSize }: Scene,
): Fit {
  const isColour = kind === 'colour' && isColourTerm(value);
  if (evidence === undefined || (!isColour && shade === null)) return null;
  const colours = coloursOf(evidence, imageSize, boxXyxy, part);
  if (colours === null) return null;
  return isColour ? colourFit(colours, value) : shadeFit(colours, shade!);
}

/** A landmark whose colours fit less counts for less against the others; this much stays to one that fits not at all. */
const COLOUR_FLOOR = 0.1;

/** How well a landmark's own attributes fit, against the landmark whose fit best: "behind the man in red". */
function attributeShares(cues: readonly Cue[]): number[] {
  const fits = cues.map(({ attributes }) =>
    attributes.reduce<number>(
      (product, fit) => (fit === null ? product : product * (COLOUR_FLOOR + fit)),
      1,
    ),
  );
  const best = fits.reduce((most, fit) => Math.max(most, fit), 0);
  return fits.map((fit) => fit / best);
}

/** The objects that a landmark may be; null where the detector does not know its noun. */
function landmarksOf(
  expression: Expression,
  scene: Scene,
  depth: number,
  main: Expression,
): Landmark[] | null {
  if (expression.head === null && expression.selectors.length === 0) return null;
  if (!mayBeShown(expression, main, scene.candidates)) return null;
  const { naming, cues } = cuesOf(expression, scene, depth + 1);
  // A garment would point at every person; boxes do not show it.
  const garment = expression.head !== null && isWorn(expression.head.lemma);
  if (naming === 'unknown' || garment) return null;
  const shares = attributeShares(cues);
  return cues
    .map(({ object, rankChances: chances }, at) => ({
      object,
      weight: chances.reduce((weight, chance) => weight * chance, object.chance * shares[at]!),
    }))
    .filter(({ weight }) => weight > MIN_WEIGHT);
}

/** Weight of a landmark that is there and that no box shows. */
const MISSED = 0.5;

/** "next to the toaster" implies a toaster: the likeliest landmark counts for more than its box alone would tell. */
function presupposed(landmarks: Landmark[] | null): Landmark[] | null {
  if (landmarks === null) return null;
  const best = landmarks.reduce((most, { weight }) => Math.max(most, weight), 0);
  const scale = Math.max(1, 1 / (best + MISSED));
  return landmarks.map(({ object, weight }) => ({ object, weight: weight * scale }));
}

const PART_KINDS: ReadonlySet<RelationKind> = new Set(['with', 'of']);
/** A part that takes up a third of the object shows its colour as well as can be. */
const PART_SHARE = 3;

/** "the boat with the green roof": the colour of a part that no box shows, looked for in the object's own; null without one. */
function partFit(
  { head, attributes }: Expression,
  { boxXyxy }: ObjectHypothesis,
  { evidence, imageSize }: Scene,
): Fit {
  // What is worn shows at its own part of the wearer, and counts there.
  if (evidence === undefined || isWorn(head?.lemma ?? '')) return null;
  const colours = coloursOf(evidence, imageSize, boxXyxy, 'whole');
  if (colours === null) return null;
  const fits = attributes.flatMap(({ kind, value, negated }) =>
    kind === 'colour' && isColourTerm(value) && !negated
      ? [Math.min(1, PART_SHARE * colourFit(colours, value))]
      : [],
  );
  return fits.length === 0 ? null : Math.min(...fits);
}

/** Fits of all objects to one relation of the expression, as if it were not negated. */
function fitsOf(
  relation: Relation,
  objects: readonly ObjectHypothesis[],
  scene: Scene,
  depth: number,
  main: Expression,
): readonly Fit[] {
  const { kind, landmarks, negated } = relation;
  if (depth >= MAX_DEPTH || landmarks.length === 0) return objects.map(() => null);
  const groups = landmarks.map((landmark) => {
    const found = landmarksOf(landmark, scene, depth, main);
    return negated ? found : presupposed(found);
  });
  if (groups[0] === null && PART_KINDS.has(kind)) {
    return objects.map((object) => partFit(landmarks[0]!, object, scene));
  }
  return relationFits(relation, objects, groups, scene.imageSize);
}

/** Whose posture its words may tell; null for what has none. */
function bodyOf(lemma: string): Body | null {
  if (isPerson(lemma)) return 'person';
  return isAnimate(lemma) ? 'animal' : null;
}

/**
 * The objects that an expression may mean, each with what speaks for it. Knows nothing of which candidate is the tool's
 * answer. `depth` counts how deep the expression nests in another.
 */
export function cuesOf(
  expression: Expression,
  scene: Scene,
  depth = 0,
): { readonly naming: Naming; readonly cues: readonly Cue[] } {
  const { imageSize } = scene;
  const { objects, naming } = objectsOf(expression, scene, depth > 0);
  const body = bodyOf(expression.head?.lemma ?? '');
  const ranks = expression.selectors.map((selector) => {
    const chances = rankChances(selector, objects, imageSize);
    return selector.negated ? chances.map((chance) => 1 - chance) : chances;
  });
  const relations = expression.relations.map((relation) => {
    const fits = fitsOf(relation, objects, scene, depth, expression);
    // "sitting on the bench": the posture counts beside the bench, and alone where the bench is unknown.
    const posture = body && postureOf(relation.words);
    return objects.map(({ boxXyxy }, at) => {
      const fit = fits[at]!;
      const whole =
        body && posture ? (fit ?? 1) * postureFit(posture, body, boxXyxy, imageSize) : fit;
      return negatedIf(relation.negated, whole);
    });
  });
  const seen = { ...scene, body };
  const cues = objects.map((object, at) => ({
    object,
    rankChances: ranks.map((chances) => chances[at]!),
    positionScores: expression.selectors.map((selector) =>
      positionScore(selector, object.boxXyxy, imageSize),
    ),
    attributes: expression.attributes.map((each) => attributeFit(each, object, objects, seen)),
    relations: relations.map((fits) => fits[at]!),
  }));
  return { naming, cues };
}

/**
 * Height over width where one posture passes into the other, and the spread, natural logs. Medians over boxes of persons
 * in RefCOCO, RefCOCO+ and RefCOCOg: 2.5 where the words say that they stand, 1.3 where they sit, 0.7 where they lie.
 */
const UPRIGHT = { from: Math.log(1.85), spread: 0.35 };
const LYING = { below: Math.log(1), spread: 0.25 };
/**
 * The same for animals, of RefCOCOg: 1.0 over 58 boxes where they stand or walk, 0.9 over 10 where they sit, 0.6 over 15 where
 * they lie. Their shape tells lying from the rest alone.
 */
const ANIMAL_LYING = { below: Math.log(0.8), spread: 0.3 };

/** Closer to the border of the photo than this share of it, a box may be cut off there. */
const BORDER = 0.01;

/** Whose posture is asked for. */
export type Body = 'person' | 'animal';

/**
 * How well the shape of a body's box goes with a posture, 0..1. What lies beyond the border of the photo makes a body wider or
 * taller than its box; where that may turn the answer, it is 0.5.
 */
export function postureFit(
  posture: Posture,
  body: Body,
  box: BoxXyxy,
  imageSize: ImageSize,
): number {
  const aside = Math.min(box.x1, imageSize.width - box.x2) < BORDER * imageSize.width;
  const above = Math.min(box.y1, imageSize.height - box.y2) < BORDER * imageSize.height;
  if (aside && above) return 0.5;
  const shape = Math.log(Math.max(box.y2 - box.y1, 1) / Math.max(box.x2 - box.x1, 1));
  const fit = shapeFit(posture, body, shape);
  if (!aside && !above) return fit;
  const tall = posture === 'upright' || (posture === 'seated' && body === 'animal');
  return tall === above ? Math.max(0.5, fit) : Math.min(0.5, fit);
}

function shapeFit(posture: Posture, body: Body, shape: number): number {
  if (body === 'animal') {
    const lying = sigmoid((ANIMAL_LYING.below - shape) / ANIMAL_LYING.spread);
    return posture === 'lying' ? lying : 1 - lying;
  }
  if (posture === 'lying') return sigmoid((LYING.below - shape) / LYING.spread);
  const upright = sigmoid((shape - UPRIGHT.from) / UPRIGHT.spread);
  return posture === 'upright' ? upright : 1 - upright;
}
