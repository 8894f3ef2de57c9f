import { policy } from '../refinement/policy.js';
import { OPEN_SIZES, type PolicySettings, policyInputs } from '../refinement/policy-inputs.js';
import { add, exponential, multiply, sigmoid } from '../tensor/elementwise.js';
import { type Expression, isParameter, parameter, topologicalOrder } from '../tensor/expression.js';
import { writeOnnxGraph } from '../tensor/onnx-writer.js';
import type { ParameterSet } from './adamw.js';
import type { Calibration } from './calibration.js';

export interface EnsembleFile {
  readonly settings: PolicySettings;
  /** Learned values of each member; at least one. */
  readonly members: readonly ParameterSet[];
  readonly calibration: Calibration;
  /** Key and value pairs kept in the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Policies of one shape as one ONNX file for any batch: the mean of their probabilities, the mean of their log-odds of
 * being right, calibrated.
 */
export function writeEnsemble({
  settings,
  members,
  calibration,
  metadata,
}: EnsembleFile): Uint8Array {
  const inputs = policyInputs(settings, OPEN_SIZES);
  const outputs = policy(settings, inputs);
  const all = members.map((_, member) =>
    renamed([outputs.think, outputs.rethink, outputs.score], (name) => `${member}/${name}`),
  );
  const values = new Map(
    members.flatMap((set, member) =>
      [...set].map(([name, data]) => [`${member}/${name}`, data] as const),
    ),
  );
  const mean = (of: (member: readonly Expression[]) => Expression) =>
    all.length === 1 ? of(all[0]!) : multiply(all.map(of).reduce(add), 1 / all.length);
  const logOdds = mean((member) => member[2]!);
  return writeOnnxGraph({
    name: 'policy',
    outputs: {
      think: mean((member) => exponential(member[0]!)),
      rethink: mean((member) => exponential(member[1]!)),
      score: sigmoid(add(multiply(logOdds, calibration.scale), calibration.offset)),
    },
    parameters: values,
    ...(metadata && { metadata }),
  });
}

/** The same graph with parameters of other names; inputs stay shared. */
function renamed(
  outputs: readonly Expression[],
  rename: (name: string) => string,
): readonly Expression[] {
  const copies = new Map<Expression, Expression>();
  for (const each of topologicalOrder(outputs)) {
    if (isParameter(each)) {
      const { name, initial } = each.attributes;
      copies.set(each, parameter(rename(name), each.shape, initial));
    } else if (each.inputs.length === 0) {
      copies.set(each, each);
    } else {
      copies.set(each, { ...each, inputs: each.inputs.map((input) => copies.get(input)!) });
    }
  }
  return outputs.map((output) => copies.get(output)!);
}
