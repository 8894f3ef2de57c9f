import { areaXyxy, type BoxXyxy, type ImageSize, iouXyxy, shareInsideXyxy } from '../core/box.js';
import { MERGED_OBJECT_IOU } from '../core/iou.js';
import { sigmoid } from '../core/math.js';
import type { ScoreCalibration } from '../formats/model-card.js';
import { denotationsOf, labelsDenied, meaningsOf } from '../language/denotation.js';
import type { Expression } from '../language/expression.js';
import { pointersOf } from '../language/lexicon.js';
import { parseExpression } from '../language/parser.js';
import type { Candidate, Lister, PhotoEvidence } from './refiner.js';

/** What holds of the candidates whatever the expression is. */
const tableOf = (candidates: readonly Candidate[], imageSize: ImageSize) => ({
  imageSize,
  /** Labels of all candidates that have one. */
  labels: labelsOf(candidates),
  /** {@link objectness} of each candidate. */
  objectness: Float64Array.from(candidates, (each) => objectness(each, imageSize)),
});
export type CandidateTable = Readonly<ReturnType<typeof tableOf>>;

/** All queries of a photo weigh the same list of a detector's boxes, so the numbers are kept with the list. */
const TABLES = new WeakMap<readonly Candidate[], CandidateTable>();

/** The table of a list, by identity of the list and of the photo's size. */
export function candidateTable(
  candidates: readonly Candidate[],
  imageSize: ImageSize,
): CandidateTable {
  const known = TABLES.get(candidates);
  if (known?.imageSize === imageSize) return known;
  const table = tableOf(candidates, imageSize);
  TABLES.set(candidates, table);
  return table;
}

/**
 * For scores of which nothing is known, those of the embedded CenterNet, as its card has them: the logistic fit of "a box of this
 * score is an object of this label" on its boxes in 190 photos that COCO annotates in full (13,422 boxes, 1,120 true). Over a
 * tenth of the photo a score of 0.1 is true 4 times in 100, 0.3 about every second time, 0.5 nine times in ten.
 */
const CENTERNET: ScoreCalibration = { intercept: 3.77, score: 2.71, area: 0.43 };
/** Tools that tell no score list few boxes and mean them. */
const WITHOUT_SCORE = 0.7;
const SMALLEST_SHARE = 1e-4;
const EDGE = 1e-3;

/** Probability that a candidate is a real object of its label, 0..1. */
export function objectness(
  { boxXyxy, score, calibration = CENTERNET }: Candidate,
  imageSize: ImageSize,
): number {
  if (score === undefined) return WITHOUT_SCORE;
  const bounded = Math.min(Math.max(score, EDGE), 1 - EDGE);
  const share = areaXyxy(boxXyxy) / Math.max(1, imageSize.width * imageSize.height);
  return sigmoid(
    calibration.intercept +
      calibration.score * Math.log(bounded / (1 - bounded)) +
      calibration.area * Math.log(Math.max(share, SMALLEST_SHARE)),
  );
}

/**
 * The largest share of a box that lies inside a clearly larger box (twice the area) of the same label, 0..1: near 1 for a
 * head or hand that a detector boxed as one more person. 0 where the candidate has no label.
 */
export function partShare(candidate: Candidate, candidates: readonly Candidate[]): number {
  if (candidate.label === undefined) return 0;
  const area = areaXyxy(candidate.boxXyxy);
  return candidates
    .filter(({ label, boxXyxy }) => label === candidate.label && areaXyxy(boxXyxy) > 2 * area)
    .reduce((most, { boxXyxy }) => Math.max(most, shareInsideXyxy(candidate.boxXyxy, boxXyxy)), 0);
}

const labelsOf = (candidates: readonly Candidate[]): ReadonlySet<string> =>
  new Set(candidates.flatMap(({ label }) => label ?? []));

/** A total order that no shuffling changes: by box, tool and rank. */
const compare = (one: Candidate, other: Candidate): number =>
  one.boxXyxy.y1 - other.boxXyxy.y1 ||
  one.boxXyxy.y2 - other.boxXyxy.y2 ||
  widthOf(one) - widthOf(other) ||
  one.boxXyxy.x1 - other.boxXyxy.x1 ||
  Number(one.tool > other.tool) - Number(one.tool < other.tool) ||
  one.rank - other.rank;
const widthOf = ({ boxXyxy: { x1, x2 } }: Candidate): number => x2 - x1;

/** What is at hand to judge objects by. */
export interface Scene {
  readonly imageSize: ImageSize;
  readonly candidates: readonly Candidate[];
  /** Tools that were asked the whole expression, not for objects of a kind: see {@link singleBoxTools}. */
  readonly singleBoxTools: ReadonlySet<string>;
  /** Detectors that looked for objects of their labels, those among them that found none. */
  readonly listers: readonly Lister[];
  readonly evidence?: PhotoEvidence;
}

/** One object of the photo, told from its duplicates, as a possible one of the kind that an expression names. */
export interface ObjectHypothesis {
  /** Of the candidate that speaks best for it. Absolute pixels. */
  readonly boxXyxy: BoxXyxy;
  /** Indexes into the request's candidates: the best first, then those that show the same object. */
  readonly members: readonly number[];
  /** Probability that the object is there and is of the kind, 0..1. */
  readonly chance: number;
}

/**
 * How well a kind was known. `named`: the detector knows the noun. `unnamed`: the expression names nothing ("far left").
 * `unknown`: it names something that no candidate's label covers; every object counts then.
 */
export type Naming = 'named' | 'unnamed' | 'unknown';

/** Objects of another kind are taken up to this number. */
const MAX_OBJECTS = 32;
/** Weight of a candidate whose tool tells no label, where the expression has a noun and others tell theirs. */
const WITHOUT_LABEL = 0.7;
/** Probability that the box of a tool that has read the expression shows an object of the kind that the expression names. */
const READ = { head: 0.5, otherLabel: 0.15, landmark: 0.1 };

/** Probability of each candidate to be of the kind; parallel to the candidates. */
function chancesOf(
  expression: Expression,
  { candidates, imageSize, singleBoxTools: readers }: Scene,
  isLandmark: boolean,
): { chances: number[]; naming: Naming } {
  const { objectness: real, labels } = candidateTable(candidates, imageSize);
  const denoted = meaningsOf(expression, labels);
  const denied = labelsDenied(expression, labels);
  const unnamed = expression.head === null && denoted.size === 0;
  const detected = candidates.filter(
    ({ tool, label }) => !readers.has(tool) && label !== undefined,
  );
  const named = detected.some(({ label }) => denoted.has(label!));
  const unknown = !unnamed && detected.length > 0 && !named;
  // Where no box has a label or a score, the boxes are the objects: doubt about each would only blur which is the second.
  const plain = labels.size === 0 && candidates.every(({ score }) => score === undefined);
  const unlabelled = plain ? 1 : WITHOUT_LABEL;
  const objectnessOf = (at: number) => (plain ? 1 : real[at]!);
  const chances = candidates.map(({ label, tool }, at) => {
    const weight = label === undefined ? unlabelled : (denoted.get(label)?.weight ?? 0);
    if (label !== undefined && denied.has(label)) return 0;
    if (readers.has(tool)) {
      if (isLandmark && weight < 1) return READ.landmark;
      return weight > 0 || unnamed || unknown ? READ.head : READ.otherLabel;
    }
    return (unnamed || unknown ? 1 : weight) * objectnessOf(at);
  });
  return { chances, naming: unnamed ? 'unnamed' : unknown ? 'unknown' : 'named' };
}

/**
 * Objects of the kind that the expression names, best first. Candidates join the strongest object they overlap by more than
 * {@link MERGED_OBJECT_IOU}; candidates that cannot be of the kind are members of objects, never objects of their own.
 * `isLandmark`: the expression is a part of the one that the tools were asked.
 */
export function objectsOf(
  expression: Expression,
  scene: Scene,
  isLandmark = false,
): { readonly objects: readonly ObjectHypothesis[]; readonly naming: Naming } {
  const { candidates, imageSize } = scene;
  const { objectness: real } = candidateTable(candidates, imageSize);
  const { chances, naming } = chancesOf(expression, scene, isLandmark);
  const order = [...candidates.keys()].sort(
    (a, b) =>
      chances[b]! - chances[a]! || real[b]! - real[a]! || compare(candidates[a]!, candidates[b]!),
  );
  const objects: Array<{ boxXyxy: BoxXyxy; members: number[]; chance: number }> = [];
  for (const at of order) {
    const chance = chances[at]!;
    const { boxXyxy } = candidates[at]!;
    const same = objects.find((other) => iouXyxy(boxXyxy, other.boxXyxy) > MERGED_OBJECT_IOU);
    if (same !== undefined) same.members.push(at);
    else if (chance > 0 || (!isLandmark && objects.length < MAX_OBJECTS)) {
      objects.push({ boxXyxy, members: [at], chance });
    }
  }
  if (scene.listers.length > 1) {
    for (const object of objects) {
      object.chance = pooledChance(object.members, (at) => chances[at]!, scene);
    }
    objects.sort((one, other) => other.chance - one.chance);
  }
  return { objects, naming };
}

/**
 * What several boxes of one object say together: the highest chance of a box, but of detectors that list objects the mean over
 * those that know a label of theirs, since one that boxes nothing there says that there is nothing.
 * @param members indexes into the candidates
 */
export function pooledChance(
  members: readonly number[],
  chanceOf: (member: number) => number,
  { candidates, listers }: Pick<Scene, 'candidates' | 'listers'>,
): number {
  const best = new Map<string, number>();
  const seen = new Set<string>();
  let most = 0;
  for (const at of members) {
    const { tool, label, listed } = candidates[at]!;
    const chance = chanceOf(at);
    if (!listed) most = Math.max(most, chance);
    else best.set(tool, Math.max(best.get(tool) ?? 0, chance));
    if (chance > 0 && label !== undefined) seen.add(label);
  }
  if (best.size === 0) return most;
  const sum = [...best.values()].reduce((total, chance) => total + chance, 0);
  const knowing = listers.filter(
    ({ name, labels }) => best.has(name) || labels.some((label) => seen.has(label)),
  );
  return Math.max(most, sum / Math.max(1, knowing.length));
}

/**
 * False for a landmark of another kind than the object itself where no box has a label: such boxes are objects of one kind, and
 * the umbrella of "man left of the umbrella" is none of the men.
 */
export function mayBeShown(
  landmark: Pick<Expression, 'head'>,
  main: Pick<Expression, 'head'>,
  candidates: readonly Candidate[],
): boolean {
  if (landmark.head === null || candidates.some(({ label }) => label !== undefined)) return true;
  const own = main.head?.lemma ?? '';
  if (landmark.head.lemma === own) return true;
  const labels = new Set(pointersOf(own).map(({ label }) => label));
  return pointersOf(landmark.head.lemma).some(({ label }) => labels.has(label));
}

/** Best score first; among equals the tool's own order. */
const best = (candidates: readonly Candidate[]): Candidate | null =>
  candidates.toSorted((a, b) => (b.score ?? 0) - (a.score ?? 0) || a.rank - b.rank)[0] ?? null;

/** Weights closer than this are the same choice among labels: "glass" is a cup as much as a wine glass. */
const SAME_WEIGHT = 0.15;

/**
 * The box that stands for a detector's answer to an expression: the highest score among the boxes whose label names the
 * head noun, best-fitting labels first; where no label does, the highest score of all. Null where there is no box.
 * `candidates` are the boxes of one tool. Throws nothing.
 */
export function toolAnswer(
  query: string | Expression,
  candidates: readonly Candidate[],
): Candidate | null {
  const expression = typeof query === 'string' ? parseExpression(query) : query;
  const denoted = denotationsOf(expression, labelsOf(candidates));
  const weight = ({ label }: Candidate) => denoted.get(label ?? '')?.weight ?? 0;
  const top = candidates.reduce((most, candidate) => Math.max(most, weight(candidate)), 0);
  if (top === 0) return best(candidates);
  return best(candidates.filter((candidate) => weight(candidate) >= top - SAME_WEIGHT));
}

/** The answer of a tool that was asked the expression itself and lists its boxes best first: its first box. */
export const firstAnswer = (candidates: readonly Candidate[]): Candidate | null =>
  candidates.toSorted((one, other) => one.rank - other.rank)[0] ?? null;

const plain = (text: string): string =>
  ` ${text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()} `;

/**
 * Tools that returned exactly one box for the whole expression, as grounding models do. Their box counts as a vote; tools that
 * list several boxes do not vote. The box of such a tool has no label, or one cut from the expression.
 */
export function singleBoxTools(
  query: string,
  candidates: readonly Candidate[],
): ReadonlySet<string> {
  const text = plain(query);
  const boxes = new Map<string, number>();
  for (const { tool } of candidates) boxes.set(tool, (boxes.get(tool) ?? 0) + 1);
  const speaks = ({ label }: Candidate) => label === undefined || text.includes(plain(label));
  const found = candidates.filter(
    (each) => !each.listed && boxes.get(each.tool) === 1 && speaks(each),
  );
  return new Set(found.map(({ tool }) => tool));
}
