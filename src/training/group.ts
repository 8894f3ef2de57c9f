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
 * `normalized`: (reward - mean) / standard deviation over the group, as in Shao et al. 2024, arXiv 2402.03300, section 4.1.
 * All answers of a group meet the same tool, right or wrong, so that the deviation takes out how much more a correction earns
 * than a confirmation. `centred`: reward - mean, as in Liu et al. 2025, arXiv 2503.20783, keeps it.
 */
export type AdvantageKind = 'normalized' | 'centred';

/**
 * The group's advantages, none where all rewards are equal. Equal actions have equal rewards, so that shares and advantages
 * by action say all of the group.
 */
export function evaluateGroup(
  kind: AdvantageKind,
  actions: Int32Array,
  rewards: Float32Array,
): SampledGroup {
  const size = actions.length;
  const earned = Float64Array.from(actions, (action) => rewards[action]!);
  const meanReward = earned.reduce((sum, value) => sum + value, 0) / size;
  const scale = kind === 'centred' ? 1 : deviation(earned, meanReward);
  const teaches = earned.some((value) => value !== earned[0]);
  const shares = new Float32Array(rewards.length);
  const advantages = new Float32Array(rewards.length);
  for (const action of actions) {
    shares[action]! += 1 / size;
    if (teaches) advantages[action] = (rewards[action]! - meanReward) / scale;
  }
  return { shares, advantages, meanReward, teaches };
}

function deviation(values: Float64Array, mean: number): number {
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
