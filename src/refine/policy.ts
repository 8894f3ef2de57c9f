import { sigmoid } from '../core/math.js';
import { type BoxColumn, boxColumns, QUERY_COLUMNS } from './columns.js';
import type { Situation } from './situation.js';

/**
 * All that is fitted, by name. The policy has two steps, each a logistic or softmax over named columns: whether anything
 * fits, and which box. `refiner.json` holds exactly this.
 */
export interface PolicyNumbers {
  /** Tools with columns of their own, sorted. */
  readonly tools: readonly string[];
  /** Weight of each box column in the softmax over boxes. */
  readonly boxes: Readonly<Record<string, number>>;
  /** Weight of each query column in the log-odds that nothing fits. */
  readonly none: Readonly<Record<string, number>>;
  /** Nothing fits is answered where the belief in it is higher, 0.5..1. */
  readonly threshold: number;
  /** Weight of each part in the log-odds that the answer is right: see `SCORE_PARTS`. */
  readonly score: Readonly<Record<string, number>>;
  /** Weight of each part in the log-odds that a box belongs to a set: see `MEMBER_PARTS`. */
  readonly members: Readonly<Record<string, number>>;
}

/** Numbers with the columns that they belong to, ready to be multiplied. */
export interface Policy {
  readonly columns: readonly BoxColumn[];
  /** Parallel to the columns. */
  readonly boxes: Float64Array;
  /** Parallel to {@link QUERY_COLUMNS}. */
  readonly none: Float64Array;
}

/** A query as numbers, for the policy and for learning. n boxes, K box columns. */
export interface PolicyRows {
  /** [n, K] */
  readonly boxes: Float64Array;
  /** [query columns] */
  readonly query: Float64Array;
  /** [n]: 1 for boxes that think does not see. */
  readonly ofTool: Uint8Array;
  /** Box columns that think does not see: those of rethink, and those of the tool that is judged. */
  readonly hidden: readonly number[];
}

/** The policy before anything is fitted. */
export const PRIOR_NUMBERS: PolicyNumbers = {
  tools: [],
  boxes: {},
  none: {},
  threshold: 0.5,
  score: {},
  members: {},
};

/** What the policy believes of a query; all of it sums to 1. */
export interface Belief {
  /** [n] */
  readonly boxes: Float64Array;
  /** That nothing fits. */
  readonly none: number;
}

export type Stage = 'think' | 'rethink';

/** A weight as it is written down: six digits. */
export const asWritten = (weight: number): number => Number(weight.toPrecision(6));

/** Weights by the names of their columns, as they are written down. */
export function named(
  columns: readonly { readonly name: string }[],
  values: Float64Array,
): Record<string, number> {
  return Object.fromEntries(columns.map(({ name }, at) => [name, asWritten(values[at]!)]));
}

/** The columns and their weights; a column that the numbers do not name has its prior weight. */
export function policyOf({ tools, boxes, none }: PolicyNumbers): Policy {
  const columns = boxColumns(tools);
  return {
    columns,
    boxes: Float64Array.from(columns, ({ name, prior }) => boxes[name] ?? prior),
    none: Float64Array.from(QUERY_COLUMNS, ({ name, prior }) => none[name] ?? prior),
  };
}

/** The numbers of a situation for the policy. */
export function rowsOf(situation: Situation, columns: readonly BoxColumn[]): PolicyRows {
  const { actions, request } = situation;
  const boxes = new Float64Array(actions.length * columns.length);
  let at = 0;
  for (const action of actions) {
    for (const { value } of columns) boxes[at++] = value(action, situation);
  }
  return {
    boxes,
    query: Float64Array.from(QUERY_COLUMNS, ({ value }) => value(situation)),
    ofTool: Uint8Array.from(actions, ({ ofTool }) => (ofTool ? 1 : 0)),
    hidden: [...columns.keys()].filter(
      (column) =>
        columns[column]!.stage === 'rethink' || columns[column]!.tool === request.toolName,
    ),
  };
}

/** Log-odds of each box against the others, [n]; -Infinity for boxes that think does not see. */
export function logitsOf({ boxes: all }: Policy, rows: PolicyRows, stage: Stage): Float64Array {
  const isThink = stage === 'think';
  const weights = isThink ? all.slice() : all;
  // Not subtracted from the sum: its rounding would tell think of the tool.
  if (isThink) for (const column of rows.hidden) weights[column] = 0;
  const count = rows.ofTool.length;
  const width = weights.length;
  const logits = new Float64Array(count);
  for (let box = 0, at = 0; box < count; box++) {
    let sum = 0;
    for (let column = 0; column < width; column++) sum += weights[column]! * rows.boxes[at++]!;
    logits[box] = isThink && rows.ofTool[box] === 1 ? Number.NEGATIVE_INFINITY : sum;
  }
  return logits;
}

/** Think without the tool's answer, or rethink with it. Where there is no box to see, nothing fits. */
export const beliefOf = (policy: Policy, rows: PolicyRows, stage: Stage): Belief =>
  beliefIn(policy, rows, logitsOf(policy, rows, stage));

/** The belief that {@link logitsOf} leads to. */
export function beliefIn(policy: Policy, rows: PolicyRows, logits: Float64Array): Belief {
  const top = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  if (top === Number.NEGATIVE_INFINITY) return { boxes: new Float64Array(logits.length), none: 1 };
  const none = sigmoid(
    policy.none.reduce((sum, weight, column) => sum + weight * rows.query[column]!, 0),
  );
  const boxes = logits.map((logit) => Math.exp(logit - top));
  const total = boxes.reduce((sum, value) => sum + value, 0);
  for (let box = 0; box < boxes.length; box++) boxes[box]! *= (1 - none) / total;
  return { boxes, none };
}
