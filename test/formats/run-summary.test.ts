import { describe, expect, it } from 'vitest';
import { boundBy, STAGES, type StageLoads, stageLoad } from '../../src/formats/run-summary.js';

describe('the load of a stage', () => {
  it('is its share of the wall time over all lanes', () => {
    expect(stageLoad(3000, 2, 2000)).toEqual({ busy_s: 3, lanes: 2, utilisation: 0.75 });
    expect(stageLoad(0, 1, 0)).toEqual({ busy_s: 0, lanes: 1, utilisation: 0 });
    expect(stageLoad(2100, 1, 2000).utilisation).toBe(1);
  });
});

describe('what bounds a run', () => {
  const loads = (shares: Partial<Record<keyof StageLoads, number>>): StageLoads =>
    Object.fromEntries(
      STAGES.map((stage) => [stage, stageLoad((shares[stage] ?? 0) * 1000, 1, 1000)]),
    ) as StageLoads;

  it.each([
    [{ detect: 0.9, decode: 0.5 }, 'detecting in the sessions, busy 90 % of the time'],
    [{ detect: 0.3, refine: 0.6 }, 'refining in the sessions, busy 90 % of the time'],
    [{ decode: 0.8, detect: 0.7 }, 'decoding photos, busy 80 % of the time'],
    [{ main: 0.99, detect: 0.9 }, 'the main thread, busy 99 % of the time'],
    [{ write: 0.76 }, 'writing results, busy 76 % of the time'],
    [{ main: 0.4, detect: 0.5 }, undefined],
  ])('%j', (shares, words) => {
    expect(boundBy(loads(shares))).toBe(words);
  });
});
