import { sigmoid } from '../detection/logistic.js';
import { QUERY_COLUMNS, WORD_COLUMNS } from './columns.js';
import type { Choice } from './decision.js';
import type { Belief, Policy, PolicyRows } from './policy.js';

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
