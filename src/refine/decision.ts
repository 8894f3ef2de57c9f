import { type BoxXyxy, iouXyxy } from '../core/box.js';
import { SAME_OBJECT_IOU } from '../core/iou.js';
import { sigmoid } from '../core/math.js';
import { QUERY_COLUMNS, WORD_COLUMNS } from './columns.js';
import type { Belief, Policy, PolicyRows } from './policy.js';
import type { Situation } from './situation.js';

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
export function asksForSeveral({ quantity, selectors }: Situation['expression']): boolean {
  return quantity.kind !== 'one' && (quantity.sure || selectors.length === 0);
}

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
 * @param weights of `members` in the numbers of the policy
 */
export function chooseSet(
  policy: Policy,
  rows: PolicyRows,
  overlaps: Float32Array,
  weights: Readonly<Record<string, number>>,
  count: number | null,
): readonly Member[] {
  const words = wordOdds(policy, rows);
  const all = Array.from(words, (_, at) => ({
    at,
    chance: memberChance(policy, rows, words, at, weights),
  })).sort((a, b) => b.chance - a.chance || a.at - b.at);
  const chosen: Member[] = [];
  for (const member of all) {
    if (member.chance <= (count === null ? 0.5 : MIN_COUNTED) || chosen.length === count) break;
    const taken = chosen.some(
      ({ at }) => overlaps[at * words.length + member.at]! > SAME_OBJECT_IOU,
    );
    if (!taken) chosen.push(member);
  }
  return chosen;
}

/** What the score of an answer is made of: a logistic regression over these parts, fitted after the policy. */
export const SCORE_PARTS = [
  /** 1 for a box. */
  { name: 'box', prior: 0.3 },
  /** Log-odds of the belief in the object among all objects. */
  { name: 'belief', prior: 0.5 },
  /** The same where a tool read the words, and where no box has a label. */
  { name: 'belief-of-reader', prior: 0 },
  { name: 'belief-unlabelled', prior: 0 },
  /** Log-odds that something fits. */
  { name: 'something', prior: 0.3 },
  /** The box's own columns of these names. */
  { name: 'kind', prior: 0.2 },
  { name: 'exists', prior: 0 },
  { name: 'rival', prior: 0.5 },
  { name: 'place', prior: 0.1 },
  { name: 'area', prior: 0.1 },
  { name: 'part', prior: 0 },
  { name: 'votes', prior: 0.5 },
  { name: 'agreement', prior: 0 },
  /** The query's columns of these names. */
  { name: 'reader', prior: 0.5 },
  { name: 'unlabelled', prior: 0 },
  { name: 'worn', prior: 0 },
  { name: 'other-kind', prior: -1 },
  { name: 'no-word', prior: -2 },
  { name: 'foreign', prior: -2 },
  { name: 'unjudged', prior: -0.2 },
  { name: 'off-colour', prior: -0.2 },
  /** 1 for the answer that nothing fits. */
  { name: 'none', prior: 0 },
  /** Log-odds that nothing fits. */
  { name: 'nothing', prior: 1 },
] as const;

const OF_BOX = ['kind', 'exists', 'rival', 'place', 'area', 'part', 'votes', 'agreement'] as const;
const OF_QUERY = 'reader unlabelled worn other-kind no-word foreign unjudged off-colour'
  .split(' ')
  .map((name) => QUERY_COLUMNS.findIndex((column) => column.name === name));

/** What a box's chance to belong to a set is made of; see {@link SCORE_PARTS}. */
export const MEMBER_PARTS = [
  { name: 'always', prior: 3 },
  { name: 'kind', prior: 1 },
  { name: 'rival', prior: 1 },
  /** How far it falls short of the best box in what the words say beside the noun, log-odds. */
  { name: 'behind', prior: 1 },
] as const;

/** Log-odds beyond this say no more. */
const MAX_ODDS = 8;

const logOdds = (chance: number): number =>
  Math.min(Math.max(Math.log(chance / (1 - chance)), -MAX_ODDS), MAX_ODDS);

const ofBox = new WeakMap<Policy, readonly number[]>();

/** The parts of an answer's score, [{@link SCORE_PARTS}]; `choice` is null for the answer that nothing fits. */
export function scoreParts(
  policy: Policy,
  rows: PolicyRows,
  { none }: Belief,
  choice: Choice | null,
): Float64Array {
  const parts = new Float64Array(SCORE_PARTS.length);
  if (choice === null) {
    parts[SCORE_PARTS.length - 2] = 1;
    parts[SCORE_PARTS.length - 1] = logOdds(none);
    return parts;
  }
  const something = Math.max(1 - none, 1e-9);
  parts[0] = 1;
  parts[1] = logOdds(Math.min(choice.mass / something, 1));
  const [reader, unlabelled] = OF_QUERY.map((column) => rows.query[column]!);
  parts[2] = parts[1]! * reader!;
  parts[3] = parts[1]! * unlabelled!;
  parts[4] = logOdds(something);
  const from = choice.at * policy.columns.length;
  let part = 5;
  for (const column of boxIndexes(policy)) parts[part++] = rows.boxes[from + column]!;
  for (const column of OF_QUERY) parts[part++] = rows.query[column]!;
  return parts;
}

function boxIndexes(policy: Policy): readonly number[] {
  const known =
    ofBox.get(policy) ??
    OF_BOX.map((name) => policy.columns.findIndex((each) => each.name === name));
  ofBox.set(policy, known);
  return known;
}

/** Log-odds of each box by what the words say beside the noun, [n]. */
export function wordOdds(
  { columns, boxes }: Policy,
  { boxes: rows, ofTool }: PolicyRows,
): Float64Array {
  const odds = new Float64Array(ofTool.length);
  for (const [column, { name }] of columns.entries()) {
    if (!WORD_COLUMNS.has(name)) continue;
    for (let box = 0; box < odds.length; box++) {
      odds[box]! += boxes[column]! * rows[box * columns.length + column]!;
    }
  }
  return odds;
}

/** The parts of a box's chance to belong to a set, [{@link MEMBER_PARTS}]. @param words see {@link wordOdds} */
export function memberParts(
  policy: Policy,
  rows: PolicyRows,
  words: Float64Array,
  at: number,
): Float64Array {
  const [kind, , rival] = boxIndexes(policy) as [number, number, number];
  const from = at * policy.columns.length;
  const best = words.reduce((most, odds) => Math.max(most, odds), Number.NEGATIVE_INFINITY);
  const behind = Math.max(words[at]! - best, -MAX_ODDS);
  return Float64Array.of(1, rows.boxes[from + kind]!, rows.boxes[from + rival]!, behind);
}

/** A chance by named weights; a part without a weight has its prior. */
export function chanceOf(
  parts: Float64Array,
  names: readonly { readonly name: string; readonly prior: number }[],
  weights: Readonly<Record<string, number>>,
): number {
  return sigmoid(
    names.reduce((sum, { name, prior }, at) => sum + (weights[name] ?? prior) * parts[at]!, 0),
  );
}

/** The chance that a box belongs to the set that is asked for, 0..1. */
export function memberChance(
  policy: Policy,
  rows: PolicyRows,
  words: Float64Array,
  at: number,
  weights: Readonly<Record<string, number>>,
): number {
  return chanceOf(memberParts(policy, rows, words, at), MEMBER_PARTS, weights);
}
