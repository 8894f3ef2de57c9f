import type { Parameter } from '../tensor/expression.js';
import { elementCount } from '../tensor/shape.js';
import type { ParameterSet } from './adamw.js';
import type { RandomStream } from './random.js';

/** Values of parameters before training, drawn in the order given. */
export function startValues(
  parameters: readonly Parameter[],
  random: RandomStream,
): Map<string, Float32Array> {
  const draw = ({ attributes, shape }: Parameter) => {
    const { initial } = attributes;
    const values = new Float32Array(elementCount(shape));
    if ('fill' in initial) return values.fill(initial.fill);
    return values.map(() => (2 * random.uniform() - 1) * initial.limit);
  };
  return new Map(parameters.map((each) => [each.attributes.name, draw(each)]));
}

/** The same values in arrays of their own. */
export function copyValues(values: ParameterSet): Map<string, Float32Array> {
  return new Map([...values].map(([name, each]) => [name, each.slice()]));
}
