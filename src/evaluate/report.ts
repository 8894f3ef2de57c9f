import { writeFileAtomic } from '../core/files.js';
import { SeededRandom } from '../core/random.js';
import type { Printer } from '../core/terminal.js';
import { counted } from '../core/text.js';
import { photoThumbnail, type Thumbnail } from '../photos/crop.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import { calibrationOf } from './answer-metrics.js';
import { byOutcome, OUTCOMES, type Outcome, outcomeOf, type ScoredQuery } from './answers.js';
import type { Interval } from './bootstrap.js';
import {
  type AccuracyRow,
  accuracyChart,
  calibrationChart,
  type ScatterPoint,
  scatterChart,
} from './charts.js';
import type { Evaluation } from './evaluation-run.js';
import { type GalleryEntry, gallerySection, OUTCOME_WORDS } from './gallery.js';
import { type Html, html, trusted } from './html.js';
import { RefinementScores } from './metrics.js';
import { type RefinementReport, refinementReport } from './refinement-report.js';
import { REPORT_SCRIPT, REPORT_STYLE } from './report-page.js';
import { type EvalCommand, type EvalFlags, type EvalSubject, REPORT_MARK } from './settings.js';
import { type Cell, cellText, metricsOverview, type Table } from './tables.js';

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

/** What was evaluated: label and text, as in `['queries', 'dev.jsonl']`. */
type SubjectRow = readonly [label: string, text: string];

function subjectRows(flags: EvalFlags, subject: EvalSubject): SubjectRow[] {
  const queries = flags.queries ?? flags.refs;
  const rows: SubjectRow[] = queries === undefined ? [] : [['queries', queries]];
  if (subject.kind === 'results') rows.push(['results', subject.results]);
  if (subject.kind === 'dump') rows.push(['dump', subject.dump]);
  if (subject.kind === 'tools') rows.push(['tool', subject.names[0]], ['answer', subject.names[1]]);
  return rows;
}

async function galleryPhotos(
  images: readonly string[],
  gallery: readonly GalleryEntry[],
  printer: Printer,
): Promise<ReadonlyMap<number, Thumbnail>> {
  const photos = new Map<number, Thumbnail>();
  if (images.length === 0) {
    if (gallery.length > 0)
      printer.note('note: the report has no photos; name their folder: `vgr eval ./images ...`');
    return photos;
  }
  const roots = await ImageRoots.open(await imageRoots(images), { pausesMs: [] });
  let missing = 0;
  for (const { row, image } of gallery) {
    if (image === undefined) continue;
    try {
      photos.set(row, await photoThumbnail(await roots.resolve(image), THUMBNAIL_SIDE));
    } catch {
      // The numbers stand without it.
      missing += 1;
    }
  }
  if (missing > 0) {
    printer.note(`note: ${counted(missing, 'photo')} of the gallery cannot be read`);
  }
  return photos;
}

/** Photos beyond this are left out of the page, bytes of text. */
const MAX_PHOTO_BYTES = 12_000_000;

/**
 * The report of a run as one HTML page that needs nothing else: no network, no file beside it. Its policy forbids the
 * browser any request and any script but its own.
 * @param photos small copies of the photos of the gallery, by row of the query; they fill 12 MB at most, in the order of the
 *   gallery, and answers beyond show their boxes alone
 */
export async function renderReport(
  { scores: { queries }, gallery, notices }: Evaluation,
  report: RefinementReport,
  subject: readonly SubjectRow[],
  photos: ReadonlyMap<number, Thumbnail>,
): Promise<string> {
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '${await sha256(REPORT_SCRIPT)}'; base-uri 'none'; form-action 'none'`;
  const outcomes = countOutcomes(queries);
  const page = html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">${trusted(REPORT_MARK)}
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
<main>${headlines(report)}${outcomeSquare(outcomes, queries.length)}${chartsSection(queries, outcomes, report)}
${gallerySection(gallery, photosThatFit(gallery, photos))}
${metricsSection(report)}</main>
<script>${trusted(REPORT_SCRIPT)}</script></body></html>
`;
  return page.text;
}

function photosThatFit(
  gallery: readonly GalleryEntry[],
  photos: ReadonlyMap<number, Thumbnail>,
): ReadonlyMap<number, Thumbnail> {
  const fitting = new Map<number, Thumbnail>();
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
function headlines({ metrics, intervals, absent_queries, set_queries }: RefinementReport): Html {
  const hasSets = absent_queries + set_queries > 0;
  return html`<section aria-labelledby="numbers"><h2 id="numbers">Numbers</h2>
<ul class="numbers">${[...HEADLINES, ...(hasSets ? SET_HEADLINES : [])].map(
    ([metric, name, words]) => {
      const interval = intervals?.[metric];
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

type OutcomeCounts = Readonly<Record<Outcome, number>>;

function countOutcomes(queries: readonly ScoredQuery[]): OutcomeCounts {
  const counts = byOutcome(() => 0);
  for (const query of queries) counts[outcomeOf(query)]++;
  return counts;
}

/** The 2 x 2 of tool right or wrong against answer right or wrong. */
function outcomeSquare(outcomes: OutcomeCounts, total: number): Html {
  const cell = (outcome: Outcome) =>
    html`<td class="${outcome}"><strong>${outcomes[outcome]}</strong>${total > 0 && percent(outcomes[outcome] / total)}<br>${outcome}</td>`;
  return html`<section aria-labelledby="outcomes"><h2 id="outcomes">Right and wrong</h2>
<div class="wide"><table class="square"><caption>Queries by whether tool and answer are right (IoU above 0.5)</caption>
<thead><tr><td></td><th scope="col">answer right</th><th scope="col">answer wrong</th></tr></thead>
<tbody><tr><th scope="row">tool right</th>${cell('confirmation')}${cell('loss')}</tr>
<tr><th scope="row">tool wrong</th>${cell('correction')}${cell('error')}</tr></tbody></table></div></section>`;
}

/** Charts, each with a table of the numbers that it shows. */
function chartsSection(
  queries: readonly ScoredQuery[],
  outcomes: OutcomeCounts,
  report: RefinementReport,
): Html {
  const points = scatterPoints(queries);
  const groups = accuracyRows(report);
  const sizes = accuracyRows(refinementReport(sizeScores(queries), report.intervals && {}));
  return html`<section aria-labelledby="charts"><h2 id="charts">Charts</h2><div class="pair">
${points.length > 0 && scatterFigure(points, outcomes)}
${calibrationFigure(queries)}
${groups.length > 0 && figure('Accuracy by group', 'Accuracy of tool and answer by group, with 95 % intervals.', accuracyChart(groups), accuracyTable(groups))}
${sizes.length > 0 && figure('Accuracy by object size', 'By area of the ground truth: small below 32 x 32 pixels, medium below 96 x 96, large.', accuracyChart(sizes), accuracyTable(sizes))}
</div></section>`;
}

function figure(title: string, words: string, svg: string, table: Table): Html {
  return html`<figure><h3>${title}</h3><div role="img" aria-label="${title}. ${words} The numbers are in the table below.">${trusted(svg)}</div>
<figcaption>${words}</figcaption><details><summary>Table: ${title}</summary>${tableHtml(table, title)}</details></figure>`;
}

/** Most points that the scatter plot shows. */
const MAX_POINTS = 1500;

function scatterPoints(queries: readonly ScoredQuery[]): ScatterPoint[] {
  return queries.map((query) => ({
    toolIou: query.toolIou ?? 0,
    finalIou: query.finalIou ?? 0,
    outcome: outcomeOf(query),
  }));
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

/** Tool IoU against final IoU. */
function scatterFigure(points: readonly ScatterPoint[], outcomes: OutcomeCounts): Html {
  const drawn = sampled(points);
  const sample =
    drawn.length < points.length
      ? ` A sample of ${drawn.length} of ${points.length} queries is drawn.`
      : '';
  const marks = { correction: 'triangle', confirmation: 'circle', loss: 'square', error: 'cross' };
  const key = OUTCOMES.map(
    (outcome) => `${marks[outcome]}: ${outcome}, ${OUTCOME_WORDS[outcome]} (${outcomes[outcome]})`,
  );
  const words = `Each mark is a query; above the diagonal the answer is better than the tool. ${key.join('; ')}.${sample}`;
  return figure('Tool IoU and answer IoU', words, scatterChart(drawn), scatterTable(points));
}

/** Cells of the table beside the scatter plot, along each side. */
const IOU_CELLS = 5;

/** Queries by fifths of both IoUs. */
function scatterTable(points: readonly ScatterPoint[]): Table {
  const cells = Array.from({ length: IOU_CELLS }, () => new Array<number>(IOU_CELLS).fill(0));
  const cellOf = (iou: number) => Math.min(IOU_CELLS - 1, Math.floor(iou * IOU_CELLS));
  for (const { toolIou, finalIou } of points) cells[cellOf(finalIou)]![cellOf(toolIou)]!++;
  const range = (cell: number) =>
    `${(cell / IOU_CELLS).toFixed(1)} to ${((cell + 1) / IOU_CELLS).toFixed(1)}`;
  return {
    columns: ['answer IoU', ...cells.map((_, cell) => `tool ${range(cell)}`)],
    rows: cells.map((row, cell): Cell[] => [range(cell), ...row]).reverse(),
  };
}

/** The queries that mean one object, with its size as the group. */
function sizeScores(queries: readonly ScoredQuery[]): RefinementScores {
  const scores = new RefinementScores();
  for (const { toolIou, finalIou, objectSize } of queries) {
    if (objectSize !== undefined) scores.add({ toolIou, finalIou, group: objectSize });
  }
  return scores;
}

function accuracyRows({ groups = {}, group_intervals }: RefinementReport): AccuracyRow[] {
  return Object.entries(groups).map(([group, metrics]) => ({
    group,
    total: metrics.total,
    toolAccuracy: metrics.tool_accuracy ?? 0,
    accuracy: metrics.accuracy ?? 0,
    toolInterval: group_intervals?.[group]?.tool_accuracy ?? null,
    interval: group_intervals?.[group]?.accuracy ?? null,
  }));
}

function accuracyTable(rows: readonly AccuracyRow[]): Table {
  const ends = (interval: Interval | null) => interval?.map(percent).join(' to ') ?? null;
  return {
    columns: ['group', 'queries', 'tool', 'tool, 95 %', 'answer', 'answer, 95 %'],
    rows: rows.map((row): Cell[] => [
      row.group,
      row.total,
      percent(row.toolAccuracy),
      ends(row.toolInterval),
      percent(row.accuracy),
      ends(row.interval),
    ]),
  };
}

/** Nothing where no answer has a score. */
function calibrationFigure(queries: readonly ScoredQuery[]): Html | false {
  const { bins, count, ece, brier } = calibrationOf(queries);
  const words = `Share of right answers by their score, over ${count} answers with a score; on the diagonal the score is the probability. Expected calibration error ${ece?.toFixed(3)}, Brier score ${brier?.toFixed(3)}.`;
  const table = {
    columns: ['score', 'answers', 'mean score', 'right'],
    rows: bins.map(({ from, to, count: answers, meanScore, accuracy }): Cell[] => [
      `${from.toFixed(1)} to ${to.toFixed(1)}`,
      answers,
      meanScore === null ? null : meanScore.toFixed(3),
      accuracy === null ? null : percent(accuracy),
    ]),
  };
  return count > 0 && figure('Calibration of the score', words, calibrationChart(bins), table);
}

/** Every metric, overall and by group. */
function metricsSection(report: RefinementReport): Html {
  return html`<section aria-labelledby="metrics"><h2 id="metrics">All metrics</h2>${tableHtml(metricsOverview(report), 'Metrics, with 95 % intervals in brackets')}</section>`;
}

function tableHtml({ columns, rows }: Table, caption: string): Html {
  return html`<div class="wide" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${rows.map(([head, ...cells]) => html`<tr><th scope="row">${head ?? ''}</th>${cells.map((cell) => html`<td>${cellText(cell)}</td>`)}</tr>`)}</tbody></table></div>`;
}
