import type { ChartRenderer } from './chart-renderer.js';
import { html, trusted } from './html.js';
import type { ReportData } from './report-data.js';
import { gallerySection, type ReportPhoto } from './report-gallery.js';
import { charts, headlines, metricsSection, outcomeSquare } from './report-numbers.js';
import { REPORT_SCRIPT } from './report-script.js';
import { REPORT_STYLE } from './report-style.js';

/** Photos beyond this are left out of the page, bytes of text. */
const MOST_PHOTO_BYTES = 12_000_000;

/**
 * The report of a run as one HTML page that needs nothing else: no network, no file beside it. Its policy forbids the
 * browser any request and any script but its own.
 * @param photos small copies of the photos of the gallery, by row of the query; they fill 12 MB at most, in the order of the
 *   gallery, and answers beyond show their boxes alone
 */
export async function renderReport(
  data: ReportData,
  renderer: ChartRenderer,
  photos: ReadonlyMap<number, ReportPhoto>,
): Promise<string> {
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '${await sha256(REPORT_SCRIPT)}'; base-uri 'none'; form-action 'none'`;
  const page = html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${data.title}</title><link rel="icon" href="data:,">
<style>${trusted(REPORT_STYLE)}</style></head>
<body><a class="skip" href="#gallery">To the answers</a>
<header><h1>${data.title}</h1>
<dl class="subject">${data.subject.map(([label, text]) => html`<dt>${label}</dt><dd>${text}</dd>`)}
<dt>queries</dt><dd>${data.report.metrics.total} scored; ${data.report.missing_answers} without an answer, ${data.report.missing_tools} without a box of the tool, which count with IoU 0</dd></dl>
${data.notices.map((notice) => html`<p class="notice">${notice}</p>`)}</header>
<main>${headlines(data)}${outcomeSquare(data)}${charts(data, renderer)}
${gallerySection(data.gallery, photosThatFit(data, photos))}
${metricsSection(data)}</main>
<script>${trusted(REPORT_SCRIPT)}</script></body></html>
`;
  return page.text;
}

function photosThatFit(
  { gallery }: ReportData,
  photos: ReadonlyMap<number, ReportPhoto>,
): ReadonlyMap<number, ReportPhoto> {
  const fitting = new Map<number, ReportPhoto>();
  let bytes = 0;
  for (const { row } of gallery) {
    const photo = photos.get(row);
    if (!photo || bytes + photo.dataUrl.length > MOST_PHOTO_BYTES) continue;
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
