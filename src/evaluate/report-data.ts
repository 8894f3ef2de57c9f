import { SeededRandom } from '../core/random.js';
import { calibrationOf, type ScoreCalibration } from './answer-metrics.js';
import { type Outcome, outcomeOf } from './answers.js';
import type { Evaluation } from './evaluation-run.js';
import type { GalleryEntry } from './gallery.js';
import type { ScoredQuery } from './metrics.js';
import { type RefinementReport, refinementReport } from './refinement-report.js';

/** Most points that the scatter plot shows. */
const MAX_POINTS = 1500;

/** Cells of the table beside the scatter plot, along each side. */
export const IOU_CELLS = 5;

export interface ScatterPoint {
  /** 0..1 */
  readonly toolIou: number;
  /** 0..1 */
  readonly finalIou: number;
  readonly outcome: Outcome;
}

/** Tool IoU against final IoU. */
export interface Scatter {
  /** All queries, or a random sample of them. */
  readonly points: readonly ScatterPoint[];
  readonly total: number;
  /** `cells[final][tool]`: queries by fifths of both IoUs. */
  readonly cells: readonly (readonly number[])[];
}

/** Everything that the report of one run shows. */
export interface ReportData {
  readonly title: string;
  /** What was evaluated: label and text, as in `['queries', 'dev.jsonl']`. */
  readonly subject: readonly (readonly [label: string, text: string])[];
  readonly report: RefinementReport;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly scatter: Scatter;
  /** Groups are the sizes of the objects. */
  readonly sizes: RefinementReport;
  readonly calibration: ScoreCalibration;
  readonly gallery: readonly GalleryEntry[];
  readonly notices: readonly string[];
}

export function reportData(
  evaluation: Evaluation,
  report: RefinementReport,
  { title, subject }: Pick<ReportData, 'title' | 'subject'>,
): ReportData {
  const { scores, sizeScores, gallery, notices } = evaluation;
  return {
    title,
    subject,
    report,
    outcomes: countOutcomes(scores.queries),
    scatter: scatterOf(scores.queries),
    sizes: refinementReport(sizeScores, report.intervals && {}),
    calibration: calibrationOf(scores.queries),
    gallery,
    notices,
  };
}

/** The 2 x 2 of tool right or wrong against answer right or wrong. */
function countOutcomes(queries: readonly ScoredQuery[]): Record<Outcome, number> {
  const counts = { correction: 0, confirmation: 0, loss: 0, error: 0 };
  for (const { toolIou, finalIou } of queries) counts[outcomeOf(toolIou, finalIou)]++;
  return counts;
}

function scatterOf(queries: readonly ScoredQuery[]): Scatter {
  const cells = Array.from({ length: IOU_CELLS }, () => new Array<number>(IOU_CELLS).fill(0));
  const cellOf = (iou: number) => Math.min(IOU_CELLS - 1, Math.floor(iou * IOU_CELLS));
  const points = queries.map(
    ({ toolIou, finalIou }): ScatterPoint => ({
      toolIou: toolIou ?? 0,
      finalIou: finalIou ?? 0,
      outcome: outcomeOf(toolIou, finalIou),
    }),
  );
  for (const { toolIou, finalIou } of points) cells[cellOf(finalIou)]![cellOf(toolIou)]!++;
  return { points: sampled(points), total: points.length, cells };
}

/** Selection sampling: each point is taken with the probability that makes the sample full at the end. */
function sampled(points: readonly ScatterPoint[]): ScatterPoint[] {
  const random = new SeededRandom(0);
  const sample: ScatterPoint[] = [];
  points.forEach((point, index) => {
    const [left, wanted] = [points.length - index, MAX_POINTS - sample.length];
    if (wanted > 0 && (left <= wanted || random.next() < wanted / left)) sample.push(point);
  });
  return sample;
}
