import { SeededRandom } from '../core/random.js';
import { QUERY_COLUMNS } from '../refine/columns.js';
import { beliefOf, named, type Policy, type PolicyNumbers, policyOf } from '../refine/policy.js';
import { Adam } from './adam.js';
import { calibrated } from './calibration.js';
import type { Example } from './example.js';
import { addGroup, drawGroup, type Group, type GroupSettings } from './grpo.js';
import { addObjective, type Lesson, type ObjectiveTerms } from './objective.js';

export interface FitSettings {
  /** `exact`: the expected reward as a sum over all answers. `grpo`: from sampled groups of answers. */
  readonly algorithm: 'exact' | 'grpo';
  readonly epochs: number;
  readonly learningRate: number;
  /** Factor of the divergence from the start. */
  readonly kl: number;
  /** Factor of the log-likelihood of right boxes beside the reward. */
  readonly supervised: number;
  /** How many examples the start counts for. */
  readonly prior: number;
  readonly seed: number;
  /** Of GRPO. */
  readonly group: GroupSettings;
}

/** The end of one epoch, means over examples and both stages. */
export interface EpochReport extends ObjectiveTerms {
  readonly epoch: number;
}

/** How much an example counts in each stage: the same weights serve both, and rethink is what is answered. */
const STAGE_WEIGHTS = { think: 0.4, rethink: 1 } as const;

/**
 * Fits the numbers to examples: gradient ascent over all of them at once, then the score and the sets by logistic regression.
 * The same examples, start and settings give the same numbers.
 * @param onEpoch told of each epoch; false ends the fit
 */
export async function fitPolicy(
  examples: readonly Example[],
  start: PolicyNumbers,
  settings: FitSettings,
  onEpoch: (report: EpochReport) => Promise<boolean> = async () => true,
): Promise<PolicyNumbers> {
  const frozen = policyOf(start);
  const lessons = lessonsOf(examples, frozen);
  const total = lessons.reduce((sum, { weight }) => sum + weight, 0);
  const boxes = new Adam(frozen.boxes.slice());
  const none = new Adam(frozen.none.slice());
  const policy: Policy = { columns: frozen.columns, boxes: boxes.values, none: none.values };
  const random = new SeededRandom(settings.seed);
  const { algorithm, kl, supervised, group } = settings;
  let groups: readonly Group[] = [];

  for (let epoch = 1; total > 0 && epoch <= settings.epochs; epoch++) {
    const gradient = { boxes: policy.boxes.map(() => 0), none: policy.none.map(() => 0) };
    const means = { reward: 0, divergence: 0, likelihood: 0 };
    if (algorithm === 'grpo' && (epoch - 1) % group.reuse === 0) {
      groups = lessons.map(({ example, stage }) =>
        drawGroup(example, policy, { stage, size: group.size, random }),
      );
    }
    for (const [at, lesson] of lessons.entries()) {
      const terms =
        algorithm === 'exact'
          ? addObjective(policy, { ...lesson, kl, supervised }, gradient)
          : addGroup(policy, { ...lesson, kl, clip: group.clip, group: groups[at]! }, gradient);
      means.reward += (lesson.weight * terms.reward) / total;
      means.divergence += (lesson.weight * terms.divergence) / total;
      means.likelihood += (lesson.weight * terms.likelihood) / total;
    }
    const rate = settings.learningRate * Math.min(1, 2 * (1 - (epoch - 1) / settings.epochs));
    const step = { examples: total, prior: settings.prior, rate };
    boxes.ascend(gradient.boxes, step);
    none.ascend(gradient.none, step);
    if (!(await onEpoch({ epoch, ...means }))) break;
  }
  const numbers: PolicyNumbers = {
    ...start,
    boxes: named(policy.columns, boxes.values),
    none: named(QUERY_COLUMNS, none.values),
  };
  // Of the rounded numbers: a threshold can lie at the very belief that many queries share.
  return { ...numbers, ...calibrated(examples, policyOf(numbers), start, settings.prior) };
}

/** Queries that mean one thing or nothing, in both stages; sets have numbers of their own. */
function lessonsOf(examples: readonly Example[], policy: Policy): readonly Lesson[] {
  const single = examples.filter(({ several, truths }) => !several && truths < 2);
  return single.flatMap((example) =>
    (['think', 'rethink'] as const).map((stage) => ({
      example,
      stage,
      weight: STAGE_WEIGHTS[stage] * example.weight,
      start: beliefOf(policy, example.rows, stage),
    })),
  );
}
