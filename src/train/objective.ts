import { isCorrect } from '../core/iou.js';
import type { SeededRandom } from '../core/random.js';
import { QUERY_COLUMNS } from '../refine/columns.js';
import { type Belief, beliefOf, type Policy, type Stage } from '../refine/policy.js';
import type { Example } from './examples.js';

/** One stage of one example. */
export interface StagedExample {
  readonly example: Example;
  readonly stage: Stage;
  /** How much the example counts in this stage. */
  readonly weight: number;
  /** Belief of the policy that training starts from. */
  readonly start: Belief;
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

/**
 * Gradient by the log-odds of one query, before it goes on to the weights: the log-odds of each box against the other boxes,
 * [n], and that of `none` against all boxes.
 */
interface LogitGradient {
  readonly boxes: Float64Array;
  none: number;
}

/** Probabilities below this count as this. */
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
export function rewardsOf(example: Example, stage: Stage): Float64Array {
  const { overlaps, truths } = example;
  const tool = stage === 'think' ? 0 : example.tool;
  const rewards = new Float64Array(overlaps.length + 1);
  for (let box = 0; box < overlaps.length; box++) {
    rewards[box] = refinementReward({ tool, answer: overlaps[box]! });
  }
  rewards[overlaps.length] = refinementReward({ tool, answer: truths === 0 ? 1 : 0 });
  return rewards;
}

/**
 * The exact objective of one example, J = sum_a pi(a) A(a) - kl KL(pi || start) + supervised log-likelihood; its gradient is
 * added to `gradient`. Every action and its reward is known, so the expectation is a sum. The advantage A is the reward less
 * its mean under the policy: centred, not normalised, so a correction stays worth twice a confirmation.
 * @param factors of the divergence from the start, and of the log-likelihood of right boxes, which has a slope where the
 *   reward is flat
 */
export function addObjective(
  policy: Policy,
  staged: StagedExample,
  factors: { readonly kl: number; readonly supervised: number },
  gradient: PolicyGradient,
): ObjectiveTerms {
  const { example, stage, start } = staged;
  const belief = beliefOf(policy, example.rows, stage);
  const logits = { boxes: new Float64Array(belief.boxes.length), none: 0 };
  const reward = addReward(belief, rewardsOf(example, stage), logits);
  // There is no box to see, and nothing to decide.
  if (belief.none === 1) return { reward, divergence: 0, likelihood: 0 };
  const divergence = addDivergence(belief, start, factors.kl, logits);
  const likelihood = addLikelihood(belief, staged, factors.supervised, logits);
  addToWeights(staged, logits, gradient);
  return { reward, divergence, likelihood };
}

/** Adds the gradient of the expected reward: pi(a) A(a) among the boxes, and between all boxes and `none`. */
function addReward(
  { boxes, none }: Belief,
  rewards: Float64Array,
  gradient: LogitGradient,
): number {
  const something = 1 - none;
  const ofNone = rewards.at(-1)!;
  const mean = boxes.reduce((sum, chance, box) => sum + chance * rewards[box]!, 0) / something;
  for (let box = 0; box < boxes.length; box++) {
    gradient.boxes[box] = boxes[box]! * (rewards[box]! - mean);
  }
  gradient.none = none * something * (ofNone - mean);
  return boxes.reduce((sum, chance, box) => sum + chance * rewards[box]!, none * ofNone);
}

/** Subtracts the gradient of `factor` KL(pi || start). */
function addDivergence(
  { boxes, none }: Belief,
  start: Belief,
  factor: number,
  gradient: LogitGradient,
): number {
  const something = 1 - none;
  const startSomething = Math.max(1 - start.none, TINY);
  let amongBoxes = 0;
  // NaN for boxes of no chance, which the divergence leaves out.
  const logs = boxes.map((share, box) => {
    const chance = share / something;
    if (chance <= TINY) return Number.NaN;
    const log = Math.log(chance / Math.max(start.boxes[box]! / startSomething, TINY));
    amongBoxes += chance * log;
    return log;
  });
  for (let box = 0; box < boxes.length; box++) {
    const log = logs[box]!;
    if (!Number.isNaN(log)) gradient.boxes[box]! -= factor * boxes[box]! * (log - amongBoxes);
  }
  const logNone = Math.log(Math.max(none, TINY) / Math.max(start.none, TINY));
  const logSomething = Math.log(something / startSomething);
  gradient.none -= factor * none * something * (logNone - logSomething - amongBoxes);
  return none * logNone + something * (logSomething + amongBoxes);
}

/** A difference in overlap by which one right box is e times as good a target as another. */
const TARGET_SOFTNESS = 0.1;

/** Adds the gradient of `factor` times the log-likelihood of the right answers: the tighter a right box, the more of it. */
function addLikelihood(
  { boxes, none }: Belief,
  { example: { overlaps, rows, truths }, stage }: StagedExample,
  factor: number,
  gradient: LogitGradient,
): number {
  gradient.none += factor * ((truths === 0 ? 1 : 0) - none);
  if (truths === 0) return Math.log(Math.max(none, TINY));
  let total = 0;
  const targets = Float64Array.from(overlaps, (overlap, box) => {
    const isSeen = stage === 'rethink' || rows.ofTool[box] === 0;
    const target = isCorrect(overlap) && isSeen ? Math.exp(overlap / TARGET_SOFTNESS) : 0;
    total += target;
    return target;
  });
  if (total === 0) return Math.log(Math.max(1 - none, TINY));
  let likelihood = 0;
  for (let box = 0; box < boxes.length; box++) {
    gradient.boxes[box]! += factor * (targets[box]! / total - boxes[box]! / (1 - none));
    likelihood += (targets[box]! / total) * Math.log(Math.max(boxes[box]!, TINY));
  }
  return likelihood;
}

/** Adds a gradient by log-odds to that by the weights of the columns. */
function addToWeights(
  { example: { rows }, stage, weight }: StagedExample,
  logits: LogitGradient,
  gradient: PolicyGradient,
): void {
  const width = gradient.boxes.length;
  for (let box = 0; box < logits.boxes.length; box++) {
    const slope = logits.boxes[box]! * weight;
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
    gradient.none[column]! += logits.none * weight * rows.query[column]!;
  }
}

/** Answers sampled for one query. */
export type Group = ReturnType<typeof drawGroup>;

const chanceOf = ({ boxes, none }: Belief, action: number): number =>
  action === boxes.length ? none : boxes[action]!;

/** Samples a group of answers from the policy. */
export function drawGroup(
  policy: Policy,
  { example, stage }: Pick<StagedExample, 'example' | 'stage'>,
  size: number,
  random: SeededRandom,
) {
  const belief = beliefOf(policy, example.rows, stage);
  const rewards = rewardsOf(example, stage);
  const actions = Int32Array.from({ length: size }, () => {
    let left = random.next();
    for (let action = 0; action < belief.boxes.length; action++) {
      left -= belief.boxes[action]!;
      if (left < 0) return action;
    }
    return belief.boxes.length;
  });
  const earned = Float64Array.from(actions, (action) => rewards[action]!);
  const meanReward = earned.reduce((sum, value) => sum + value, 0) / size;
  const variance = earned.reduce((sum, value) => sum + (value - meanReward) ** 2, 0) / size;
  const deviation = Math.sqrt(variance);
  return {
    /** Indices of boxes; one beyond the last for `none`. */
    actions,
    /** That the actions had when they were drawn. */
    chances: Float64Array.from(actions, (action) => chanceOf(belief, action)),
    /** Reward less the group's mean, over its deviation; all 0 where the rewards are equal. */
    advantages: earned.map((value) => (deviation === 0 ? 0 : (value - meanReward) / deviation)),
    meanReward,
  };
}

/**
 * The objective of GRPO for comparison: the clipped surrogate of a sampled group less the divergence from the start, by the
 * estimator exp(d) - d - 1; its gradient is added.
 * @see Shao et al. 2024, arXiv 2402.03300, section 4.1
 */
export function addGroup(
  policy: Policy,
  staged: StagedExample,
  { group, kl, clip }: { readonly group: Group; readonly kl: number; readonly clip: number },
  gradient: PolicyGradient,
): ObjectiveTerms {
  const belief = beliefOf(policy, staged.example.rows, staged.stage);
  const { boxes, none } = belief;
  const size = group.actions.length;
  const logits = { boxes: new Float64Array(boxes.length), none: 0 };
  let [amongBoxes, divergence] = [0, 0];
  for (const [sample, action] of group.actions.entries()) {
    const chance = Math.max(chanceOf(belief, action), TINY);
    const ratio = chance / Math.max(group.chances[sample]!, TINY);
    const advantage = group.advantages[sample]!;
    const isClipped = advantage > 0 ? ratio > 1 + clip : ratio < 1 - clip;
    const apart = Math.log(Math.max(chanceOf(staged.start, action), TINY) / chance);
    divergence += (Math.exp(apart) - apart - 1) / size;
    const slope = ((isClipped ? 0 : advantage * ratio) - kl * (1 - Math.exp(apart))) / size;
    if (action === boxes.length) logits.none += slope * (1 - none);
    else {
      logits.boxes[action]! += slope;
      amongBoxes += slope;
      logits.none -= slope * none;
    }
  }
  if (none < 1) {
    for (let box = 0; box < boxes.length; box++) {
      logits.boxes[box]! -= (amongBoxes * boxes[box]!) / (1 - none);
    }
  }
  addToWeights(staged, logits, gradient);
  return { reward: group.meanReward, divergence, likelihood: 0 };
}
