/** `cosine` falls from the full rate to a twentieth of it over the phase. */
export type ScheduleKind = 'constant' | 'cosine';

export interface Schedule {
  readonly kind: ScheduleKind;
  /** Highest learning rate. */
  readonly rate: number;
  /** Steps over which the rate rises from 0. */
  readonly rampSteps: number;
  readonly totalSteps: number;
}

const LAST_SHARE = 0.05;

/**
 * Learning rate of a step, counted from 1.
 * @see Loshchilov, Hutter 2017, arXiv 1608.03983, for the cosine
 */
export function learningRate(schedule: Schedule, step: number): number {
  const { kind, rate, rampSteps, totalSteps } = schedule;
  if (step <= rampSteps) return (rate * step) / rampSteps;
  if (kind === 'constant') return rate;
  const done = Math.min(1, (step - rampSteps) / Math.max(1, totalSteps - rampSteps));
  return rate * (LAST_SHARE + ((1 - LAST_SHARE) * (1 + Math.cos(Math.PI * done))) / 2);
}
