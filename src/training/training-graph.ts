import { type NoiseSite, policy, policyAnswers, type Regularizer } from '../refinement/policy.js';
import {
  type BatchSizes,
  OPEN_SIZES,
  type PolicySettings,
  policyInputs,
} from '../refinement/policy-inputs.js';
import { add, multiply } from '../tensor/elementwise.js';
import { type Expression, input, type Parameter, parametersOf } from '../tensor/expression.js';
import { writeOnnxGraph } from '../tensor/onnx-writer.js';
import type { ParameterSet } from './adamw.js';
import type { Calibration } from './calibration.js';
import { gradientsOf } from './gradient.js';
import { LOSS_PARTS, losses, lossInputs } from './losses.js';

/** Sizes of a training batch, all known: gradients need them. */
export interface TrainingSizes extends BatchSizes {
  readonly batch: number;
  readonly candidates: number;
  readonly words: number;
}

/** Inputs that switch channels of a state off: [B, 1, width], 0 or 1 / (share kept). */
export const DROPOUT_PREFIX = 'dropout_';

/** Where the policy lets noise in. */
export const DROPOUT_SITES: readonly NoiseSite[] = ['read', 'told'];

/** Output that holds the derivative of the total loss by the parameter of that name. */
export const GRADIENT_PREFIX = 'gradient:';

/** Every learned tensor of a policy, sorted by name. */
export function policyParameters(settings: PolicySettings): readonly Parameter[] {
  return parametersOf(Object.values(policy(settings, policyInputs(settings, OPEN_SIZES))));
}

/**
 * One training step without the update: parameters, batch and targets in; the loss, its parts and the gradient of each
 * parameter out.
 */
export function writeTrainingGraph(
  settings: PolicySettings,
  sizes: TrainingSizes,
  clipRange: number,
): Uint8Array {
  const dropout: Regularizer = (site, x) =>
    multiply(x, input(`${DROPOUT_PREFIX}${site}`, [sizes.batch, 1, settings.width]));
  const outputs = policy(settings, policyInputs(settings, sizes), dropout);
  const { parts, total } = losses(outputs, lossInputs(sizes.batch, sizes.candidates), clipRange);
  const parameters = parametersOf([total]);
  const gradients = gradientsOf(total, parameters);
  const named: Record<string, Expression> = { loss: total };
  for (const part of LOSS_PARTS) named[`loss_${part}`] = parts[part];
  for (const [index, each] of parameters.entries()) {
    named[`${GRADIENT_PREFIX}${each.attributes.name}`] = gradients[index]!;
  }
  return writeOnnxGraph({ name: 'training', outputs: named, parameters: 'inputs' });
}

/** The policy with fed parameters, for sampling and for validation while training: log-probabilities and log-odds out. */
export function writeActorGraph(settings: PolicySettings): Uint8Array {
  const outputs = policy(settings, policyInputs(settings, OPEN_SIZES));
  return writeOnnxGraph({ name: 'actor', outputs: { ...outputs }, parameters: 'inputs' });
}

export interface PolicyFile {
  readonly settings: PolicySettings;
  readonly values: ParameterSet;
  readonly calibration: Calibration;
  /** Key and value pairs kept in the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The policy as an ONNX file for any batch: values written in, probabilities out, scores calibrated. */
export function writePolicy({ settings, values, calibration, metadata }: PolicyFile): Uint8Array {
  const outputs = policy(settings, policyInputs(settings, OPEN_SIZES));
  const score = add(multiply(outputs.score, calibration.scale), calibration.offset);
  return writeOnnxGraph({
    name: 'policy',
    outputs: { ...policyAnswers({ ...outputs, score }) },
    parameters: values,
    ...(metadata && { metadata }),
  });
}
