import { isCorrect } from '../core/box.js';
import { QUERY_COLUMNS } from '../refine/columns.js';
import {
  type Belief,
  beliefOf,
  type Policy,
  type PolicyRows,
  type Stage,
} from '../refine/policy.js';
import type { Example } from './example.js';

/** One stage of one example. */
export interface Lesson {
  readonly example: Example;
  readonly stage: Stage;
  /** How much the example counts in this stage. */
  readonly weight: number;
  /** Belief of the policy that training started from. */
  readonly start: Belief;
}

/** Factors beside the reward: of the divergence from the start, and of the log-likelihood of the right boxes, which teaches where the reward is flat. */
interface Factors {
  readonly kl: number;
  readonly supervised: number;
}

/** A gradient of the same shape as the policy. */
export interface PolicyGradient {
  readonly boxes: Float64Array;
  readonly none: Float64Array;
}

/** What an epoch reports, means over examples. */
export interface ObjectiveTerms {
  readonly reward: number;
  readonly divergence: number;
  readonly likelihood: number;
}

/** Differences in overlap that make one right box e times as good a target as another. */
const TARGET_SOFTNESS = 0.1;
const TINY = 1e-12;

const CORRECTION_REWARD = 1;
const CONFIRMATION_REWARD = 0.5;

/**
 * 1 for a correction (the tool is wrong, the answer right), 0.5 for a confirmation (both are right), 0 for a wrong answer.
 * @param tool,answer overlaps (IoU) with the ground truth, 0..1; without a box 1 where nothing fits, else 0
 * @see VG-Refiner, arXiv 2512.06373, refinement reward
 */
export function refinementReward({ tool, answer }: { tool: number; answer: number }): number {
  if (!isCorrect(answer)) return 0;
  return isCorrect(tool) ? CONFIRMATION_REWARD : CORRECTION_REWARD;
}

/** The reward of each box and, last, of `none`, [n + 1]. Think is not judged against the tool. */
export function rewardsOf({ overlaps, tool, truths }: Example, stage: Stage): Float64Array {
  const against = stage === 'think' ? 0 : tool;
  const rewards = new Float64Array(overlaps.length + 1);
  for (let box = 0; box < overlaps.length; box++) {
    rewards[box] = refinementReward({ tool: against, answer: overlaps[box]! });
  }
  rewards[overlaps.length] = refinementReward({ tool: against, answer: truths === 0 ? 1 : 0 });
  return rewards;
}

/**
 * J = sum_a pi(a) A(a) - kl KL(pi || start) + supervised log-likelihood, with its exact gradient: every action and its reward is
 * known, so that the expectation is a sum. A is the reward less its mean under the policy: centred, so that a correction stays
 * worth twice a confirmation. The gradient is taken by the log-odds of the boxes and of `none`, and added to `gradient`.
 */
export function addObjective(
  policy: Policy,
  { example, stage, weight, start, kl, supervised }: Lesson & Factors,
  gradient: PolicyGradient,
): ObjectiveTerms {
  const { rows } = example;
  const belief = beliefOf(policy, rows, stage);
  const { boxes, none } = belief;
  const count = boxes.length;
  const rewards = rewardsOf(example, stage);
  const reward = expected(belief, rewards);
  if (none === 1) return { reward, divergence: 0, likelihood: 0 };
  const something = 1 - none;
  // By the log-odds of the boxes, and by that of `none`.
  const slopes = new Float64Array(count);

  // Reward: pi(a) (r(a) - mean), inside the boxes and between boxes and none.
  const among = boxes.reduce((sum, chance, box) => sum + chance * rewards[box]!, 0) / something;
  for (let box = 0; box < count; box++) slopes[box] = boxes[box]! * (rewards[box]! - among);
  let slopeNone = none * something * (rewards[count]! - among);

  // Divergence from the start.
  const startSomething = Math.max(1 - start.none, TINY);
  let apart = 0;
  for (let box = 0; box < count; box++) {
    const chance = boxes[box]! / something;
    if (chance > TINY) {
      apart += chance * Math.log(chance / Math.max(start.boxes[box]! / startSomething, TINY));
    }
  }
  for (let box = 0; box < count; box++) {
    const chance = boxes[box]! / something;
    if (chance <= TINY) continue;
    const log = Math.log(chance / Math.max(start.boxes[box]! / startSomething, TINY));
    slopes[box]! -= kl * boxes[box]! * (log - apart);
  }
  const logNone = Math.log(Math.max(none, TINY) / Math.max(start.none, TINY));
  const logSomething = Math.log(something / startSomething);
  const divergence = none * logNone + something * (logSomething + apart);
  slopeNone -= kl * none * something * (logNone - logSomething - apart);

  // Likelihood of the right answers, the tighter a box the more of it.
  const likelihood = addLikelihood(example, belief, stage, supervised, slopes);
  slopeNone += supervised * ((example.truths === 0 ? 1 : 0) - none);

  addSlopes(rows, { stage, weight, slopes, slopeNone }, gradient);
  return { reward, divergence, likelihood };
}

function expected({ boxes, none }: Belief, rewards: Float64Array): number {
  return boxes.reduce((sum, chance, box) => sum + chance * rewards[box]!, none * rewards.at(-1)!);
}

function addLikelihood(
  { overlaps, rows, truths }: Example,
  { boxes, none }: Belief,
  stage: Stage,
  factor: number,
  slopes: Float64Array,
): number {
  if (truths === 0) return Math.log(Math.max(none, TINY));
  const seen = (box: number) => stage === 'rethink' || rows.ofTool[box] === 0;
  let total = 0;
  const targets = Float64Array.from(overlaps, (overlap, box) => {
    const target = isCorrect(overlap) && seen(box) ? Math.exp(overlap / TARGET_SOFTNESS) : 0;
    total += target;
    return target;
  });
  if (total === 0) return Math.log(Math.max(1 - none, TINY));
  let likelihood = 0;
  for (let box = 0; box < boxes.length; box++) {
    slopes[box]! += factor * (targets[box]! / total - boxes[box]! / (1 - none));
    likelihood += (targets[box]! / total) * Math.log(Math.max(boxes[box]!, TINY));
  }
  return likelihood;
}

/** What an objective would change of a query's log-odds: those of the boxes, and that of `none`. */
export interface Slopes {
  readonly stage: Stage;
  readonly weight: number;
  readonly slopes: Float64Array;
  readonly slopeNone: number;
}

/** From log-odds back to the weights of the columns. */
export function addSlopes(
  rows: PolicyRows,
  { stage, weight, slopes, slopeNone }: Slopes,
  gradient: PolicyGradient,
): void {
  const width = gradient.boxes.length;
  for (let box = 0; box < slopes.length; box++) {
    const slope = slopes[box]! * weight;
    if (slope === 0) continue;
    const from = box * width;
    for (let column = 0; column < width; column++) {
      gradient.boxes[column]! += slope * rows.boxes[from + column]!;
    }
    if (stage === 'rethink') continue;
    for (const column of rows.hidden) gradient.boxes[column]! -= slope * rows.boxes[from + column]!;
  }
  for (let column = 0; column < gradient.none.length; column++) {
    if (QUERY_COLUMNS[column]!.scoreOnly) continue;
    gradient.none[column]! += slopeNone * weight * rows.query[column]!;
  }
}
