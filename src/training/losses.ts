import type { PolicyOutputs } from '../refinement/policy.js';
import {
  add,
  clip,
  exponential,
  greater,
  minimum,
  multiply,
  negate,
  softplus,
  subtract,
  where,
} from '../tensor/elementwise.js';
import { type Expression, input } from '../tensor/expression.js';
import { reshape } from '../tensor/layout.js';
import { sumOver } from '../tensor/reduction.js';

/** What the losses compare the policy with; B queries, N candidates. Rows of padding have only zeros. */
export interface LossInputs {
  /** [B, N + 1]: share of each choice of think in the target, times the query's weight. */
  readonly thinkTarget: Expression;
  /** [B, N + 2]: the same for the actions of rethink. */
  readonly rethinkTarget: Expression;
  /** [B, N + 2]: 1 where the action's box is right. */
  readonly scoreTarget: Expression;
  /** [B, N + 2]: how much each action counts in the score loss. */
  readonly scoreWeight: Expression;
  /** [B, N + 2]: share of each action among the samples of its group, times the group's weight. */
  readonly sampled: Expression;
  /** [B, N + 2]: advantage of each sampled action in its group. */
  readonly advantage: Expression;
  /** [B, N + 2]: log-probabilities of the policy that sampled. */
  readonly oldLogProbabilities: Expression;
  /** [B, N + 2]: log-probabilities of the frozen policy that training started from. */
  readonly referenceLogProbabilities: Expression;
  /** Factor of each part in the total, one scalar a part. */
  readonly weights: Readonly<Record<LossPart, Expression>>;
}

/** `think`, `rethink`: cross entropy. `score`: binary cross entropy. `policy`: clipped surrogate. `kl`: divergence. */
export const LOSS_PARTS = ['think', 'rethink', 'score', 'policy', 'kl'] as const;
export type LossPart = (typeof LOSS_PARTS)[number];

export interface Losses {
  readonly parts: Readonly<Record<LossPart, Expression>>;
  /** Sum of the parts times their weights. */
  readonly total: Expression;
}

/** Named as in the ONNX file. */
export function lossInputs(batch: number, candidates: number): LossInputs {
  const actions = [batch, candidates + 2];
  const weight = (part: LossPart) => input(`weight_${part}`, []);
  return {
    thinkTarget: input('think_target', [batch, candidates + 1]),
    rethinkTarget: input('rethink_target', actions),
    scoreTarget: input('score_target', actions),
    scoreWeight: input('score_weight', actions),
    sampled: input('sampled', actions),
    advantage: input('advantage', actions),
    oldLogProbabilities: input('old_log_probabilities', actions),
    referenceLogProbabilities: input('reference_log_probabilities', actions),
    weights: {
      think: weight('think'),
      rethink: weight('rethink'),
      score: weight('score'),
      policy: weight('policy'),
      kl: weight('kl'),
    },
  };
}

/** All parts of the loss, each a sum over the batch: the shares and weights that are fed hold the means. */
export function losses(outputs: PolicyOutputs, fed: LossInputs, clipRange: number): Losses {
  const parts = {
    think: crossEntropy(outputs.think, fed.thinkTarget),
    rethink: crossEntropy(outputs.rethink, fed.rethinkTarget),
    score: binaryCrossEntropy(outputs.score, fed.scoreTarget, fed.scoreWeight),
    policy: clippedSurrogate(outputs.rethink, fed, clipRange),
    kl: divergence(outputs.rethink, fed),
  };
  const weighted = LOSS_PARTS.map((part) => multiply(parts[part], fed.weights[part]));
  return { parts, total: weighted.reduce(add) };
}

function total(x: Expression): Expression {
  const axes = x.shape.map((_, axis) => axis);
  return reshape(sumOver(x, axes), []);
}

function crossEntropy(logProbabilities: Expression, target: Expression): Expression {
  return negate(total(multiply(logProbabilities, target)));
}

function binaryCrossEntropy(
  logOdds: Expression,
  target: Expression,
  weight: Expression,
): Expression {
  return total(multiply(weight, subtract(softplus(logOdds), multiply(logOdds, target))));
}

/** A difference of log-probabilities where the action was sampled, else 0: elsewhere its exponential may overflow. */
function whereSampled(fed: LossInputs, difference: Expression): Expression {
  return where(greater(fed.sampled, 0), difference, 0);
}

/**
 * The negative clipped surrogate of GRPO. Equal actions of a group have equal rewards and so equal advantages, thus the sum
 * over samples is a sum over actions, each times its share of the samples.
 * @see Shao et al. 2024, arXiv 2402.03300, equation 3; VG-Refiner, arXiv 2512.06373
 */
function clippedSurrogate(
  logProbabilities: Expression,
  fed: LossInputs,
  clipRange: number,
): Expression {
  const ratio = exponential(whereSampled(fed, subtract(logProbabilities, fed.oldLogProbabilities)));
  const gain = minimum(
    multiply(ratio, fed.advantage),
    multiply(clip(ratio, 1 - clipRange, 1 + clipRange), fed.advantage),
  );
  return negate(total(multiply(fed.sampled, gain)));
}

/**
 * Divergence from the reference over the sampled actions: exp(d) - d - 1 with d = log reference - log policy, never negative.
 * @see Schulman 2020, "Approximating KL divergence", estimator k3
 */
function divergence(logProbabilities: Expression, fed: LossInputs): Expression {
  const d = whereSampled(fed, subtract(fed.referenceLogProbabilities, logProbabilities));
  return total(multiply(fed.sampled, subtract(subtract(exponential(d), d), 1)));
}
