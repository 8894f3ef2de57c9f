import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { printable } from '../core/error.js';
import type { ReliabilityBin } from './answer-metrics.js';
import { OUTCOMES, type Outcome } from './answers.js';
import type { Interval } from './bootstrap.js';

/** Groups beyond this are in the table alone. */
const MAX_GROUPS = 24;

/** Longest name of a group on an axis, characters. */
const MAX_NAME_CHARACTERS = 22;

/** Shape as well as colour tells the outcome. */
const SYMBOLS = {
  correction: 'triangle',
  confirmation: 'circle',
  loss: 'square',
  error: 'times',
} as const;

const SQUARE = { width: 460, height: 400, marginLeft: 48, marginBottom: 40 } as const;
const UNIT = [0, 1] as const;

/*
 * The charts of a report, drawn with Observable Plot on a document without a browser, as SVG text for a page: everything
 * foreign in it is escaped, lines and letters take `currentColor`, and the colours of tool, answer and outcomes are the
 * page's `--tool`, `--answer`, `--correction`, `--confirmation`, `--loss`, `--error`, so that dark mode needs no second drawing.
 */

export function scatterChart(points: readonly ScatterPoint[]): string {
  return drawn({
    ...SQUARE,
    x: { domain: UNIT, label: 'IoU of the tool' },
    y: { domain: UNIT, label: 'IoU of the answer' },
    grid: true,
    marks: [
      diagonal(),
      Plot.ruleX([0.5], { strokeDasharray: '4 3', strokeOpacity: 0.7 }),
      Plot.ruleY([0.5], { strokeDasharray: '4 3', strokeOpacity: 0.7 }),
      ...OUTCOMES.map((outcome) =>
        Plot.dot(
          points.filter((point) => point.outcome === outcome),
          {
            x: 'toolIou',
            y: 'finalIou',
            r: 2.5,
            symbol: SYMBOLS[outcome],
            stroke: `var(--${outcome})`,
            strokeOpacity: 0.65,
          },
        ),
      ),
    ],
  });
}

export function accuracyChart(rows: readonly AccuracyRow[]): string {
  const shown = [...rows].sort((a, b) => b.total - a.total).slice(0, MAX_GROUPS);
  const names = new Map(shown.map((row) => [row.group, `${shortened(row.group)} (${row.total})`]));
  const longest = Math.max(0, ...[...names.values()].map((name) => name.length));
  const interval = (of: 'toolInterval' | 'interval') => ({
    y: 'group',
    x1: (row: AccuracyRow) => row[of]?.[0],
    x2: (row: AccuracyRow) => row[of]?.[1],
  });
  return drawn({
    width: 460,
    marginLeft: 14 + 7 * longest,
    marginBottom: 40,
    x: {
      domain: UNIT,
      label: 'accuracy: tool hollow, answer filled',
      tickFormat: '.0%',
      grid: true,
    },
    y: {
      label: null,
      domain: shown.map(({ group }) => group),
      tickFormat: (group: string) => names.get(group) ?? group,
    },
    marks: [
      Plot.link(shown, { y: 'group', x1: 'toolAccuracy', x2: 'accuracy', strokeOpacity: 0.35 }),
      Plot.ruleY(shown, { ...interval('toolInterval'), stroke: 'var(--tool)', dy: -5 }),
      Plot.ruleY(shown, { ...interval('interval'), stroke: 'var(--answer)', dy: 5 }),
      Plot.dot(shown, {
        y: 'group',
        x: 'toolAccuracy',
        r: 5,
        stroke: 'var(--tool)',
        strokeWidth: 2,
      }),
      Plot.dot(shown, { y: 'group', x: 'accuracy', r: 5, fill: 'var(--answer)' }),
    ],
  });
}

export function calibrationChart(bins: readonly ReliabilityBin[]): string {
  const filled = bins.filter(({ count }) => count > 0);
  return drawn({
    ...SQUARE,
    x: { domain: UNIT, label: 'score' },
    y: { domain: UNIT, label: 'share of right answers' },
    grid: true,
    r: { range: [2, 9] },
    marks: [
      Plot.rect(filled, {
        x1: 'from',
        x2: 'to',
        y1: () => 0,
        y2: 'accuracy',
        fill: 'var(--tool)',
        fillOpacity: 0.25,
        stroke: 'var(--tool)',
      }),
      diagonal(),
      Plot.dot(filled, { x: 'meanScore', y: 'accuracy', r: 'count', fill: 'var(--answer)' }),
    ],
  });
}

function diagonal(): Plot.Markish {
  return Plot.line(
    [
      [0, 0],
      [1, 1],
    ],
    { strokeOpacity: 0.5 },
  );
}

function drawn(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html></html>');
  const svg = Plot.plot({ ...options, document, style: { fontSize: '12px' } });
  // The page describes the chart as a whole; its parts would be read out one by one.
  svg.setAttribute('aria-hidden', 'true');
  return svg.outerHTML;
}

function shortened(name: string): string {
  const characters = [...printable(name)];
  return characters.length <= MAX_NAME_CHARACTERS
    ? characters.join('')
    : `${characters.slice(0, MAX_NAME_CHARACTERS - 1).join('')}…`;
}

/** One query. */
export interface ScatterPoint {
  /** 0..1 */
  readonly toolIou: number;
  /** 0..1 */
  readonly finalIou: number;
  readonly outcome: Outcome;
}

/** Accuracy of tool and answer in one group of queries. */
export interface AccuracyRow {
  readonly group: string;
  readonly total: number;
  /** 0..1 */
  readonly toolAccuracy: number;
  /** 0..1 */
  readonly accuracy: number;
  readonly toolInterval: Interval | null;
  readonly interval: Interval | null;
}
