import { expect, test } from 'vitest';
import { missedThresholds } from '../../src/evaluate/settings.js';

test('thresholds are read and checked', () => {
  const metrics = { accuracy: 0.6, ccr: 0.29, nsri: -0.2, 'accuracy@0.75': 0.7 };
  expect(missedThresholds('accuracy=0.6, ccr=0.3,nsri=-0.1,accuracy@0.75=0.5', metrics)).toEqual([
    { metric: 'ccr', min: 0.3, got: 0.29 },
    { metric: 'nsri', min: -0.1, got: -0.2 },
  ]);
});

test('a metric that is not defined misses its threshold', () => {
  expect(missedThresholds('ccr=0', { ccr: null })).toEqual([{ metric: 'ccr', min: 0, got: null }]);
});

test.each(['', 'accuracy', 'accuracy=', 'accuracy=high', '=0.5', 'a=1,,b=2', 'a=1e9'])(
  'threshold `%s` is refused',
  (text) => {
    expect(() => missedThresholds(text, { a: 1 })).toThrow(/expected METRIC=NUMBER/);
  },
);

test.each(['accurracy', 'constructor', '__proto__'])('metric `%s` is not known', (metric) => {
  expect(() => missedThresholds(`${metric}=0`, { accuracy: 1 })).toThrow(/there is no metric/);
});
