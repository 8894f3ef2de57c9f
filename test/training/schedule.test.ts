import { expect, test } from 'vitest';
import { learningRate, type Schedule } from '../../src/training/schedule.js';

const COSINE: Schedule = { kind: 'cosine', rate: 1, rampSteps: 10, totalSteps: 110 };

test.each([
  ['rises', COSINE, 1, 0.1],
  ['stands at the top', COSINE, 10, 1],
  ['falls by half on the way', COSINE, 60, 0.525],
  ['ends at a twentieth', COSINE, 110, 0.05],
  ['stays there', COSINE, 500, 0.05],
  ['a constant rises too', { ...COSINE, kind: 'constant' as const }, 5, 0.5],
  ['and stays', { ...COSINE, kind: 'constant' as const }, 110, 1],
  ['a phase of one epoch only rises', { ...COSINE, totalSteps: 10 }, 10, 1],
])('%s', (_, schedule, step, expected) => {
  expect(learningRate(schedule, step)).toBeCloseTo(expected, 12);
});
