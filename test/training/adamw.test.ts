import { describe, expect, test } from 'vitest';
import { ADAMW_DEFAULTS, adamWStep, startMoments } from '../../src/training/adamw.js';
import { clipScale, globalNorm } from '../../src/training/gradient-clip.js';
import { RandomStream } from '../../src/training/random.js';

const always = () => true;

describe('adamWStep', () => {
  test('the first step moves each value by the learning rate against the sign of its gradient', () => {
    const values = new Map([['w', new Float32Array([1, 1, 1])]]);
    const settings = { ...ADAMW_DEFAULTS, weightDecay: 0 };
    const gradients = new Map([['w', new Float32Array([0.3, -20, 0])]]);
    const at = { step: 1, learningRate: 0.01, gradientScale: 1, decays: always };
    adamWStep(values, gradients, startMoments(values), settings, at);
    const [up, down, still] = values.get('w')!;
    expect(up).toBeCloseTo(0.99, 6);
    expect(down).toBeCloseTo(1.01, 6);
    expect(still).toBe(1);
  });

  test('follows the published algorithm over many steps', () => {
    // Algorithm 2 written down in double precision, one value at a time.
    const random = RandomStream.fromSeed(4);
    const settings = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.1 };
    const start = Float32Array.from({ length: 6 }, () => random.uniform() - 0.5);
    const values = new Map([['w', start.slice()]]);
    const moments = startMoments(values);
    const theta = Float64Array.from(start);
    const m = new Float64Array(6);
    const v = new Float64Array(6);
    for (let step = 1; step <= 50; step++) {
      const gradient = Float32Array.from({ length: 6 }, () => random.uniform() - 0.4);
      const at = { step, learningRate: 0.02, gradientScale: 0.5, decays: always };
      adamWStep(values, new Map([['w', gradient]]), moments, settings, at);
      for (let i = 0; i < 6; i++) {
        const g = gradient[i]! * 0.5;
        m[i] = 0.9 * m[i]! + 0.1 * g;
        v[i] = 0.98 * v[i]! + 0.02 * g * g;
        const mean = m[i]! / (1 - 0.9 ** step);
        const square = v[i]! / (1 - 0.98 ** step);
        theta[i]! -= 0.02 * (mean / (Math.sqrt(square) + 1e-8) + 0.1 * theta[i]!);
      }
    }
    values.get('w')!.forEach((value, i) => {
      expect(value).toBeCloseTo(theta[i]!, 4);
    });
  });

  test('weight decay spares the parameters that are exempt', () => {
    const values = new Map([
      ['weight', new Float32Array([1])],
      ['bias', new Float32Array([1])],
    ]);
    const zeros = new Map([...values].map(([name]) => [name, new Float32Array(1)]));
    const at = {
      step: 1,
      learningRate: 0.1,
      gradientScale: 1,
      decays: (name: string) => name === 'weight',
    };
    adamWStep(values, zeros, startMoments(values), { ...ADAMW_DEFAULTS, weightDecay: 0.5 }, at);
    expect(values.get('weight')![0]).toBeCloseTo(0.95, 6);
    expect(values.get('bias')![0]).toBe(1);
  });

  test('a missing gradient is an error', () => {
    const values = new Map([['w', new Float32Array(2)]]);
    const at = { step: 1, learningRate: 0.1, gradientScale: 1, decays: always };
    const step = () => adamWStep(values, new Map(), startMoments(values), ADAMW_DEFAULTS, at);
    expect(step).toThrow('`w`: expected a gradient of 2, got none');
  });
});

describe('gradient clipping', () => {
  const gradients = new Map([
    ['a', new Float32Array([3])],
    ['b', new Float32Array([0, 4])],
  ]);

  test('the norm is over all parameters together', () => {
    expect(globalNorm(gradients)).toBe(5);
    expect(globalNorm(new Map())).toBe(0);
    expect(globalNorm(new Map([['a', new Float32Array([1, Number.NaN])]]))).toBeNaN();
  });

  test.each([
    [5, 1, 0.2],
    [0.5, 1, 1],
    [1, 1, 1],
    [0, 1, 1],
  ])('norm %d under limit %d is scaled by %d', (norm, limit, expected) => {
    expect(clipScale(norm, limit)).toBe(expected);
  });
});
