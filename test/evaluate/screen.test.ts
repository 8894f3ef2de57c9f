import { describe, expect, it } from 'vitest';
import { RefinementScores } from '../../src/evaluate/metrics.js';
import { comparisonReport, refinementReport } from '../../src/evaluate/refinement-report.js';
import { comparisonText, summaryText } from '../../src/evaluate/screen.js';

function scoresOf(finals: readonly number[]): RefinementScores {
  const scores = new RefinementScores();
  for (const [at, finalIou] of finals.entries()) {
    scores.add({ toolIou: at % 2 ? 0.9 : 0.1, finalIou, confidence: finalIou });
  }
  return scores;
}

describe('numbers on a terminal', () => {
  const good = scoresOf([0.9, 0.9, 0.1, 0.1, 0.9, 0.9]);
  const bad = scoresOf([0.1, 0.1, 0.1, 0.1, 0.1, 0.1]);

  it('are five, rounded, in columns of one width', () => {
    const lines = summaryText(refinementReport(good), good.queries).trimEnd().split('\n');
    expect(lines.map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
      ['accuracy', '66.7 %'],
      ['tool', '50.0 %'],
      ['corrected', '33.3 %'],
      ['lost', '16.7 %'],
      ['unsure', '33.3 %'],
    ]);
    for (const line of lines) expect(line.length).toBeLessThan(80);
  });

  it('show by `+` which run is better, also where less is better', () => {
    const bootstrap = { seed: 1, resamples: 50 };
    const text = comparisonText(
      comparisonReport(good, bad, bootstrap),
      ['new/results.jsonl', 'old/results.jsonl'],
      { all: false },
    );
    expect(text).toMatch(/^metric +new +old +\+ is better$/m);
    expect(text).toMatch(/^accuracy +0\.667 +0 +\+0\.667/m);
    expect(text).toMatch(/^worsen_rate .*\+0\./m);
  });
});
