import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/core/random.js';
import { bootstrapIntervals, type Interval } from '../../src/evaluate/bootstrap.js';
import { RefinementScores, signedRelativeIou } from '../../src/evaluate/metrics.js';
import { comparisonReport, refinementReport } from '../../src/evaluate/refinement-report.js';

/** Queries whose answer is right with a probability of `skill`. */
function randomRun(size: number, skill: number, seed = 1) {
  const random = new SeededRandom(seed);
  const scores = new RefinementScores();
  for (let index = 0; index < size; index++) {
    const [tool, luck] = [random.next(), random.next()];
    scores.add({ toolIou: tool, finalIou: luck < skill ? 0.9 : 0.1, group: `g${index % 4}` });
  }
  return scores;
}

describe('intervals', () => {
  test('agree with the normal approximation of a share', () => {
    const size = 4000;
    const scores = randomRun(size, 0.7);
    const accuracy = scores.metrics().accuracy!;
    const margin = 1.959964 * Math.sqrt((accuracy * (1 - accuracy)) / size);
    const [low, high] = bootstrapIntervals(scores).overall.accuracy!;
    expect(Math.abs(low - (accuracy - margin))).toBeLessThan(margin * 0.15);
    expect(Math.abs(high - (accuracy + margin))).toBeLessThan(margin * 0.15);
  });

  test('agree with their standard errors too where there are many queries', () => {
    const size = 40_000;
    const random = new SeededRandom(8);
    const scores = new RefinementScores();
    const gains: number[] = [];
    const deltas: number[] = [];
    for (let index = 0; index < size; index++) {
      const toolIou = random.next();
      const finalIou = random.next() < 0.3 ? toolIou : random.next();
      scores.add({ toolIou, finalIou, group: index % 400 === 0 ? 'rare' : 'common' });
      gains.push(signedRelativeIou(toolIou, finalIou));
      deltas.push(finalIou - toolIou);
    }
    const deviation = (values: number[]) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    };
    const share = (rate: number, of: number) => Math.sqrt((rate * (1 - rate)) / of);
    const { overall, groups } = bootstrapIntervals(scores);
    const metrics = scores.metrics();
    const toolWrong = size * (1 - metrics.tool_accuracy!);
    const rare = scores.groupMetrics().get('rare')!;
    const expectHalfWidth = (interval: Interval | null | undefined, error: number) => {
      expect((interval![1] - interval![0]) / 2 / (1.96 * error)).toBeGreaterThan(0.9);
      expect((interval![1] - interval![0]) / 2 / (1.96 * error)).toBeLessThan(1.1);
    };
    expectHalfWidth(overall.accuracy, share(metrics.accuracy!, size));
    expectHalfWidth(overall.ccr, share(metrics.ccr!, toolWrong));
    expectHalfWidth(overall.nsri, deviation(gains) / Math.sqrt(size));
    expectHalfWidth(overall.mean_iou_delta, deviation(deltas) / Math.sqrt(size));
    expectHalfWidth(groups.get('rare')!.accuracy, share(rare.accuracy!, rare.total));
    const [low, high] = overall.nsri!;
    expect(Math.abs((low + high) / 2 - metrics.nsri!)).toBeLessThan((high - low) / 10);
  });

  test('depend on the seed alone', () => {
    const scores = randomRun(200, 0.5);
    const of = (seed: number) => bootstrapIntervals(scores, { seed, resamples: 50 });
    expect(of(7)).toEqual(of(7));
    expect(of(7)).not.toEqual(of(8));
  });

  test('cover the truth about as often as they say', () => {
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      const scores = randomRun(100, 0.6, 1000 + trial);
      const [low, high] = bootstrapIntervals(scores, { resamples: 300 }).overall.accuracy!;
      if (low <= 0.6 && 0.6 <= high) covered++;
    }
    expect(covered).toBeGreaterThan(200 * 0.88);
    expect(covered).toBeLessThan(200 * 0.995);
  });

  test('of a group lie around its own metric and are wider than those of the whole', () => {
    const report = refinementReport(randomRun(2000, 0.7), {});
    const [low, high] = report.group_intervals!.g1!.accuracy!;
    const [lowAll, highAll] = report.intervals!.accuracy!;
    expect(low).toBeLessThan(report.groups!.g1!.accuracy!);
    expect(high).toBeGreaterThan(report.groups!.g1!.accuracy!);
    expect(high - low).toBeGreaterThan(1.5 * (highAll - lowAll));
  });

  test('are left out for the groups where there are too many of them', () => {
    const scores = new RefinementScores();
    for (let index = 0; index < 300; index++) {
      scores.add({ toolIou: 0.4, finalIou: 0.6, group: `g${index}` });
    }
    const report = refinementReport(scores, { resamples: 20 });
    expect(Object.keys(report.groups!)).toHaveLength(300);
    expect(report.group_intervals).toBeUndefined();
    expect(report.intervals!.accuracy).toEqual([1, 1]);
  });

  test('of a rate over nothing are null, and of no query at all there are none', () => {
    const scores = new RefinementScores();
    expect(refinementReport(scores, {}).intervals).toEqual({});
    scores.add({ toolIou: 0.9, finalIou: 0.9 });
    expect(refinementReport(scores, {}).intervals!.ccr).toBeNull();
  });
});

describe('comparison of two runs', () => {
  test('a run against itself differs by exactly 0', () => {
    const { metrics, groups } = comparisonReport(randomRun(300, 0.5), randomRun(300, 0.5));
    expect(metrics.accuracy).toMatchObject({ difference: 0, interval: [0, 0] });
    expect(metrics.nsri).toMatchObject({ difference: 0, interval: [0, 0] });
    expect(groups!.g2!.mean_iou).toMatchObject({ difference: 0, interval: [0, 0] });
  });

  test('pairing narrows the interval', () => {
    const size = 1000;
    const first = new RefinementScores();
    const second = new RefinementScores();
    const random = new SeededRandom(3);
    for (let index = 0; index < size; index++) {
      const iou = random.next();
      first.add({ toolIou: 0, finalIou: iou });
      second.add({ toolIou: 0, finalIou: Math.min(1, iou + 0.02) });
    }
    const paired = comparisonReport(first, second).metrics.mean_iou!;
    const [low, high] = bootstrapIntervals(first).overall.mean_iou!;
    expect(paired.difference).toBeCloseTo(0.02, 2);
    expect(paired.interval![1] - paired.interval![0]).toBeLessThan((high - low) / 10);
  });

  test('pairs many queries as it does few', () => {
    const run = (gain: number) => {
      const random = new SeededRandom(5);
      const scores = new RefinementScores();
      for (let index = 0; index < 25_000; index++) {
        const iou = random.next() * 0.9;
        const noise = random.next() * 0.02;
        scores.add({ toolIou: 0.2, finalIou: iou + gain * noise });
      }
      return scores;
    };
    const { mean_iou: paired } = comparisonReport(run(0), run(1)).metrics;
    // The gain is uniform over 0 .. 0.02.
    const error = 0.02 / Math.sqrt(12) / Math.sqrt(25_000);
    expect(paired!.difference).toBeCloseTo(0.01, 3);
    expect((paired!.interval![1] - paired!.interval![0]) / (2 * 1.96 * error)).toBeCloseTo(1, 0.7);
  });
});
