import { describe, expect, test } from 'vitest';
import type { AccuracyRow } from '../../src/evaluate/charts.js';
import { accuracyChart, calibrationChart, scatterChart } from '../../src/evaluate/charts.js';

const rows: AccuracyRow[] = [
  {
    group: 'human',
    total: 9,
    toolAccuracy: 0.5,
    accuracy: 0.75,
    toolInterval: null,
    interval: null,
  },
  {
    group: '</text><script>alert(1)</script>',
    total: 90,
    toolAccuracy: 0.25,
    accuracy: 1,
    toolInterval: [0.2, 0.3],
    interval: [0.9, 1],
  },
];

describe('charts as SVG', () => {
  test('a mark for every query, told apart by shape and colour', () => {
    const svg = scatterChart([
      { toolIou: 0.1, finalIou: 0.9, outcome: 'correction' },
      { toolIou: 0.9, finalIou: 0.1, outcome: 'loss' },
      { toolIou: 0.9, finalIou: 0.2, outcome: 'loss' },
    ]);
    expect(svg).toMatch(/^<svg /);
    expect(svg).toContain('aria-hidden="true"');
    const marks = (outcome: string) =>
      svg.match(new RegExp(`<g[^>]*var\\(--${outcome}\\)[^>]*>.*?</g>`, 's'))?.[0].match(/<path/g);
    expect(marks('correction')).toHaveLength(1);
    expect(marks('loss')).toHaveLength(2);
  });

  test('groups by their size, their names escaped', () => {
    const svg = accuracyChart(rows);
    expect(svg).not.toContain('<script');
    expect(svg).toContain('human (9)');
    expect(svg.indexOf('(90)')).toBeLessThan(svg.indexOf('human (9)'));
    expect(svg.match(/<circle/g)).toHaveLength(4);
  });

  test('bins without answers are left out', () => {
    const empty = { count: 0, meanScore: null, accuracy: null };
    const svg = calibrationChart([
      { from: 0, to: 0.1, ...empty },
      { from: 0.1, to: 0.2, count: 5, meanScore: 0.15, accuracy: 0.2 },
    ]);
    expect(svg.match(/<circle/g)).toHaveLength(1);
  });

  test('equal data, equal drawing; nothing to draw is no error', () => {
    expect(accuracyChart(rows)).toBe(accuracyChart(rows));
    expect(scatterChart([])).toMatch(/^<svg /);
    expect(accuracyChart([])).toMatch(/^<svg /);
    expect(calibrationChart([])).toMatch(/^<svg /);
  });

  test('asks for nothing outside the page', () => {
    const svg = accuracyChart(rows) + scatterChart([]);
    expect(svg.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|href/);
  });
});
