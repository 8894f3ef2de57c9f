import { isCorrect } from '../core/iou.js';
import { sigmoid } from '../core/math.js';
import { SeededRandom } from '../core/random.js';
import { QUERY_COLUMNS } from '../refine/columns.js';
import {
  chooseBox,
  MEMBER_PARTS,
  memberParts,
  SCORE_PARTS,
  scoreParts,
} from '../refine/decision.js';
import {
  asWritten,
  beliefOf,
  named,
  type Policy,
  type PolicyNumbers,
  policyOf,
} from '../refine/policy.js';
import type { Example } from './examples.js';
import {
  addGroup,
  addObjective,
  drawGroup,
  type Group,
  type ObjectiveTerms,
  type StagedExample,
} from './objective.js';

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
  readonly group: {
    /** Answers that are sampled for a query; 8 in the paper. */
    readonly size: number;
    /** How far the ratio to the sampling policy may leave 1. */
    readonly clip: number;
    /** Epochs that use the same samples. */
    readonly reuse: number;
  };
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
 * @param onEpoch is called after each epoch; false ends the fit
 */
export async function fitPolicy(
  examples: readonly Example[],
  start: PolicyNumbers,
  settings: FitSettings,
  onEpoch: (report: EpochReport) => Promise<boolean> = async () => true,
): Promise<PolicyNumbers> {
  const frozen = policyOf(start);
  const staged = stagedExamples(examples, frozen);
  const total = staged.reduce((sum, { weight }) => sum + weight, 0);
  // Where everything is there, the likelihood of "something fits" would grow without bound.
  const hasAbsent = examples.some(({ truths }) => truths === 0);
  const boxes = new Adam(frozen.boxes.slice());
  const none = new Adam(frozen.none.slice());
  const policy: Policy = { columns: frozen.columns, boxes: boxes.values, none: none.values };
  const random = new SeededRandom(settings.seed);
  const { algorithm, epochs, kl, prior } = settings;
  const { size, clip, reuse } = settings.group;
  let groups: readonly Group[] = [];

  for (let epoch = 1; total > 0 && epoch <= epochs; epoch++) {
    const gradient = { boxes: policy.boxes.map(() => 0), none: policy.none.map(() => 0) };
    const means = { reward: 0, divergence: 0, likelihood: 0 };
    if (algorithm === 'grpo' && (epoch - 1) % reuse === 0) {
      groups = staged.map((each) => drawGroup(policy, each, size, random));
    }
    for (const [at, each] of staged.entries()) {
      const terms =
        algorithm === 'exact'
          ? addObjective(policy, each, settings, gradient)
          : addGroup(policy, each, { group: groups[at]!, kl, clip }, gradient);
      means.reward += (each.weight * terms.reward) / total;
      means.divergence += (each.weight * terms.divergence) / total;
      means.likelihood += (each.weight * terms.likelihood) / total;
    }
    const rate = settings.learningRate * Math.min(1, 2 * (1 - (epoch - 1) / epochs));
    boxes.ascend(gradient.boxes, { examples: total, prior, rate });
    if (hasAbsent) none.ascend(gradient.none, { examples: total, prior, rate });
    if (!(await onEpoch({ epoch, ...means }))) break;
  }
  const numbers: PolicyNumbers = {
    ...start,
    boxes: named(policy.columns, boxes.values),
    none: named(QUERY_COLUMNS, none.values),
  };
  // Calibrates the rounded numbers: a threshold can lie at the very belief that many queries share.
  return { ...numbers, ...calibrated(examples, policyOf(numbers), start, prior) };
}

/** Both stages of the queries that mean one thing or nothing. Sets have numbers of their own, see {@link calibrated}. */
function stagedExamples(examples: readonly Example[], policy: Policy): readonly StagedExample[] {
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

/**
 * Adam with a Gaussian prior around the start: ascent on the mean gradient less the pull of the prior.
 * @see Kingma, Ba 2015, arXiv 1412.6980
 */
class Adam {
  readonly #start: Float64Array;
  readonly #mean: Float64Array;
  readonly #square: Float64Array;
  #step = 0;

  constructor(readonly values: Float64Array) {
    this.#start = values.slice();
    this.#mean = new Float64Array(values.length);
    this.#square = new Float64Array(values.length);
  }

  /**
   * One step.
   * @param gradient summed over examples; left as it is
   * @param examples their total weight
   * @param prior the prior counts like this many examples that pull each weight back by its distance
   */
  ascend(
    gradient: Float64Array,
    { examples, prior, rate }: { examples: number; prior: number; rate: number },
  ): void {
    this.#step += 1;
    const [biased, biasedSquare] = [1 - 0.9 ** this.#step, 1 - 0.99 ** this.#step];
    for (let at = 0; at < this.values.length; at++) {
      const pull = prior * (this.values[at]! - this.#start[at]!);
      const slope = (gradient[at]! - pull) / examples;
      this.#mean[at] = 0.9 * this.#mean[at]! + 0.1 * slope;
      this.#square[at] = 0.99 * this.#square[at]! + 0.01 * slope * slope;
      const scale = Math.sqrt(this.#square[at]! / biasedSquare) + 1e-8;
      this.values[at]! += (rate * (this.#mean[at]! / biased)) / scale;
    }
  }
}

/** What is read off the answers of a fitted policy. */
type Calibration = Pick<PolicyNumbers, 'threshold' | 'score' | 'members'>;

/** One answer, or one box of a set: what its chance is made of, and whether it is right. */
interface Outcome {
  readonly parts: Float64Array;
  readonly right: boolean;
  readonly weight: number;
}

/**
 * Chooses the belief from which on nothing fits. Then fits the score of an answer, and a box's chance to belong to a set, to
 * what the policy answers on the examples: logistic regressions, with a prior around the start that counts `prior` examples.
 */
export function calibrated(
  examples: readonly Example[],
  policy: Policy,
  start: Calibration,
  prior: number,
): Calibration {
  const threshold = thresholdOf(examples, policy, start.threshold);
  const answers: Outcome[] = [];
  const members: Outcome[] = [];
  for (const { rows, pairs, overlaps, truths, several, truthOf, weight } of examples) {
    if (several) {
      for (const [at, parts] of memberParts(policy, rows).entries()) {
        members.push({ parts, right: truthOf[at]! >= 0, weight });
      }
      continue;
    }
    for (const stage of ['think', 'rethink'] as const) {
      const belief = beliefOf(policy, rows, stage);
      const choice = chooseBox(belief, pairs, threshold);
      const right = choice === null ? truths === 0 : isCorrect(overlaps[choice.at]!);
      answers.push({ parts: scoreParts(policy, rows, belief, choice), right, weight });
    }
  }
  return {
    threshold,
    score: regression(answers, SCORE_PARTS, start.score, prior),
    members: regression(members, MEMBER_PARTS, start.members, prior),
  };
}

/** Of the queries that have an answer, no more than this share is answered with none. */
const MAX_REFUSED = 0.0145;

/** The lowest threshold, from 0.5 on, under which few enough queries with an answer are refused; the old one without absent queries. */
function thresholdOf(examples: readonly Example[], policy: Policy, start: number): number {
  if (!examples.some(({ truths }) => truths === 0)) return start;
  const present = examples.filter(({ truths, rows }) => truths > 0 && rows.ofTool.length > 0);
  const beliefs = present
    .map(({ rows, weight }) => ({ none: beliefOf(policy, rows, 'rethink').none, weight }))
    .sort((a, b) => b.none - a.none);
  let allowed = MAX_REFUSED * beliefs.reduce((sum, { weight }) => sum + weight, 0);
  const last = beliefs.find(({ weight }) => {
    allowed -= weight;
    return allowed < 0;
  });
  // Rounded up: below a belief that many queries share, all of them would be refused.
  return Math.ceil(Math.max(0.5, last?.none ?? 0.5) * 1e6) / 1e6;
}

const STEPS = 400;
const RATE = 0.05;

function regression(
  outcomes: readonly Outcome[],
  names: readonly { readonly name: string; readonly prior: number }[],
  start: Readonly<Record<string, number>>,
  prior: number,
): Record<string, number> {
  const adam = new Adam(Float64Array.from(names, ({ name, prior: own }) => start[name] ?? own));
  const examples = outcomes.reduce((sum, { weight }) => sum + weight, 0);
  for (let step = 0; examples > 0 && step < STEPS; step++) {
    const gradient = new Float64Array(names.length);
    const weights = adam.values.map(asWritten);
    for (const { parts, right, weight } of outcomes) {
      const odds = weights.reduce((sum, each, part) => sum + each * parts[part]!, 0);
      const error = weight * ((right ? 1 : 0) - sigmoid(odds));
      for (let part = 0; part < parts.length; part++) gradient[part]! += error * parts[part]!;
    }
    adam.ascend(gradient, { examples, prior, rate: RATE * Math.min(1, 2 * (1 - step / STEPS)) });
  }
  return named(names, adam.values);
}
