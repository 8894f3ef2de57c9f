import type { SeededRandom } from '../core/random.js';
import { type Belief, beliefOf, type Policy, type Stage } from '../refine/policy.js';
import type { Example } from './example.js';
import {
  addSlopes,
  type Lesson,
  type ObjectiveTerms,
  type PolicyGradient,
  rewardsOf,
} from './objective.js';

export interface GroupSettings {
  /** Answers that are sampled for a query; 8 in the paper. */
  readonly size: number;
  /** How far the ratio to the sampling policy may leave 1. */
  readonly clip: number;
  /** Epochs that learn from the same samples. */
  readonly reuse: number;
}

/** Answers sampled for one query: actions, the last of which is `none`, with the chances that they had. */
export interface Group {
  readonly actions: Int32Array;
  readonly chances: Float64Array;
  /** Normalised: reward less the group's mean, over its deviation; all 0 where the rewards are equal. */
  readonly advantages: Float64Array;
  readonly meanReward: number;
}

const chanceOf = ({ boxes, none }: Belief, action: number): number =>
  action === boxes.length ? none : boxes[action]!;

/** Samples a group from the policy as it is. */
export function drawGroup(
  example: Example,
  policy: Policy,
  { stage, size, random }: { stage: Stage; size: number; random: SeededRandom },
): Group {
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
  const spread = Math.sqrt(
    earned.reduce((sum, value) => sum + (value - meanReward) ** 2, 0) / size,
  );
  return {
    actions,
    chances: Float64Array.from(actions, (action) => chanceOf(belief, action)),
    advantages: earned.map((value) => (spread === 0 ? 0 : (value - meanReward) / spread)),
    meanReward,
  };
}

/**
 * The clipped surrogate of GRPO less the divergence from the start, by the estimator exp(d) - d - 1; its gradient is added.
 * @see Shao et al. 2024, arXiv 2402.03300, section 4.1
 */
export function addGroup(
  policy: Policy,
  lesson: Lesson & { readonly kl: number; readonly clip: number; readonly group: Group },
  gradient: PolicyGradient,
): ObjectiveTerms {
  const { example, stage, weight, start, kl, clip, group } = lesson;
  const belief = beliefOf(policy, example.rows, stage);
  const { boxes, none } = belief;
  const size = group.actions.length;
  const slopes = new Float64Array(boxes.length);
  let [slopeNone, among, divergence] = [0, 0, 0];
  for (const [sample, action] of group.actions.entries()) {
    const chance = Math.max(chanceOf(belief, action), 1e-12);
    const ratio = chance / Math.max(group.chances[sample]!, 1e-12);
    const advantage = group.advantages[sample]!;
    const clipped = advantage > 0 ? ratio > 1 + clip : ratio < 1 - clip;
    const apart = Math.log(Math.max(chanceOf(start, action), 1e-12) / chance);
    divergence += (Math.exp(apart) - apart - 1) / size;
    const slope = ((clipped ? 0 : advantage * ratio) - kl * (1 - Math.exp(apart))) / size;
    if (action === boxes.length) slopeNone += slope * (1 - none);
    else {
      slopes[action]! += slope;
      among += slope;
      slopeNone -= slope * none;
    }
  }
  if (none < 1) {
    for (let box = 0; box < boxes.length; box++) slopes[box]! -= (among * boxes[box]!) / (1 - none);
  }
  addSlopes(example.rows, { stage, weight, slopes, slopeNone }, gradient);
  return { reward: group.meanReward, divergence, likelihood: 0 };
}
