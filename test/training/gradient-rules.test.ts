import { describe, expect, test } from 'vitest';
import type { NamedTensors, Tensor } from '../../src/detection/tensor.js';
import { matMul } from '../../src/tensor/contraction.js';
import {
  absolute,
  add,
  clip,
  divide,
  exponential,
  greater,
  less,
  logarithm,
  minimum,
  multiply,
  negate,
  relu,
  sigmoid,
  softplus,
  squareRoot,
  subtract,
  where,
} from '../../src/tensor/elementwise.js';
import {
  COMPUTED_OPERATORS,
  type ComputedOperator,
  constant,
  type Expression,
  input,
  topologicalOrder,
} from '../../src/tensor/expression.js';
import {
  cast,
  concat,
  expand,
  gather,
  reshape,
  scatterAdd,
  slice,
  stopGradient,
  transpose,
} from '../../src/tensor/layout.js';
import {
  layerNormalization,
  logSumExp,
  maxOver,
  meanOver,
  softmax,
  sumOver,
} from '../../src/tensor/reduction.js';
import { elementCount, numericShape, type Shape } from '../../src/tensor/shape.js';
import { gradientsOf } from '../../src/training/gradient.js';
import { GRADIENT_RULES } from '../../src/training/gradient-rules.js';
import { RandomStream } from '../../src/training/random.js';
import { floats, openGraph } from './graph-session.js';

/** Half the distance of the two points of a central difference: float32 rounding and curvature are both small here. */
const STEP = 2 ** -7;
const TOLERANCE = 2e-3;

/** `any`: magnitudes 0.1..1.5 of either sign. `positive`: 0.4..1.9. Both keep clear of kinks at 0 by more than a step. */
type Range = 'any' | 'positive';

interface Check {
  /** The operator that the check stands for. */
  readonly operator: ComputedOperator;
  readonly label?: string;
  readonly inputs: readonly (readonly [shape: readonly number[], range?: Range])[];
  readonly build: (...inputs: Expression[]) => Expression;
}

const IDS = constant([2, 0, 2, 1, 2, 3], [2, 3], 'int32');

const CHECKS: readonly Check[] = [
  { operator: 'Abs', inputs: [[[2, 3]]], build: (x) => absolute(x!) },
  { operator: 'Add', inputs: [[[2, 3]], [[2, 3]]], build: (a, b) => add(a!, b!) },
  { operator: 'Add', label: 'a row', inputs: [[[2, 4, 3]], [[3]]], build: (a, b) => add(a!, b!) },
  {
    operator: 'Add',
    label: 'both stretched',
    inputs: [[[2, 1, 3]], [[4, 1]]],
    build: (a, b) => add(a!, b!),
  },
  { operator: 'Add', label: 'to itself', inputs: [[[2, 3]]], build: (x) => add(x!, x!) },
  {
    operator: 'Clip',
    inputs: [[[3, 4]]],
    build: (x) => clip(x!, -0.05, 5),
  },
  { operator: 'Clip', label: 'above', inputs: [[[3, 4]]], build: (x) => clip(x!, -5, 0.05) },
  {
    operator: 'Concat',
    inputs: [[[2, 1, 3]], [[2, 4, 3]], [[2, 2, 3]]],
    build: (a, b, c) => concat([a!, b!, c!], 1),
  },
  { operator: 'Concat', label: 'twice', inputs: [[[2, 3]]], build: (x) => concat([x!, x!], -1) },
  {
    operator: 'Div',
    inputs: [[[2, 3]], [[2, 3], 'positive']],
    build: (a, b) => divide(a!, b!),
  },
  {
    operator: 'Div',
    label: 'stretched',
    inputs: [[[3]], [[2, 1], 'positive']],
    build: (a, b) => divide(a!, b!),
  },
  { operator: 'Exp', inputs: [[[2, 3]]], build: (x) => exponential(x!) },
  { operator: 'Expand', inputs: [[[2, 1, 3]]], build: (x) => expand(x!, [2, 4, 3]) },
  { operator: 'Gather', inputs: [[[5, 2]]], build: (table) => gather(table!, IDS) },
  {
    operator: 'LayerNormalization',
    inputs: [[[2, 3, 4]]],
    build: (x) => layerNormalization(x!),
  },
  { operator: 'Log', inputs: [[[2, 3], 'positive']], build: (x) => logarithm(x!) },
  { operator: 'Log', label: 'softplus', inputs: [[[2, 3]]], build: (x) => softplus(x!) },
  { operator: 'Log', label: 'logSumExp', inputs: [[[2, 4]]], build: (x) => logSumExp(x!) },
  { operator: 'MatMul', inputs: [[[3, 4]], [[4, 2]]], build: (a, b) => matMul(a!, b!) },
  {
    operator: 'MatMul',
    label: 'shared weight',
    inputs: [[[2, 3, 4]], [[4, 2]]],
    build: (a, b) => matMul(a!, b!),
  },
  {
    operator: 'MatMul',
    label: 'batched',
    inputs: [[[2, 2, 3, 2]], [[2, 2, 2, 3]]],
    build: (a, b) => matMul(a!, b!),
  },
  {
    operator: 'MatMul',
    label: 'stretched batch',
    inputs: [[[2, 3]], [[2, 3, 2]]],
    build: (a, b) => matMul(a!, b!),
  },
  { operator: 'Mul', inputs: [[[2, 3]], [[2, 1]]], build: (a, b) => multiply(a!, b!) },
  { operator: 'Mul', label: 'square', inputs: [[[2, 3]]], build: (x) => multiply(x!, x!) },
  { operator: 'Neg', inputs: [[[2, 3]]], build: (x) => negate(x!) },
  { operator: 'ReduceMax', inputs: [[[3, 5]]], build: (x) => maxOver(x!, [1]) },
  { operator: 'ReduceMean', inputs: [[[2, 3, 4]]], build: (x) => meanOver(x!, [0, 2]) },
  { operator: 'ReduceSum', inputs: [[[2, 3, 4]]], build: (x) => sumOver(x!, [1]) },
  { operator: 'Relu', inputs: [[[3, 4]]], build: (x) => relu(x!) },
  { operator: 'Reshape', inputs: [[[2, 6]]], build: (x) => reshape(x!, [3, 4]) },
  {
    operator: 'ScatterElements',
    inputs: [[[4, 2]], [[5, 2]]],
    build: (base, rows) => scatterAdd(base!, constant([1, 3, 1, 0, 1], [5], 'int64'), rows!),
  },
  { operator: 'Sigmoid', inputs: [[[2, 3]]], build: (x) => sigmoid(x!) },
  { operator: 'Slice', inputs: [[[2, 5, 2]]], build: (x) => slice(x!, 1, 1, 3) },
  { operator: 'Slice', label: 'the start', inputs: [[[5, 2]]], build: (x) => slice(x!, 0, 0, 2) },
  { operator: 'Slice', label: 'the end', inputs: [[[2, 5]]], build: (x) => slice(x!, 1, 3, 5) },
  { operator: 'Softmax', inputs: [[[2, 3, 4]]], build: (x) => softmax(x!) },
  { operator: 'Sqrt', inputs: [[[2, 3], 'positive']], build: (x) => squareRoot(x!) },
  { operator: 'Sub', inputs: [[[2, 3]], [[3]]], build: (a, b) => subtract(a!, b!) },
  { operator: 'Transpose', inputs: [[[2, 3, 4]]], build: (x) => transpose(x!, [2, 0, 1]) },
  {
    operator: 'Where',
    inputs: [[[2, 3]], [[3]]],
    build: (a, b) => where(constant([1, 0, 0, 1, 1, 0], [2, 3], 'bool'), a!, b!),
  },
  {
    operator: 'Where',
    label: 'minimum',
    inputs: [[[2, 3]], [[3]]],
    build: (a, b) => minimum(a!, b!),
  },
];

/** Operators whose result does not move with their input, or through which nothing is learned by intent. */
const STILL: readonly ComputedOperator[] = ['Cast', 'Greater', 'Identity', 'Less'];

/** Values of one tensor differ by more than two steps, so that no maximum changes hands. */
function drawn(random: RandomStream, shape: Shape, range: Range): Float32Array {
  const count = elementCount(shape);
  const places = random.shuffled(Array.from({ length: count }, (_, index) => index));
  return Float32Array.from(places, (place) => {
    const share = (place + 0.5 * random.uniform()) / count;
    if (range === 'positive') return 0.4 + 1.5 * share;
    return random.uniform() < 0.5 ? -0.1 - 1.4 * share : 0.1 + 1.4 * share;
  });
}

/** Weights that make each element of the result count differently. */
function weighted(result: Expression, random: RandomStream): readonly [Expression, Float32Array] {
  const weights = drawn(random, result.shape, 'any');
  const shape = numericShape(result.shape);
  const product = multiply(result, constant([...weights], shape));
  return [
    reshape(
      sumOver(
        product,
        shape.map((_, axis) => axis),
      ),
      [],
    ),
    weights,
  ];
}

function nudged(feeds: NamedTensors, name: string, index: number, by: number): NamedTensors {
  const tensor = feeds[name]!;
  const data = Float32Array.from(tensor.data as Float32Array);
  data[index]! += by;
  return { ...feeds, [name]: { ...tensor, data } };
}

/** Analytic and central-difference derivatives of sum(weights * result) by every element of every input. */
async function bothDerivatives(check: Check, seed: number) {
  const random = RandomStream.fromSeed(seed);
  const inputs = check.inputs.map(([shape], index) => input(`x${index}`, shape));
  const feeds: Record<string, Tensor> = {};
  for (const [index, [shape, range]] of check.inputs.entries()) {
    feeds[`x${index}`] = {
      type: 'float32',
      data: drawn(random, shape, range ?? 'any'),
      dims: shape,
    };
  }
  const result = check.build(...inputs);
  const [loss, weights] = weighted(result, random);
  const gradients = gradientsOf(loss, inputs);
  const outputs = Object.fromEntries(gradients.map((each, index) => [`d${index}`, each]));
  const session = await openGraph({ result, ...outputs });
  try {
    const analytic = await session.run(feeds);
    const pairs: { where: string; analytic: number; numeric: number }[] = [];
    for (const [index, [shape]] of check.inputs.entries()) {
      for (let element = 0; element < elementCount(shape); element++) {
        const name = `x${index}`;
        const up = (await session.run(nudged(feeds, name, element, STEP))).result!;
        const down = (await session.run(nudged(feeds, name, element, -STEP))).result!;
        const numeric = weights.reduce(
          (sum, weight, i) => sum + (weight * (up[i]! - down[i]!)) / (2 * STEP),
          0,
        );
        pairs.push({
          where: `${name}[${element}]`,
          analytic: analytic[`d${index}`]![element]!,
          numeric,
        });
      }
    }
    return pairs;
  } finally {
    await session.close();
  }
}

describe('every rule agrees with central differences', () => {
  test.each(
    CHECKS.map((check) => [`${check.operator} ${check.label ?? ''}`.trim(), check] as const),
  )('%s', async (_, check) => {
    for (const seed of [1, 2]) {
      const pairs = await bothDerivatives(check, seed);
      for (const pair of pairs) {
        const allowed = TOLERANCE * Math.max(1, Math.abs(pair.numeric));
        expect(Math.abs(pair.analytic - pair.numeric), JSON.stringify(pair)).toBeLessThan(allowed);
      }
      expect(pairs.some((pair) => Math.abs(pair.numeric) > 0.01)).toBe(true);
    }
  });

  test('every operator has a rule and a check that uses it', () => {
    for (const operator of COMPUTED_OPERATORS) {
      expect(GRADIENT_RULES[operator], operator).toBeTypeOf('function');
      if (STILL.includes(operator)) continue;
      const checks = CHECKS.filter((check) => check.operator === operator);
      expect(checks.length, `${operator} has a check`).toBeGreaterThan(0);
      for (const check of checks) {
        const built = check.build(...check.inputs.map(([shape], i) => input(`x${i}`, shape)));
        const used = topologicalOrder([built]).map((node) => node.operator);
        expect(used, `${operator} is part of its check`).toContain(operator);
      }
    }
  });

  test('no gradient passes a comparison, a cast or a stop', () => {
    const x = input('x', [3]);
    const closed = {
      Greater: where(greater(x, 0.5), 1, 2),
      Less: where(less(x, 0.5), 1, 2),
      Cast: cast(cast(x, 'int32'), 'float32'),
      Identity: stopGradient(x),
    };
    for (const operator of STILL) {
      const loss = reshape(sumOver(closed[operator as keyof typeof closed], [0]), []);
      expect(() => gradientsOf(loss, [x]), operator).toThrow('does not reach the loss');
    }
  });
});

test('rows of an embedding that come often add up, on several threads as on one', async () => {
  const [rows, width, count] = [50, 32, 16_384];
  const random = RandomStream.fromSeed(5);
  const ids = Int32Array.from({ length: count }, () => random.below(7));
  const weights = Float32Array.from({ length: count * width }, () => random.uniform() - 0.5);
  const table = input('table', [rows, width]);
  const taken = gather(table, input('ids', [count], 'int32'));
  const loss = reshape(sumOver(multiply(taken, input('weights', [count, width])), [0, 1]), []);
  const expected = new Float64Array(rows * width);
  weights.forEach((weight, i) => {
    expected[ids[Math.floor(i / width)]! * width + (i % width)]! += weight;
  });
  const [gradient] = gradientsOf(loss, [table]);
  const session = await openGraph({ gradient: gradient! }, 'inputs', { intraOpNumThreads: 4 });
  const feeds = {
    ids: { type: 'int32', data: ids, dims: [count] },
    weights: floats(weights, [count, width]),
  } as const;
  for (let run = 0; run < 5; run++) {
    const result = (await session.run(feeds)).gradient!;
    const worst = Math.max(...result.map((value, i) => Math.abs(value - expected[i]!)));
    expect(worst).toBeLessThan(1e-3);
  }
  await session.close();
});
