import { expect, test } from 'vitest';
import { missedGates, parseGates } from '../../src/evaluate/settings.js';

test('gates are read and checked', () => {
  const gates = parseGates('accuracy=0.6, ccr=0.3,nsri=-0.1,accuracy@0.75=0.5');
  expect(
    missedGates(gates, { accuracy: 0.6, ccr: 0.29, nsri: -0.2, 'accuracy@0.75': 0.7 }),
  ).toEqual([
    { metric: 'ccr', least: 0.3, got: 0.29 },
    { metric: 'nsri', least: -0.1, got: -0.2 },
  ]);
});

test('a metric that is not defined misses its gate', () => {
  expect(missedGates(parseGates('ccr=0'), { ccr: null })).toEqual([
    { metric: 'ccr', least: 0, got: null },
  ]);
});

test.each(['', 'accuracy', 'accuracy=', 'accuracy=high', '=0.5', 'a=1,,b=2', 'a=1e9'])(
  'gate `%s` is refused',
  (text) => {
    expect(() => parseGates(text)).toThrow(/expected METRIC=NUMBER/);
  },
);

test.each(['accurracy', 'constructor', '__proto__'])('metric `%s` is not known', (metric) => {
  expect(() => missedGates([{ metric, least: 0 }], { accuracy: 1 })).toThrow(/there is no metric/);
});
