import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PolicySettings } from '../../src/refinement/policy-inputs.js';
import { DivergenceError } from '../../src/training/learner.js';
import { TRAINING_DEFAULTS, type TrainingSettings } from '../../src/training/settings.js';
import {
  type EpochReport,
  startState,
  type TrainingSetup,
  type TrainingState,
  train,
} from '../../src/training/trainer.js';
import { policyParameters } from '../../src/training/training-graph.js';
import {
  decodeTrainingState,
  encodeTrainingState,
  TrainingStateError,
} from '../../src/training/training-state.js';
import { LocalRuntime } from './graph-session.js';
import { TOY_POLICY, toyQueries } from './toy-scene.js';

const POLICY: PolicySettings = { ...TOY_POLICY, width: 8, heads: 2, hidden: 12 };
const PARAMETERS = policyParameters(POLICY);
const QUERIES = toyQueries({ seed: 1, count: 40, toolAccuracy: 0.5, shadeNoise: 0.2 });
const VALIDATION = toyQueries({ seed: 2, count: 20, toolAccuracy: 0.5, shadeNoise: 0.2 });

const SETTINGS: TrainingSettings = {
  ...TRAINING_DEFAULTS,
  warmStart: { epochs: 2, learningRate: 2e-3, schedule: 'cosine' },
  grpo: { epochs: 2, learningRate: 1e-3, schedule: 'constant' },
  batch: 16,
  microBatch: 8,
  innerSteps: 2,
};

let runtime: LocalRuntime;

beforeAll(() => {
  runtime = new LocalRuntime();
});

afterAll(() => runtime.close());

function setup(changes: Partial<TrainingSetup> = {}): TrainingSetup {
  return {
    policy: POLICY,
    settings: SETTINGS,
    queries: QUERIES,
    validation: VALIDATION.map(({ views }) => views[0]),
    runtime,
    ...changes,
  };
}

async function reports(
  each: TrainingSetup,
  from: TrainingState = startState(PARAMETERS, each.settings.seed),
  limit = Number.POSITIVE_INFINITY,
): Promise<EpochReport[]> {
  const all: EpochReport[] = [];
  for await (const report of train(each, from)) {
    all.push(report);
    if (all.length === limit) break;
  }
  return all;
}

const bytesOf = (report: EpochReport | undefined) => encodeTrainingState(report!.state);

describe('train', { timeout: 60_000 }, () => {
  test('warms up, then samples; steps, rates and statistics are reported', async () => {
    const all = await reports(setup());
    expect(all.map(({ phase, epoch, step }) => [phase, epoch, step])).toEqual([
      ['warm-start', 1, 3],
      ['warm-start', 2, 6],
      ['grpo', 1, 6],
      ['grpo', 2, 12],
    ]);
    expect(all.map(({ sampling }) => sampling !== undefined)).toEqual([false, false, true, true]);
    expect(all[0]!.learningRate).toBeCloseTo(2e-3, 9);
    expect(all[1]!.learningRate).toBeCloseTo(1e-4, 9);
    for (const { validation, losses } of all) {
      expect(validation!.actions).toHaveLength(20);
      expect(Object.values(losses).every(Number.isFinite)).toBe(true);
    }
  });

  test('the same seed gives the same bytes, another seed gives others', async () => {
    const [one, two] = [await reports(setup()), await reports(setup())];
    expect(bytesOf(two.at(-1))).toEqual(bytesOf(one.at(-1)));
    const other = await reports(setup({ settings: { ...SETTINGS, seed: 2 } }));
    expect(bytesOf(other.at(-1))).not.toEqual(bytesOf(one.at(-1)));
  });

  test('threads of a session do not change the bytes', async () => {
    const threaded = new LocalRuntime(4);
    const [one, two] = [await reports(setup()), await reports(setup({ runtime: threaded }))];
    expect(bytesOf(two.at(-1))).toEqual(bytesOf(one.at(-1)));
    await threaded.close();
  });

  test('training that stops after any epoch and goes on ends with the same bytes', async () => {
    const whole = await reports(setup());
    for (let stop = 1; stop < whole.length; stop++) {
      const first = await reports(setup(), undefined, stop);
      const state = decodeTrainingState(bytesOf(first.at(-1)), PARAMETERS);
      const rest = await reports(setup(), state);
      expect(rest).toHaveLength(whole.length - stop);
      expect(bytesOf(rest.at(-1)), `stopped after ${stop}`).toEqual(bytesOf(whole.at(-1)));
    }
  });

  test('a finished training has nothing left to do', async () => {
    const all = await reports(setup());
    expect(await reports(setup(), all.at(-1)!.state)).toEqual([]);
  });

  test('earlier values can be trained on, without a warm start', async () => {
    const first = await reports(setup());
    const settings = { ...SETTINGS, warmStart: { ...SETTINGS.warmStart, epochs: 0 } };
    const from = startState(PARAMETERS, 5, first.at(-1)!.state.best.values);
    const more = await reports(setup({ settings }), from);
    expect(more.map(({ phase }) => phase)).toEqual(['grpo', 'grpo']);
    expect(more[0]!.state.reference).toEqual(first.at(-1)!.state.best.values);
  });

  test('the best values are those with the best rating', async () => {
    const scores = [0.3, 0.5, 0.4, 0.5];
    let at = 0;
    const all = await reports(setup({ rate: () => scores[at++]! }));
    expect(all.map(({ improved }) => improved)).toEqual([true, true, false, false]);
    expect(all.at(-1)!.state.best).toMatchObject({ phase: 'warm-start', epoch: 2, score: 0.5 });
    expect(all.at(-1)!.state.best.values).toEqual(all[1]!.state.learner.average);
    expect(all[2]!.state.reference).toEqual(all[1]!.state.learner.average);
  });

  test('validated values are the running mean of the steps', async () => {
    const plain = await reports(setup({ settings: { ...SETTINGS, averaging: 0 } }), undefined, 2);
    const held = await reports(setup({ settings: { ...SETTINGS, averaging: 1 } }), undefined, 2);
    const start = startState(PARAMETERS, 1).learner.values;
    expect(plain[1]!.state.learner.average).toEqual(plain[1]!.state.learner.values);
    expect(held[1]!.state.learner.average).toEqual(start);
    expect(held[1]!.state.learner.values).toEqual(plain[1]!.state.learner.values);
  });

  test('patience ends a phase', async () => {
    const settings = {
      ...SETTINGS,
      patience: 1,
      warmStart: { ...SETTINGS.warmStart, epochs: 9 },
      grpo: { ...SETTINGS.grpo, epochs: 9 },
    };
    const scores = [1, 0, 0, 2, 0, 0];
    let at = 0;
    const all = await reports(setup({ settings, rate: () => scores[at++]! }));
    expect(all.map(({ phase, epoch }) => `${phase} ${epoch}`)).toEqual([
      'warm-start 1',
      'warm-start 2',
      'grpo 1',
    ]);
  });

  test('without validation the last values count', async () => {
    const all = await reports(setup({ validation: [] }));
    const { state, validation } = all.at(-1)!;
    expect(validation).toBeUndefined();
    expect(state.best.values).toEqual(state.learner.average);
    expect(state.best.score).toBeUndefined();
  });

  test('a loss that is no number stops at its step; the last state is good', async () => {
    const settings = { ...SETTINGS, warmStart: { ...SETTINGS.warmStart, learningRate: 1e30 } };
    let last: EpochReport | undefined;
    const run = async () => {
      for await (const report of train(setup({ settings }), startState(PARAMETERS, 1)))
        last = report;
    };
    const thrown = await run().catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(DivergenceError);
    expect((thrown as DivergenceError).step).toBeGreaterThan(1);
    expect((thrown as DivergenceError).message).toContain('expected a finite loss and gradient');
    if (last !== undefined)
      expect(
        [...last.state.best.values.values()].flatMap((v) => [...v]).every(Number.isFinite),
      ).toBe(true);
  });

  test('overlaps of another length are refused before anything runs', async () => {
    const broken = { ...QUERIES[0]!.views[0], overlaps: new Float32Array(2) };
    const run = reports(setup({ queries: [{ views: [broken] }] }));
    await expect(run).rejects.toThrow('overlaps: expected');
  });
});

describe('training state', () => {
  test('survives the way through bytes', async () => {
    const [report] = await reports(setup(), undefined, 1);
    expect(decodeTrainingState(bytesOf(report), PARAMETERS)).toEqual(report!.state);
  });

  test('bytes that are cut short, damaged or of another network are refused', async () => {
    const bytes = encodeTrainingState(startState(PARAMETERS, 1));
    const decode =
      (each: Uint8Array, parameters = PARAMETERS) =>
      () =>
        decodeTrainingState(each, parameters);
    expect(decode(bytes.subarray(0, bytes.length - 1))).toThrow('cut short or damaged');
    expect(decode(bytes.subarray(0, 10))).toThrow('expected a training state of version 1');
    expect(decode(bytes.subarray(0, 60))).toThrow('the header is damaged');
    const wider = policyParameters({ ...POLICY, width: 16 });
    expect(decode(bytes, wider)).toThrow('belongs to a network of other sizes');
    expect(decode(new Uint8Array(0))).toThrow(TrainingStateError);
  });
});
