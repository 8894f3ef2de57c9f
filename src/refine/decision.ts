import { type BoxXyxy, iouXyxy } from '../core/box.js';
import { SAME_OBJECT_IOU } from '../core/iou.js';
import { sigmoid } from '../core/math.js';
import type { Expression } from '../language/expression.js';
import { boxColumns, QUERY_COLUMNS, WORD_COLUMNS } from './columns.js';
import type { Belief, Policy, PolicyRows } from './policy.js';

/** IoU of boxes by pair, [n, n]. */
export function overlapTable(boxes: readonly BoxXyxy[]): Float32Array {
  const count = boxes.length;
  const table = new Float32Array(count * count);
  for (let one = 0; one < count; one++) {
    table[one * count + one] = 1;
    for (let other = 0; other < one; other++) {
      const overlap = iouXyxy(boxes[one]!, boxes[other]!);
      table[one * count + other] = overlap;
      table[other * count + one] = overlap;
    }
  }
  return table;
}

/** The box that is answered. */
export interface Choice {
  /** Index of the box. */
  readonly at: number;
  /** Belief in all boxes that show the same object, 0..1. */
  readonly mass: number;
}

/**
 * Whether anything fits, then which object, by the belief in all boxes that show it, then its box, by the overlap to be
 * expected with the right one. Null where the belief that nothing fits is above the threshold.
 * @param overlaps see {@link overlapTable}
 * @see Kumar, Byrne 2004, "Minimum Bayes-Risk Decoding for Statistical Machine Translation"
 */
export function chooseBox(
  { boxes, none }: Belief,
  overlaps: Float32Array,
  threshold: number,
): Choice | null {
  const count = boxes.length;
  if (count === 0 || none > threshold) return null;
  let [object, mass] = [0, -1];
  for (let box = 0; box < count; box++) {
    let sum = 0;
    for (let other = 0; other < count; other++) {
      if (overlaps[box * count + other]! > SAME_OBJECT_IOU) sum += boxes[other]!;
    }
    if (sum > mass) [object, mass] = [box, sum];
  }
  let [at, most] = [object, -1];
  for (let box = 0; box < count; box++) {
    if (overlaps[object * count + box]! <= SAME_OBJECT_IOU) continue;
    let worth = 0;
    for (let other = 0; other < count; other++) {
      const overlap = overlaps[box * count + other]!;
      worth += boxes[other]! * (overlap > SAME_OBJECT_IOU ? 1 + overlap : overlap);
    }
    if (worth > most) [at, most] = [box, worth];
  }
  return { at, mass };
}

/** "all the cups", and "the dogs"; "kids on left" often means one, whatever its grammar. */
export const asksForSeveral = ({ quantity, selectors }: Expression): boolean =>
  quantity.kind !== 'one' && (quantity.sure || selectors.length === 0);

/** A part of a logistic regression. */
interface Part {
  readonly name: string;
  /** The weight before anything was fitted. */
  readonly prior: number;
}

const partsOf = (priors: Readonly<Record<string, number>>): readonly Part[] =>
  Object.entries(priors).map(([name, prior]) => ({ name, prior }));

/** The box's own columns of these names. */
const BOX_PARTS = partsOf({
  ...{ kind: 0.2, exists: 0, rival: 0.5, place: 0.1 },
  ...{ area: 0.1, part: 0, votes: 0.5, agreement: 0 },
});
/** The query's columns of these names. */
const QUERY_PARTS = partsOf({
  ...{ reader: 0.5, unlabelled: 0, worn: 0, 'other-kind': -1 },
  ...{ 'no-word': -2, foreign: -2, unjudged: -0.2, 'off-colour': -0.2 },
});

/** What the score of an answer is made of: a logistic regression over these parts, fitted after the policy. */
export const SCORE_PARTS: readonly Part[] = [
  /** 1 for a box. */
  { name: 'box', prior: 0.3 },
  /** Log-odds of the belief in the object among all objects. */
  { name: 'belief', prior: 0.5 },
  /** The same where a tool read the words, and where no box has a label. */
  { name: 'belief-of-reader', prior: 0 },
  { name: 'belief-unlabelled', prior: 0 },
  /** Log-odds that something fits. */
  { name: 'something', prior: 0.3 },
  ...BOX_PARTS,
  ...QUERY_PARTS,
  /** 1 for the answer that nothing fits. */
  { name: 'none', prior: 0 },
  /** Log-odds that nothing fits. */
  { name: 'nothing', prior: 1 },
];

/** What a box's chance to belong to a set is made of; see {@link SCORE_PARTS}. */
export const MEMBER_PARTS: readonly Part[] = [
  { name: 'always', prior: 3 },
  { name: 'kind', prior: 1 },
  { name: 'rival', prior: 1 },
  /** How far it falls short of the best box in what the words say beside the noun, log-odds. */
  { name: 'behind', prior: 1 },
];

/** Indexes of columns; those of tools come last, so that a box's own columns have the same index in every policy. */
const indexesOf = (columns: readonly { readonly name: string }[], names: readonly string[]) =>
  names.map((name) => columns.findIndex((column) => column.name === name));
const namesOf = (parts: readonly Part[]) => parts.map(({ name }) => name);
const OF_BOX = indexesOf(boxColumns([]), namesOf(BOX_PARTS));
const OF_QUERY = indexesOf(QUERY_COLUMNS, namesOf(QUERY_PARTS));
const OF_WORDS = indexesOf(boxColumns([]), WORD_COLUMNS);
const [KIND, RIVAL] = indexesOf(boxColumns([]), ['kind', 'rival']) as [number, number];

/** Log-odds beyond this say no more. */
const MAX_ODDS = 8;

const logOdds = (chance: number): number =>
  Math.min(Math.max(Math.log(chance / (1 - chance)), -MAX_ODDS), MAX_ODDS);

/** The parts of an answer's score, [{@link SCORE_PARTS}]; `choice` is null for the answer that nothing fits. */
export function scoreParts(
  { columns }: Policy,
  { boxes, query }: PolicyRows,
  { none }: Belief,
  choice: Choice | null,
): Float64Array {
  if (choice === null) {
    const parts = new Float64Array(SCORE_PARTS.length);
    parts.set([1, logOdds(none)], parts.length - 2);
    return parts;
  }
  const something = Math.max(1 - none, 1e-9);
  const belief = logOdds(Math.min(choice.mass / something, 1));
  const from = choice.at * columns.length;
  const ofQuery = OF_QUERY.map((column) => query[column]!);
  const [reader, unlabelled] = ofQuery as [number, number];
  return Float64Array.of(
    ...[1, belief, belief * reader, belief * unlabelled, logOdds(something)],
    ...OF_BOX.map((column) => boxes[from + column]!),
    ...ofQuery,
    ...[0, 0],
  );
}

/** The parts of each box's chance to belong to a set, [n][{@link MEMBER_PARTS}]. */
export function memberParts(
  { columns, boxes: weights }: Policy,
  { boxes, ofTool }: PolicyRows,
): readonly Float64Array[] {
  const starts = Array.from(ofTool, (_, at) => at * columns.length);
  // Log-odds by what the words say beside the noun.
  const odds = starts.map((from) =>
    OF_WORDS.reduce((sum, column) => sum + weights[column]! * boxes[from + column]!, 0),
  );
  const best = odds.reduce((most, each) => Math.max(most, each), Number.NEGATIVE_INFINITY);
  return starts.map((from, at) =>
    Float64Array.of(
      1,
      boxes[from + KIND]!,
      boxes[from + RIVAL]!,
      Math.max(odds[at]! - best, -MAX_ODDS),
    ),
  );
}

/** A chance by named weights; a part without a weight has its prior. */
export const chanceOf = (
  parts: Float64Array,
  names: readonly Part[],
  weights: Readonly<Record<string, number>>,
): number =>
  sigmoid(
    names.reduce((sum, { name, prior }, at) => sum + (weights[name] ?? prior) * parts[at]!, 0),
  );

/** A box that is asked for by number belongs to the set with at least this chance. */
const MIN_COUNTED = 0.05;

/** A box of a set with the chance that it belongs to it, 0..1. */
export interface Member {
  readonly at: number;
  readonly chance: number;
}

/**
 * All boxes that likely belong to what several are asked for, the likeliest first, one of each object. With a number, that
 * many, if there are so many objects at all.
 * @param parts see {@link memberParts}
 * @param weights of `members` in the numbers of the policy
 */
export function chooseSet(
  parts: readonly Float64Array[],
  overlaps: Float32Array,
  weights: Readonly<Record<string, number>>,
  count: number | null,
): readonly Member[] {
  const members = parts
    .map((each, at) => ({ at, chance: chanceOf(each, MEMBER_PARTS, weights) }))
    .sort((a, b) => b.chance - a.chance || a.at - b.at);
  const chosen: Member[] = [];
  for (const member of members) {
    if (member.chance <= (count === null ? 0.5 : MIN_COUNTED) || chosen.length === count) break;
    const taken = chosen.some(
      ({ at }) => overlaps[at * parts.length + member.at]! > SAME_OBJECT_IOU,
    );
    if (!taken) chosen.push(member);
  }
  return chosen;
}
