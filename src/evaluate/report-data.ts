import { SeededRandom } from '../core/random.js';
import { OUTCOMES, type Outcome, outcomeOf } from './answers.js';
import type { Calibration } from './calibration.js';
import type { Evaluation } from './evaluation-run.js';
import type { GalleryEntry } from './gallery.js';
import { type RefinementReport, refinementReport } from './refinement-report.js';
import type { ScoreColumns } from './refinement-scores.js';

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
  readonly calibration: Calibration;
  readonly gallery: readonly GalleryEntry[];
  readonly notices: readonly string[];
}

export function reportData(
  evaluation: Evaluation,
  report: RefinementReport,
  { title, subject }: Pick<ReportData, 'title' | 'subject'>,
): ReportData {
  const { scores, sizeScores, gallery, notices } = evaluation;
  const columns = scores.columns();
  return {
    title,
    subject,
    report,
    outcomes: countOutcomes(columns),
    scatter: scatterOf(columns),
    sizes: refinementReport(sizeScores, report.intervals && {}),
    calibration: scores.answers.calibration(),
    gallery,
    notices,
  };
}

/** The 2 x 2 of tool right or wrong against answer right or wrong. */
function countOutcomes({ toolIou, finalIou }: ScoreColumns): Record<Outcome, number> {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<
    Outcome,
    number
  >;
  toolIou.forEach((tool, row) => {
    counts[outcomeOf(tool, finalIou[row]!)]++;
  });
  return counts;
}

function scatterOf({ toolIou, finalIou }: ScoreColumns): Scatter {
  const cells = Array.from({ length: IOU_CELLS }, () => new Array<number>(IOU_CELLS).fill(0));
  const cellOf = (iou: number) => Math.min(IOU_CELLS - 1, Math.floor(iou * IOU_CELLS));
  toolIou.forEach((tool, row) => {
    cells[cellOf(finalIou[row]!)]![cellOf(tool)]!++;
  });
  const points = sampledRows(toolIou.length).map((row) => ({
    toolIou: toolIou[row]!,
    finalIou: finalIou[row]!,
    outcome: outcomeOf(toolIou[row]!, finalIou[row]!),
  }));
  return { points, total: toolIou.length, cells };
}

/** Selection sampling: each row is taken with the probability that makes the sample full at the end. */
function sampledRows(rows: number): number[] {
  const random = new SeededRandom(0);
  const sample: number[] = [];
  for (let row = 0; row < rows && sample.length < MAX_POINTS; row++) {
    const wanted = MAX_POINTS - sample.length;
    if (rows - row <= wanted || random.next() < wanted / (rows - row)) sample.push(row);
  }
  return sample;
}
