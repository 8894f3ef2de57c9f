import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluateGroup, sampleActions } from '../../src/training/group.js';
import { RandomStream } from '../../src/training/random.js';

describe('sampleActions', () => {
  test('draws each action as often as it is likely', () => {
    const logProbabilities = Float32Array.of(0.5, 0, 0.2, 0.3).map((p) =>
      p > 0 ? Math.log(p) : -1e4,
    );
    const draws = sampleActions(logProbabilities, 20_000, RandomStream.fromSeed(1));
    const share = (action: number) => draws.filter((each) => each === action).length / 20_000;
    expect(share(0)).toBeCloseTo(0.5, 1);
    expect(share(1)).toBe(0);
    expect(share(2)).toBeCloseTo(0.2, 1);
    expect(share(3)).toBeCloseTo(0.3, 1);
  });

  test('never draws a masked action, whatever rounding leaves over', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), (seed, open) => {
        const logProbabilities = new Float32Array(60).fill(-1e4);
        logProbabilities.fill(-Math.log(open), 10, 10 + open);
        for (const action of sampleActions(logProbabilities, 8, RandomStream.fromSeed(seed))) {
          expect(action).toBeGreaterThanOrEqual(10);
          expect(action).toBeLessThan(10 + open);
        }
      }),
    );
  });
});

describe('evaluateGroup', () => {
  test('a worked example', () => {
    // Rewards 1, 1, 0, 0.5 have the mean 0.625 and the deviation sqrt(0.171875).
    const group = evaluateGroup(
      'normalized',
      Int32Array.of(2, 2, 0, 1),
      Float32Array.of(0, 0.5, 1, 0.7),
    );
    expect([...group.shares]).toEqual([0.25, 0.25, 0.5, 0]);
    expect(group.meanReward).toBeCloseTo(0.625, 6);
    expect(group.teaches).toBe(true);
    expect(group.advantages[2]).toBeCloseTo(0.375 / Math.sqrt(0.171875), 5);
    expect(group.advantages[0]).toBeCloseTo(-0.625 / Math.sqrt(0.171875), 5);
    expect(group.advantages[3]).toBe(0);
  });

  test('centred advantages keep the size of the rewards', () => {
    const group = evaluateGroup('centred', Int32Array.of(0, 1), Float32Array.of(0.1, 1));
    expect(group.advantages[0]).toBeCloseTo(-0.45, 6);
    expect(group.advantages[1]).toBeCloseTo(0.45, 6);
  });

  test('normalized advantages are blind to what a correction earns more than a confirmation', () => {
    const actions = Int32Array.of(0, 1, 1);
    const corrected = evaluateGroup('normalized', actions, Float32Array.of(0.1, 1));
    const confirmed = evaluateGroup('normalized', actions, Float32Array.of(0.1, 0.55));
    expect(corrected.advantages[1]).toBeCloseTo(confirmed.advantages[1]!, 5);
  });

  test('equal rewards teach nothing', () => {
    const group = evaluateGroup(
      'normalized',
      Int32Array.of(0, 1, 1),
      Float32Array.of(0.55, 0.55, 1),
    );
    expect(group.teaches).toBe(false);
    expect([...group.advantages]).toEqual([0, 0, 0]);
  });

  test('advantages of the samples have mean 0 and deviation 1', () => {
    const reward = fc.constantFrom(0.1, 0.55, 1);
    const sampled = fc.array(fc.nat(5), { minLength: 2, maxLength: 16 });
    fc.assert(
      fc.property(fc.array(reward, { minLength: 6, maxLength: 6 }), sampled, (rewards, actions) => {
        const group = evaluateGroup(
          'normalized',
          Int32Array.from(actions),
          Float32Array.from(rewards),
        );
        const each = actions.map((action) => group.advantages[action]!);
        const mean = each.reduce((a, b) => a + b, 0) / each.length;
        const variance = each.reduce((sum, value) => sum + value * value, 0) / each.length;
        expect(mean).toBeCloseTo(0, 5);
        expect(variance).toBeCloseTo(group.teaches ? 1 : 0, 4);
        expect(group.shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      }),
    );
  });
});
