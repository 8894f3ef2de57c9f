import type { RandomStream } from './random.js';

/** One group of answers to the same query. Indices are actions. */
export interface SampledGroup {
  /** Share of each action among the samples; adds up to 1. */
  readonly shares: Float32Array;
  /** Advantage of each sampled action, 0 for the others. */
  readonly advantages: Float32Array;
  /** Mean reward of the samples. */
  readonly meanReward: number;
  /** Whether the samples differ in reward; only such a group teaches. */
  readonly teaches: boolean;
}

/** Actions drawn from log-probabilities [A], as many as `size`, with replacement. Probability 0 is never drawn. */
export function sampleActions(
  logProbabilities: Float32Array,
  size: number,
  random: RandomStream,
): Int32Array {
  const probabilities = logProbabilities.map(Math.exp);
  const total = probabilities.reduce((sum, value) => sum + value, 0);
  return Int32Array.from({ length: size }, () => {
    let left = random.uniform() * total;
    let last = 0;
    for (let action = 0; action < probabilities.length; action++) {
      const probability = probabilities[action]!;
      if (probability === 0) continue;
      last = action;
      left -= probability;
      if (left < 0) break;
    }
    return last;
  });
}

/**
 * The group's advantages: (reward - mean) / standard deviation over the group, none where all rewards are equal. Equal
 * actions have equal rewards, so that shares and advantages by action say all of the group.
 * @see Shao et al. 2024, arXiv 2402.03300, section 4.1
 */
export function evaluateGroup(actions: Int32Array, rewards: Float32Array): SampledGroup {
  const size = actions.length;
  const earned = Float64Array.from(actions, (action) => rewards[action]!);
  const meanReward = earned.reduce((sum, value) => sum + value, 0) / size;
  const variance = earned.reduce((sum, value) => sum + (value - meanReward) ** 2, 0) / size;
  const teaches = earned.some((value) => value !== earned[0]);
  const shares = new Float32Array(rewards.length);
  const advantages = new Float32Array(rewards.length);
  for (const action of actions) {
    shares[action]! += 1 / size;
    if (teaches) advantages[action] = (rewards[action]! - meanReward) / Math.sqrt(variance);
  }
  return { shares, advantages, meanReward, teaches };
}
