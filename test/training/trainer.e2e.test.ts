import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TRAINING_DEFAULTS, type TrainingSettings } from '../../src/training/settings.js';
import { type EpochReport, startState, train } from '../../src/training/trainer.js';
import { policyParameters } from '../../src/training/training-graph.js';
import { LocalRuntime } from './graph-session.js';
import { TOY_POLICY, toyQueries } from './toy-scene.js';

const PARAMETERS = policyParameters(TOY_POLICY);

let runtime: LocalRuntime;

beforeAll(() => {
  runtime = new LocalRuntime();
});

afterAll(() => runtime.close());

async function learned(
  settings: TrainingSettings,
  count: number,
  shadeNoise: number,
): Promise<EpochReport[]> {
  const scenes = { toolAccuracy: 0.55, shadeNoise };
  const queries = toyQueries({ seed: 1, count, ...scenes });
  const validation = toyQueries({ seed: 2, count: 400, ...scenes }).map(({ views }) => views[0]);
  const setup = { policy: TOY_POLICY, settings, queries, validation, runtime };
  const reports: EpochReport[] = [];
  for await (const report of train(setup, startState(PARAMETERS, settings.seed))) {
    reports.push(report);
  }
  return reports;
}

const BASE: TrainingSettings = { ...TRAINING_DEFAULTS, dropout: 0, wordDropout: 0 };

describe('scenes of boxes with places and shades to ask for', () => {
  test('the warm start reads ranks off the other boxes', async () => {
    const reports = await learned(
      {
        ...BASE,
        warmStart: { epochs: 30, learningRate: 4e-3, schedule: 'cosine' },
        grpo: { ...BASE.grpo, epochs: 0 },
      },
      1500,
      0,
    );
    const last = reports.at(-1)!.validation!;
    expect(last.toolAccuracy).toBeLessThan(0.75);
    expect(last.thinkAccuracy).toBeGreaterThan(0.85);
    expect(last.accuracy).toBeGreaterThan(0.93);
    expect(last.lost).toBeLessThan(0.06);
  });

  test('GRPO corrects more than the warm start it comes from', async () => {
    const reports = await learned(
      {
        ...BASE,
        warmStart: { epochs: 5, learningRate: 3e-3, schedule: 'constant' },
        grpo: { epochs: 12, learningRate: 1e-3, schedule: 'cosine' },
      },
      1200,
      0.15,
    );
    const warm = reports.filter(({ phase }) => phase === 'warm-start');
    const grpo = reports.filter(({ phase }) => phase === 'grpo');
    const before = Math.max(...warm.map(({ validation }) => validation!.corrected!));
    const after = grpo.at(-1)!.validation!;
    expect(after.corrected).toBeGreaterThan(before + 0.03);
    expect(after.accuracy).toBeGreaterThan(after.toolAccuracy + 0.1);
    expect(after.lost).toBeLessThan(0.06);
    expect(grpo.at(-1)!.sampling!.meanReward).toBeGreaterThan(grpo[0]!.sampling!.meanReward + 0.02);
  });
});
