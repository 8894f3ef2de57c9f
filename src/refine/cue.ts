import type { BoxXyxy, ImageSize } from '../core/box.js';
import { sigmoid } from '../core/math.js';
import type { RgbRaster } from '../core/raster.js';
import type {
  Attribute,
  AttributePart,
  Expression,
  Relation,
  RelationKind,
} from '../language/expression.js';
import { isAnimate, isPerson, isWorn } from '../language/lexicon.js';
import { AGES, type Age, type Posture, postureOf } from '../language/vocabulary.js';
import {
  COLOUR_TERMS,
  type ColourTerm,
  type CropColours,
  colourFit,
  cropColours,
} from './colour.js';
import {
  type Kind,
  mayBeShown,
  type ObjectHypothesis,
  objectsOf,
  type Proposals,
} from './object-hypothesis.js';
import type { PhotoEvidence } from './refiner.js';
import { type Landmark, MIN_WEIGHT, relationFits } from './relation.js';
import { positionScore, rankChances } from './relative-rank.js';

/** What is at hand to judge things by. */
export interface Scene extends Proposals {
  readonly evidence?: PhotoEvidence;
}

/** How one thing meets an expression. Every number is 0..1; null where nothing is known. */
export interface Cue {
  readonly object: ObjectHypothesis;
  /** Parallel to the expression's selectors: chance to hold the place asked for among its kind. */
  readonly rankChances: readonly number[];
  /** Parallel to the expression's selectors: how far it lies towards that end of the photo. */
  readonly positionScores: ReadonlyArray<number | null>;
  /** Parallel to the expression's attributes: colour seen where the attribute shows, or size among its kind. */
  readonly attributes: ReadonlyArray<number | null>;
  /** Parallel to the expression's relations: how well it stands so to some landmark. */
  readonly relations: ReadonlyArray<number | null>;
}

/** All things of the kind that an expression names, each with its cues. */
export interface Cues {
  readonly naming: Kind['naming'];
  readonly objects: readonly Cue[];
}

/** Expressions nest as deep as they are written; deeper landmarks than this say nothing about the answer. */
const DEEPEST = 3;

/** L* that counts as wholly light, and as wholly dark. */
const LIGHT = 80;
const DARK = 20;

/** Compares the sizes of things: the weighted share of the others that is smaller; null where it is alone. */
function sizeAmong(object: ObjectHypothesis, objects: readonly ObjectHypothesis[]): number | null {
  const area = ({ boxXyxy: b }: ObjectHypothesis) => (b.x2 - b.x1) * (b.y2 - b.y1);
  let [smaller, all] = [0, 0];
  for (const other of objects) {
    if (other === object) continue;
    all += other.chance;
    if (area(other) < area(object)) smaller += other.chance;
  }
  return all > 0.05 ? smaller / all : null;
}

/** Young animals are small among their kind, and grown ones large. */
function ageFit(
  age: Age,
  negated: boolean,
  object: ObjectHypothesis,
  objects: readonly ObjectHypothesis[],
): number | null {
  const size = sizeAmong(object, objects);
  if (size === null) return null;
  return (age === 'grown') === negated ? 1 - size : size;
}

function shadeFit(colours: CropColours, shade: NonNullable<Attribute['shade']>): number {
  const light = Math.min(Math.max((colours.lightness - DARK) / (LIGHT - DARK), 0), 1);
  return shade === 'dark' ? 1 - light : light;
}

const isColourTerm = (value: string): value is ColourTerm =>
  (COLOUR_TERMS as readonly string[]).includes(value);

/** Colours by raster, box and part, while both are in use: the queries of a photo weigh the same boxes. */
const SEEN = new WeakMap<RgbRaster, WeakMap<BoxXyxy, Map<AttributePart, CropColours | null>>>();

function coloursOf(
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

function attributeFit(
  attribute: Attribute,
  object: ObjectHypothesis,
  objects: readonly ObjectHypothesis[],
  scene: Scene,
): number | null {
  const { kind, value, shade, part, negated } = attribute;
  const asked = (fit: number | null) => (fit === null || !negated ? fit : 1 - fit);
  if (kind === 'size') {
    const size = sizeAmong(object, objects);
    return asked(size === null || value === 'big' ? size : 1 - size);
  }
  const shown = (kind === 'colour' && isColourTerm(value)) || shade !== null;
  if (!shown || scene.evidence === undefined) return null;
  const colours = coloursOf(scene.evidence, scene.imageSize, object.boxXyxy, part);
  if (colours === null) return null;
  if (kind === 'colour' && isColourTerm(value)) return asked(colourFit(colours, value));
  return asked(shade === null ? null : shadeFit(colours, shade));
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

/** The things that a landmark may be; null where the detector does not know its noun. */
function landmarksOf(
  expression: Expression,
  scene: Scene,
  depth: number,
  main: Expression,
): Landmark[] | null {
  if (expression.head === null && expression.selectors.length === 0) return null;
  if (!mayBeShown(expression, main, scene.candidates)) return null;
  const { naming, objects } = cuesOf(expression, scene, depth + 1);
  // A garment would point at every person; boxes do not show it.
  const garment = expression.head !== null && isWorn(expression.head.lemma);
  if (naming === 'unknown' || garment) return null;
  const shares = attributeShares(objects);
  return objects
    .map(({ object, rankChances }, at) => ({
      object,
      weight: rankChances.reduce((w, p) => w * p, object.chance * shares[at]!),
    }))
    .filter(({ weight }) => weight > MIN_WEIGHT);
}

/** Weight of a landmark that is there and that no box shows. */
const MISSED = 0.5;

/** Whoever says "next to the toaster" has seen one: the likeliest landmark counts for more than its box alone would tell. */
function presupposed(landmarks: Landmark[] | null): Landmark[] | null {
  if (landmarks === null) return null;
  const best = landmarks.reduce((most, { weight }) => Math.max(most, weight), 0);
  const scale = Math.max(1, 1 / (best + MISSED));
  return landmarks.map(({ object, weight }) => ({ object, weight: weight * scale }));
}

const PART_KINDS: ReadonlySet<RelationKind> = new Set(['with', 'of']);
/** A part that takes up a third of the thing shows its colour as well as can be. */
const PART_SHARE = 3;

/** "the boat with the green roof": the colour of a part that no box shows, looked for in the thing's own; null without one. */
function partFit(
  { head, attributes }: Expression,
  { boxXyxy }: ObjectHypothesis,
  scene: Scene,
): number | null {
  // What is worn has its own place on the wearer, and counts there.
  if (scene.evidence === undefined || isWorn(head?.lemma ?? '')) return null;
  const colours = coloursOf(scene.evidence, scene.imageSize, boxXyxy, 'whole');
  if (colours === null) return null;
  const fits = attributes.flatMap(({ kind, value, negated }) =>
    kind === 'colour' && isColourTerm(value) && !negated
      ? [Math.min(1, PART_SHARE * colourFit(colours, value))]
      : [],
  );
  return fits.length === 0 ? null : Math.min(...fits);
}

/** Fits of all things to one relation of the expression. */
function fitsOf(
  relation: Relation,
  objects: readonly ObjectHypothesis[],
  scene: Scene,
  depth: number,
  main: Expression,
): Array<number | null> {
  const nothing = objects.map(() => null);
  if (depth >= DEEPEST || relation.landmarks.length === 0) return nothing;
  const groups = relation.landmarks.map((landmark) => {
    const found = landmarksOf(landmark, scene, depth, main);
    return relation.negated ? found : presupposed(found);
  });
  if (groups[0] === null && PART_KINDS.has(relation.kind)) {
    return objects.map((object) => partFit(relation.landmarks[0]!, object, scene));
  }
  return relationFits(relation, objects, groups, scene.imageSize);
}

/** "sitting on the bench": the posture counts beside the place, and alone where the place is unknown. */
function withPosture(
  { words }: Relation,
  body: Body,
  objects: readonly ObjectHypothesis[],
  imageSize: ImageSize,
  fits: ReadonlyArray<number | null>,
): ReadonlyArray<number | null> {
  const posture = postureOf(words);
  if (posture === null) return fits;
  return fits.map(
    (fit, at) =>
      (fit ?? 1) * postureFit(posture, body, (objects[at] as ObjectHypothesis).boxXyxy, imageSize),
  );
}

/** Whose posture its words may tell; null for what has none. */
function bodyOf(lemma: string): Body | null {
  if (isPerson(lemma)) return 'person';
  return isAnimate(lemma) ? 'animal' : null;
}

/**
 * The things that an expression may mean, each with what speaks for it. Blind to which candidate is the tool's answer.
 * `depth` counts how deep the expression nests in another.
 */
export function cuesOf(expression: Expression, scene: Scene, depth = 0): Cues {
  const { objects, naming } = objectsOf(expression, scene, depth > 0);
  const ranks = expression.selectors.map((selector) => {
    const chances = rankChances(selector, objects, scene.imageSize);
    return selector.negated ? chances.map((chance) => 1 - chance) : chances;
  });
  const body = bodyOf(expression.head?.lemma ?? '');
  const attributeOf = (attribute: Attribute, object: ObjectHypothesis): number | null => {
    const age =
      body === 'animal' && attribute.kind === 'other' ? AGES.get(attribute.value) : undefined;
    if (age !== undefined) return ageFit(age, attribute.negated, object, objects);
    const posture = body && attribute.kind === 'other' ? postureOf(attribute.value) : null;
    if (!body || posture === null) return attributeFit(attribute, object, objects, scene);
    const fit = postureFit(posture, body, object.boxXyxy, scene.imageSize);
    return attribute.negated ? 1 - fit : fit;
  };
  const relations = expression.relations.map((relation) => {
    const fits = fitsOf(relation, objects, scene, depth, expression);
    const held = body ? withPosture(relation, body, objects, scene.imageSize, fits) : fits;
    return relation.negated ? held.map((fit) => (fit === null ? null : 1 - fit)) : held;
  });
  const cues = objects.map((object, at) => ({
    object,
    rankChances: ranks.map((chances) => chances[at] as number),
    positionScores: expression.selectors.map((selector) =>
      positionScore(selector, object.boxXyxy, scene.imageSize),
    ),
    attributes: expression.attributes.map((attribute) => attributeOf(attribute, object)),
    relations: relations.map((fits) => fits[at] ?? null),
  }));
  return { naming, objects: cues };
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
