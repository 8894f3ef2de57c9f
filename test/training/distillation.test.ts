import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PolicySettings } from '../../src/refinement/policy-inputs.js';
import type { ParameterSet } from '../../src/training/adamw.js';
import { meanReading } from '../../src/training/ensemble-choice.js';
import { PolicyGraphs, type PolicyReading } from '../../src/training/policy-graphs.js';
import { TRAINING_DEFAULTS, type TrainingSettings } from '../../src/training/settings.js';
import {
  type EpochReport,
  startState,
  type TrainingState,
  train,
} from '../../src/training/trainer.js';
import { policyParameters } from '../../src/training/training-graph.js';
import { decodeTrainingState, encodeTrainingState } from '../../src/training/training-state.js';
import { LocalRuntime } from './graph-session.js';
import { TOY_POLICY, toyQueries } from './toy-scene.js';

const POLICY: PolicySettings = { ...TOY_POLICY, width: 8, heads: 2, hidden: 12 };
const PARAMETERS = policyParameters(POLICY);
const QUERIES = toyQueries({ seed: 1, count: 120, toolAccuracy: 0.5, shadeNoise: 0.2 });
const OTHERS = toyQueries({ seed: 2, count: 60, toolAccuracy: 0.5, shadeNoise: 0.2 }).map(
  ({ views }) => views[0],
);
const SETTINGS: TrainingSettings = {
  ...TRAINING_DEFAULTS,
  warmStart: { epochs: 10, learningRate: 4e-3, schedule: 'cosine' },
  grpo: { ...TRAINING_DEFAULTS.grpo, epochs: 0 },
  distillation: { epochs: 20, learningRate: 4e-3, schedule: 'cosine' },
  batch: 16,
  averaging: 0.9,
};

let runtime: LocalRuntime;
let teachers: readonly ParameterSet[];

beforeAll(async () => {
  runtime = new LocalRuntime();
  teachers = [await taughtByTruth(1), await taughtByTruth(2)];
});

afterAll(() => runtime.close());

async function epochs(
  settings: TrainingSettings,
  from: TrainingState,
  rate?: () => number,
): Promise<EpochReport[]> {
  const setup = {
    ...{ policy: POLICY, settings, queries: QUERIES, runtime, teachers },
    ...(rate ? { validation: OTHERS, rate } : { validation: [] }),
  };
  const reports: EpochReport[] = [];
  for await (const report of train(setup, from)) reports.push(report);
  return reports;
}

async function taughtByTruth(seed: number): Promise<ParameterSet> {
  const reports = await epochs({ ...SETTINGS, seed }, startState(PARAMETERS, seed));
  return reports.at(-1)!.state.best.values;
}

const student = (initial?: ParameterSet) => startState(PARAMETERS, 3, initial, 'distillation');

async function read(values: ParameterSet): Promise<readonly PolicyReading[]> {
  const graphs = new PolicyGraphs(runtime, {
    ...{ settings: POLICY, parameters: PARAMETERS, clipRange: 0.2, microBatch: 16, words: 8 },
  });
  return graphs.read(values, OTHERS);
}

/** Mean divergence of rethink, nats. */
function divergence(from: readonly PolicyReading[], to: readonly PolicyReading[]): number {
  const each = from.map(({ rethink }, i) =>
    rethink.reduce((sum, log, at) => {
      const share = Math.exp(log);
      return share === 0 ? sum : sum + share * (log - to[i]!.rethink[at]!);
    }, 0),
  );
  return each.reduce((sum, value) => sum + value, 0) / each.length;
}

/** Mean distance between chances that the likeliest action is right. */
function scoreDistance(from: readonly PolicyReading[], to: readonly PolicyReading[]): number {
  const chance = (logOdds: number) => 1 / (1 + Math.exp(-logOdds));
  const each = from.map(({ rethink, score }, i) => {
    const at = rethink.indexOf(Math.max(...rethink));
    return Math.abs(chance(score[at]!) - chance(to[i]!.score[at]!));
  });
  return each.reduce((sum, value) => sum + value, 0) / each.length;
}

describe('distillation', { timeout: 60_000 }, () => {
  test.each(['its own start', 'the first teacher'])(
    'from %s a student comes nearer to the mean of its teachers than they are',
    async (start) => {
      const own = await Promise.all(teachers.map(read));
      const mean = own[0]!.map((_, i) => meanReading(own.map((each) => each[i]!)));
      const initial = start === 'its own start' ? undefined : teachers[0];
      const reports = await epochs(SETTINGS, student(initial));
      expect(reports.map(({ phase }) => phase)).toEqual(new Array(20).fill('distillation'));
      const taught = await read(reports.at(-1)!.state.best.values);
      for (const teacher of own) {
        expect(divergence(mean, taught)).toBeLessThan(0.5 * divergence(mean, teacher));
        expect(scoreDistance(mean, taught)).toBeLessThan(scoreDistance(mean, teacher));
      }
    },
  );

  test('keeps the last values, whatever validation says', async () => {
    const scores = [0.5, 0.3, 0.4];
    let at = 0;
    const settings = { ...SETTINGS, distillation: { ...SETTINGS.distillation, epochs: 3 } };
    const reports = await epochs(settings, student(), () => scores[at++]!);
    expect(reports.map(({ improved }) => improved)).toEqual([true, true, true]);
    const { best, learner } = reports.at(-1)!.state;
    expect(best).toMatchObject({ phase: 'distillation', epoch: 3, score: 0.4 });
    expect(best.values).toEqual(learner.average);
  });

  test('that stops after an epoch and goes on ends with the same bytes', async () => {
    const settings = {
      ...SETTINGS,
      distillation: { ...SETTINGS.distillation, epochs: 3 },
    };
    const whole = await epochs(settings, student());
    const bytes = encodeTrainingState(whole[0]!.state);
    const rest = await epochs(settings, decodeTrainingState(bytes, PARAMETERS));
    expect(rest).toHaveLength(2);
    expect(encodeTrainingState(rest.at(-1)!.state)).toEqual(
      encodeTrainingState(whole.at(-1)!.state),
    );
  });
});
