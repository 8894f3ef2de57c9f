import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ParameterSet } from '../../src/training/adamw.js';
import { LOSS_PARTS } from '../../src/training/losses.js';
import { startValues } from '../../src/training/parameter-values.js';
import {
  type ExampleTargets,
  type GradientPass,
  type Lesson,
  type LossValues,
  lossValues,
  PolicyGraphs,
} from '../../src/training/policy-graphs.js';
import { RandomStream } from '../../src/training/random.js';
import type { TrainingRuntime } from '../../src/training/session.js';
import { policyParameters } from '../../src/training/training-graph.js';
import { randomExample, SMALL_POLICY } from '../support/policy-example.js';
import { DoubleRuntime, type Nudge } from './double-runtime.js';
import { LocalRuntime } from './graph-session.js';

const PARAMETERS = policyParameters(SMALL_POLICY);
const CLIP = 0.2;
const WORDS = 8;
/** Half the distance of the two points of a central difference, in double precision. */
const STEP = 1e-6;

let runtime: LocalRuntime;

beforeAll(() => {
  runtime = new LocalRuntime();
});

afterAll(() => runtime.close());

function graphs(microBatch: number, on: TrainingRuntime = runtime): PolicyGraphs {
  const options = { settings: SMALL_POLICY, parameters: PARAMETERS, clipRange: CLIP };
  return new PolicyGraphs(on, { ...options, microBatch, words: WORDS });
}

/** Values at which no unit is at rest, so that every parameter has a gradient. */
function lively(seed: number): Map<string, Float32Array> {
  const random = RandomStream.fromSeed(seed);
  const values = startValues(PARAMETERS, random);
  for (const each of values.values()) {
    for (let i = 0; i < each.length; i++) each[i]! += 0.2 * (random.uniform() - 0.5);
  }
  return values;
}

/** Rethink learns nothing through think's belief, so for a comparison with differences it must not hear of it either. */
function deafToThink(values: Map<string, Float32Array>): Map<string, Float32Array> {
  const { toolFeatures, hidden } = SMALL_POLICY;
  values.get('tell.in.weight')!.fill(0, toolFeatures * hidden, (toolFeatures + 1) * hidden);
  return values;
}

/** Random targets of every kind; the old policy lies far enough away that some ratios are clipped. */
function lessons(count: number): Lesson[] {
  return Array.from({ length: count }, (_, i) => {
    const random = RandomStream.fromSeed(100 + i);
    const n = 2 + (i % 5) * 2;
    const example = randomExample(i, n, 1 + (i % 7));
    const draw = (length: number, of: () => number) => Float32Array.from({ length }, of);
    const targets: ExampleTargets = {
      think: draw(n + 1, () => random.uniform() / count).map((value, j) =>
        example.thinkMask[j] === 0 ? 0 : value,
      ),
      rethink: draw(n + 2, () => random.uniform() / count),
      scoreTarget: draw(n + 2, () => random.below(2)),
      scoreWeight: draw(n + 2, () => random.uniform() / count),
      sampled: draw(n + 2, () => (random.uniform() < 0.5 ? 0 : random.uniform() / count)),
      advantage: draw(n + 2, () => 4 * random.uniform() - 2),
      old: draw(n + 2, () => -1 - 2 * random.uniform()),
      reference: draw(n + 2, () => -1 - 2 * random.uniform()),
    };
    const dropout = [0, 1].map(() =>
      draw(SMALL_POLICY.width, () => (random.uniform() < 0.2 ? 0 : 1.25)),
    );
    return { example, targets, dropout };
  });
}

const WEIGHTS = lossValues(
  (part) => ({ think: 0.7, rethink: 1, score: 0.3, policy: 2, kl: 0.4 })[part],
);

function weightedTotal(parts: Readonly<LossValues>): number {
  return LOSS_PARTS.reduce((sum, part) => sum + parts[part] * WEIGHTS[part], 0);
}

describe('PolicyGraphs.gradient', { timeout: 60_000 }, () => {
  test('agrees with central differences through the whole network', async () => {
    const batch = lessons(6);
    const values = deafToThink(lively(3));
    const double = new DoubleRuntime();
    const bench = graphs(8, double);
    const { gradients } = await bench.gradient(values, batch, WEIGHTS);
    const random = RandomStream.fromSeed(9);
    const moved = async (nudge: Nudge) => {
      double.nudge = nudge;
      return (await bench.gradient(values, batch, WEIGHTS)).loss;
    };
    let checked = 0;
    for (const { attributes } of PARAMETERS) {
      const { name } = attributes;
      for (let draw = 0; draw < 4; draw++) {
        const index = random.below(values.get(name)!.length);
        const up = await moved({ name, index, by: STEP });
        const down = await moved({ name, index, by: -STEP });
        const numeric = (up - down) / (2 * STEP);
        const analytic = gradients.get(name)![index]!;
        const message = `${name}[${index}]: ${analytic} and ${numeric}`;
        expect(Math.abs(analytic - numeric), message).toBeLessThan(
          1e-5 * Math.max(1, Math.abs(numeric)),
        );
        if (Math.abs(numeric) > 1e-3) checked++;
      }
    }
    expect(checked).toBeGreaterThan(PARAMETERS.length);
    await double.close();
  });

  test('does not depend on how a batch is cut', async () => {
    const batch = lessons(7);
    const values = lively(4);
    const [whole, cut] = await Promise.all([
      graphs(8).gradient(values, batch, WEIGHTS),
      graphs(2).gradient(values, batch, WEIGHTS),
    ]);
    expect(cut.loss).toBeCloseTo(whole.loss, 4);
    expect(largestDifference(cut, whole)).toBeLessThan(1e-4);
  });

  test('losses are what their formulas say', async () => {
    const batch = lessons(5).map(({ example, targets }) => ({ example, targets }));
    const values = lively(5);
    const bench = graphs(8);
    const { parts, loss } = await bench.gradient(values, batch, WEIGHTS);
    const expected = await expectedLosses(bench, values, batch);
    for (const part of ['think', 'rethink', 'score', 'policy', 'kl'] as const) {
      expect(parts[part], part).toBeCloseTo(expected[part], 4);
    }
    expect(loss).toBeCloseTo(weightedTotal(expected), 4);
  });

  test('on the samples themselves the ratio is 1 and nothing diverges', async () => {
    const bench = graphs(8);
    const values = lively(6);
    const drawn = lessons(4);
    const readings = await bench.read(
      values,
      drawn.map(({ example }) => example),
    );
    const batch = drawn.map(({ example, targets }, i) => {
      const own = readings[i]!.rethink;
      return { example, targets: { ...targets, old: own, reference: own } };
    });
    const { parts } = await bench.gradient(values, batch, WEIGHTS);
    const mean = batch.reduce(
      (sum, { targets }) =>
        sum + targets.sampled.reduce((s, share, a) => s + share * targets.advantage[a]!, 0),
      0,
    );
    expect(parts.kl).toBeCloseTo(0, 6);
    expect(parts.policy).toBeCloseTo(-mean, 5);
  });
});

/** Every part of the loss in double precision, from what the policy says of each example. */
async function expectedLosses(bench: PolicyGraphs, values: ParameterSet, batch: readonly Lesson[]) {
  const readings = await bench.read(
    values,
    batch.map(({ example }) => example),
  );
  const sums = { think: 0, rethink: 0, score: 0, policy: 0, kl: 0 };
  for (const [i, { targets }] of batch.entries()) {
    const { think, rethink, score } = readings[i]!;
    targets.think.forEach((share, choice) => {
      sums.think -= share * think[choice]!;
    });
    rethink.forEach((logProbability, action) => {
      const share = targets.sampled[action]!;
      const advantage = targets.advantage[action]!;
      const right = targets.scoreTarget[action]!;
      const probability = 1 / (1 + Math.exp(-score[action]!));
      const ratio = Math.exp(logProbability - targets.old[action]!);
      const clipped = Math.min(Math.max(ratio, 1 - CLIP), 1 + CLIP);
      const d = targets.reference[action]! - logProbability;
      sums.rethink -= targets.rethink[action]! * logProbability;
      sums.score -=
        targets.scoreWeight[action]! *
        (right * Math.log(probability) + (1 - right) * Math.log(1 - probability));
      sums.policy -= share * Math.min(ratio * advantage, clipped * advantage);
      sums.kl += share * (Math.exp(d) - d - 1);
    });
  }
  return sums;
}

function largestDifference(a: GradientPass, b: GradientPass): number {
  let largest = 0;
  for (const [name, values] of a.gradients) {
    const others = b.gradients.get(name)!;
    values.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(value - others[i]!));
    });
  }
  return largest;
}
