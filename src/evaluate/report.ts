import { asVgrError } from '../core/error.js';
import { writeFileAtomic } from '../core/files.js';
import { SeededRandom } from '../core/random.js';
import type { Printer } from '../core/terminal.js';
import { photoThumbnail } from '../photos/crop.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import { calibrationOf } from './answer-metrics.js';
import { OUTCOMES, type Outcome, outcomeOf, type ScoredQuery } from './answers.js';
import type { Interval } from './bootstrap.js';
import {
  type AccuracyRow,
  accuracyChart,
  calibrationChart,
  type ScatterPoint,
  scatterChart,
} from './charts.js';
import type { Evaluation } from './evaluation-run.js';
import { type GalleryEntry, gallerySection, OUTCOME_WORDS, type ReportPhoto } from './gallery.js';
import { type Html, html, trusted } from './html.js';
import { type MetricKey, scoresBySize } from './metrics.js';
import { type RefinementReport, refinementReport } from './refinement-report.js';
import { REPORT_SCRIPT, REPORT_STYLE } from './report-page.js';
import type { EvalCommand, EvalFlags, EvalSubject } from './settings.js';
import { type Cell, metricsOverview, type Table } from './tables.js';

/** Long side of a photo in the gallery, pixels: sharp on a phone, and forty of them stay under 2 MB. */
const THUMBNAIL_SIDE = 480;

/** Writes the HTML file of `--report`. */
export async function writeReport(
  { flags, images, printer }: EvalCommand,
  subject: EvalSubject,
  evaluation: Evaluation,
  report: RefinementReport,
): Promise<void> {
  const photos = await galleryPhotos(images, evaluation.gallery, printer);
  const page = await renderReport(evaluation, report, subjectRows(flags, subject), photos);
  await writeFileAtomic(flags.report!, [page]);
}

/** The evaluated files or tools: label and text, as in `['queries', 'dev.jsonl']`. */
type SubjectRows = readonly (readonly [label: string, text: string])[];

function subjectRows(flags: EvalFlags, subject: EvalSubject): SubjectRows {
  const queries = flags.queries ?? flags.refs;
  const rows: [string, string][] = queries === undefined ? [] : [['queries', queries]];
  if (subject.kind === 'results') rows.push(['results', subject.results]);
  if (subject.kind === 'dump') rows.push(['dump', subject.dump]);
  if (subject.kind === 'tools') rows.push(['tool', subject.names[0]], ['answer', subject.names[1]]);
  return rows;
}

async function galleryPhotos(
  images: readonly string[],
  gallery: readonly GalleryEntry[],
  printer: Printer,
): Promise<ReadonlyMap<number, ReportPhoto>> {
  const photos = new Map<number, ReportPhoto>();
  if (images.length === 0) {
    if (gallery.length > 0)
      printer.note('note: the report has no photos; name their folder: `vgr eval ./images ...`');
    return photos;
  }
  const roots = await ImageRoots.open(await imageRoots(images));
  let missing = 0;
  for (const { row, image } of gallery) {
    if (image === undefined) continue;
    try {
      photos.set(row, await photoThumbnail(await roots.resolve(image), THUMBNAIL_SIDE));
    } catch (thrown) {
      if (asVgrError(thrown).exit !== 1) throw thrown;
      missing += 1;
    }
  }
  if (missing > 0) printer.note(`note: ${missing} photos of the gallery cannot be read`);
  return photos;
}

/** Most points that the scatter plot shows. */
const MAX_POINTS = 1500;

/** Cells of the table beside the scatter plot, along each side. */
const IOU_CELLS = 5;

type OutcomeCounts = Readonly<Record<Outcome, number>>;

function countOutcomes(queries: readonly ScoredQuery[]): OutcomeCounts {
  const counts = { correction: 0, confirmation: 0, loss: 0, error: 0 };
  for (const query of queries) counts[outcomeOf(query)]++;
  return counts;
}

/**
 * Tool IoU against final IoU: points of all queries or of a random sample, and `cells[final][tool]`, the counts of all queries
 * by fifths of both IoUs.
 */
export function scatterOf(queries: readonly ScoredQuery[]) {
  const cells = Array.from({ length: IOU_CELLS }, () => new Array<number>(IOU_CELLS).fill(0));
  const cellOf = (iou: number) => Math.min(IOU_CELLS - 1, Math.floor(iou * IOU_CELLS));
  const points = queries.map(
    (query): ScatterPoint => ({
      toolIou: query.toolIou ?? 0,
      finalIou: query.finalIou ?? 0,
      outcome: outcomeOf(query),
    }),
  );
  for (const { toolIou, finalIou } of points) cells[cellOf(finalIou)]![cellOf(toolIou)]!++;
  return { points: sampled(points), cells };
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

/** Photos beyond this are left out of the page, bytes of text. */
const MAX_PHOTO_BYTES = 12_000_000;

/**
 * The report of a run as one HTML page that needs no network and no other file. Its policy forbids the browser any request and
 * any script but its own.
 * @param photos small copies of the photos of the gallery, by row of the query; they fill 12 MB at most, in the order of the
 *   gallery, and the answers beyond show their boxes alone
 */
export async function renderReport(
  { scores: { queries }, answered, gallery, notices }: Evaluation,
  report: RefinementReport,
  subject: SubjectRows,
  photos: ReadonlyMap<number, ReportPhoto>,
): Promise<string> {
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '${await sha256(REPORT_SCRIPT)}'; base-uri 'none'; form-action 'none'`;
  const outcomes = countOutcomes(queries);
  const sizes = refinementReport(scoresBySize(answered), report.intervals && {});
  const page = html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Refinement report</title><link rel="icon" href="data:,">
<style>${trusted(REPORT_STYLE)}</style></head>
<body><a class="skip" href="#gallery">To the answers</a>
<header><h1>Refinement report</h1>
<dl class="subject">${subject.map(([label, text]) => html`<dt>${label}</dt><dd>${text}</dd>`)}
<dt>queries</dt><dd>${report.metrics.total} scored; ${report.missing_answers} without an answer, ${report.missing_tools} without a box of the tool, which count with IoU 0</dd></dl>
${notices.map((notice) => html`<p class="notice">${notice}</p>`)}</header>
<main>${headlines(report)}${outcomeSquare(outcomes, report.metrics.total)}<section aria-labelledby="charts"><h2 id="charts">Charts</h2><div class="pair">
${queries.length > 0 && scatterFigure(queries, outcomes)}
${calibrationFigure(queries)}
${accuracyFigure('group', 'Accuracy of tool and answer by group, with 95 % intervals.', report)}
${accuracyFigure('object size', 'By area of the ground truth: small below 32 x 32 pixels, medium below 96 x 96, large.', sizes)}
</div></section>
${gallerySection(gallery, photosThatFit(gallery, photos))}
<section aria-labelledby="metrics"><h2 id="metrics">All metrics</h2>${tableHtml(metricsOverview(report), 'Metrics, with 95 % intervals in brackets')}</section></main>
<script>${trusted(REPORT_SCRIPT)}</script></body></html>
`;
  return page.text;
}

function photosThatFit(
  gallery: readonly GalleryEntry[],
  photos: ReadonlyMap<number, ReportPhoto>,
): ReadonlyMap<number, ReportPhoto> {
  const fitting = new Map<number, ReportPhoto>();
  let bytes = 0;
  for (const { row } of gallery) {
    const photo = photos.get(row);
    if (!photo || bytes + photo.dataUrl.length > MAX_PHOTO_BYTES) continue;
    bytes += photo.dataUrl.length;
    fitting.set(row, photo);
  }
  return fitting;
}

/** The hash of a script as a policy names it. */
async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}

const HEADLINES = [
  ['accuracy', 'Accuracy', 'answers with IoU above 0.5'],
  ['tool_accuracy', 'Tool accuracy', 'boxes of the tool with IoU above 0.5'],
  ['ccr', 'Corrected', 'of those the tool got wrong (CCR)'],
  ['follow_correct_rate', 'Followed', 'of those the tool got right, same box'],
  ['worsen_rate', 'Worsened', 'answers worse than the tool'],
  ['nsri', 'NSRI', 'signed relative gain, -1 to 1'],
  ['mean_iou', 'Mean IoU', 'of the answers'],
  ['tool_mean_iou', 'Tool mean IoU', 'of the boxes of the tool'],
] as const;

/** Shown where some query means several objects, or none. */
const SET_HEADLINES = [
  ['set_precision', 'Exact', 'exactly the boxes of the ground truth'],
  ['n_acc', 'None found', 'of the queries that nothing fits, answered none (N-acc)'],
  ['t_acc', 'Kept', 'of the others, not answered none (T-acc)'],
] as const;

/** The numbers that matter most, with their intervals. */
function headlines(report: RefinementReport): Html {
  const { metrics, intervals } = report;
  const hasSets = report.absent_queries + report.set_queries > 0;
  return html`<section aria-labelledby="numbers"><h2 id="numbers">Numbers</h2>
<ul class="numbers">${[...HEADLINES, ...(hasSets ? SET_HEADLINES : [])].map(
    ([metric, name, words]) => {
      const interval = intervals?.[metric as MetricKey];
      return html`<li>${name}<strong>${shown(metric, metrics[metric])}</strong>${interval && html`<small>95\u00a0%: ${shown(metric, interval[0]).replace('\u00a0%', '')} to ${shown(metric, interval[1])}</small>`}<small>${words}</small></li>`;
    },
  )}</ul></section>`;
}

/** Shares in percent, IoUs and NSRI as they are. */
function shown(metric: string, value: number | null): string {
  if (value === null) return 'undefined';
  return /iou|nsri/.test(metric) ? value.toFixed(3) : percent(value);
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)}\u00a0%`;
}

/** Tool right or wrong against answer right or wrong. */
function outcomeSquare(outcomes: OutcomeCounts, total: number): Html {
  const cell = (outcome: Outcome) =>
    html`<td class="${outcome}"><strong>${outcomes[outcome]}</strong>${total > 0 && percent(outcomes[outcome] / total)}<br>${outcome}</td>`;
  return html`<section aria-labelledby="outcomes"><h2 id="outcomes">Right and wrong</h2>
<div class="wide"><table class="square"><caption>Queries by whether tool and answer are right (IoU above 0.5)</caption>
<thead><tr><td></td><th scope="col">answer right</th><th scope="col">answer wrong</th></tr></thead>
<tbody><tr><th scope="row">tool right</th>${cell('confirmation')}${cell('loss')}</tr>
<tr><th scope="row">tool wrong</th>${cell('correction')}${cell('error')}</tr></tbody></table></div></section>`;
}

/** A chart with a table of the numbers that it shows. */
function figure(title: string, words: string, svg: string, table: Table): Html {
  return html`<figure><h3>${title}</h3><div role="img" aria-label="${title}. ${words} The numbers are in the table below.">${trusted(svg)}</div>
<figcaption>${words}</figcaption><details><summary>Table: ${title}</summary>${tableHtml(table, title)}</details></figure>`;
}

function scatterFigure(queries: readonly ScoredQuery[], outcomes: OutcomeCounts): Html {
  const { points, cells } = scatterOf(queries);
  const sample =
    points.length < queries.length
      ? ` A sample of ${points.length} of ${queries.length} queries is drawn.`
      : '';
  const marks = { correction: 'triangle', confirmation: 'circle', loss: 'square', error: 'cross' };
  const words = OUTCOMES.map(
    (outcome) => `${marks[outcome]}: ${outcome}, ${OUTCOME_WORDS[outcome]} (${outcomes[outcome]})`,
  );
  const range = (cell: number) =>
    `${(cell / IOU_CELLS).toFixed(1)} to ${((cell + 1) / IOU_CELLS).toFixed(1)}`;
  return figure(
    'Tool IoU and answer IoU',
    `Each mark is a query; above the diagonal the answer is better than the tool. ${words.join('; ')}.${sample}`,
    scatterChart(points),
    {
      columns: ['answer IoU', ...cells.map((_, cell) => `tool ${range(cell)}`)],
      rows: cells.map((row, cell): Cell[] => [range(cell), ...row]).reverse(),
    },
  );
}

function accuracyFigure(
  by: string,
  words: string,
  { groups = {}, group_intervals }: RefinementReport,
): Html | undefined {
  const rows = Object.entries(groups).map(
    ([group, metrics]): AccuracyRow => ({
      group,
      total: metrics.total,
      toolAccuracy: metrics.tool_accuracy ?? 0,
      accuracy: metrics.accuracy ?? 0,
      toolInterval: group_intervals?.[group]?.tool_accuracy ?? null,
      interval: group_intervals?.[group]?.accuracy ?? null,
    }),
  );
  if (rows.length === 0) return undefined;
  const ends = (interval: Interval | null) => interval?.map(percent).join(' to ') ?? null;
  return figure(`Accuracy by ${by}`, words, accuracyChart(rows), {
    columns: ['group', 'queries', 'tool', 'tool, 95 %', 'answer', 'answer, 95 %'],
    rows: rows.map((row): Cell[] => [
      row.group,
      row.total,
      percent(row.toolAccuracy),
      ends(row.toolInterval),
      percent(row.accuracy),
      ends(row.interval),
    ]),
  });
}

function calibrationFigure(queries: readonly ScoredQuery[]): Html | undefined {
  const { bins, count, ece, brier } = calibrationOf(queries);
  if (count === 0) return undefined;
  return figure(
    'Calibration of the score',
    `Share of right answers by their score, over ${count} answers with a score; on the diagonal the score is the probability. Expected calibration error ${ece?.toFixed(3)}, Brier score ${brier?.toFixed(3)}.`,
    calibrationChart(bins),
    {
      columns: ['score', 'answers', 'mean score', 'right'],
      rows: bins.map(({ from, to, count, meanScore, accuracy }): Cell[] => [
        `${from.toFixed(1)} to ${to.toFixed(1)}`,
        count,
        meanScore === null ? null : meanScore.toFixed(3),
        accuracy === null ? null : percent(accuracy),
      ]),
    },
  );
}

function tableHtml({ columns, rows }: Table, caption: string): Html {
  return html`<div class="wide" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${rows.map(([head, ...cells]) => html`<tr><th scope="row">${head ?? ''}</th>${cells.map((cell) => html`<td>${number(cell)}</td>`)}</tr>`)}</tbody></table></div>`;
}

function number(cell: Cell): string | number {
  if (typeof cell !== 'number' || Number.isInteger(cell)) return cell ?? '';
  return cell.toFixed(4);
}
