import type { Interval } from './bootstrap.js';
import type { ReliabilityBin } from './calibration.js';
import type { ScatterPoint } from './report-data.js';

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

/**
 * Draws the charts of a report as SVG text for a page: everything foreign in it is escaped, lines and letters take
 * `currentColor`, and the colours of tool, answer and outcomes are the page's `--tool`, `--answer`, `--correction`,
 * `--confirmation`, `--loss`, `--error`, so that dark mode needs no second drawing.
 */
export interface ChartRenderer {
  scatter(points: readonly ScatterPoint[]): string;
  accuracy(rows: readonly AccuracyRow[]): string;
  calibration(bins: readonly ReliabilityBin[]): string;
}
