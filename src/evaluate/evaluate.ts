import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VgrError } from '../core/error.js';
import { readTextChunks, refuseForeignFile, writeFileAtomic } from '../core/files.js';
import { type LineItem, linesAgain, readLines, refuseReadTwice } from '../core/line-reader.js';
import { cocoDetections, cocoEntries } from '../formats/coco-records.js';
import {
  dumpRows,
  type EvalQuery,
  evalQueries,
  evalResults,
  refCocoQueries,
} from '../formats/eval-files.js';
import { evaluateCoco } from './coco.js';
import { CocoDetections, CocoGroundTruth } from './coco-columns.js';
import {
  type Evaluation,
  type EvaluationOptions,
  evaluateDump,
  evaluateResults,
  evaluateTools,
  refuseOtherQueries,
} from './evaluation-run.js';
import { type FlatMetrics, flatMetrics } from './metrics.js';
import { comparisonReport, refinementReport } from './refinement-report.js';
import { comparisonText, summaryText, wholeText } from './screen.js';
import {
  type EvalCommand,
  type EvalFlags,
  type EvalSubject,
  evalSubject,
  iouThresholds,
  missedThresholds,
  REPORT_MARK,
} from './settings.js';
import {
  cocoTable,
  comparisonTable,
  metricsOverview,
  metricsTable,
  renderCsv,
  renderMarkdown,
  type Table,
} from './tables.js';

type CocoSubject = Extract<EvalSubject, { kind: 'coco' }>;
type RefinementSubject = Exclude<EvalSubject, CocoSubject>;

/** One evaluation, ready to be shown. */
interface Outcome {
  /** The document of `--json`. */
  readonly document: object;
  /** What a person sees. */
  readonly overview: Table;
  /** What a terminal shows. */
  readonly screen: string;
  /** All numbers, for `--csv` and `--markdown`. */
  readonly table: Table;
  /** What `--fail-under` may name. */
  readonly metrics: FlatMetrics;
  readonly notices: readonly string[];
}

/** How the files begin that the command writes. */
const OUR_FILES = {
  csv: (head: string) => /^(?:group,metric|category,category_id),/.test(head),
  markdown: (head: string) => /^\| (?:group \| metric|category \| category_id) \|/.test(head),
  report: (head: string) => head.includes(REPORT_MARK),
};

/**
 * `vgr eval`: how well answers refine a tool's, or how well a detector finds.
 * @returns the exit code: 1 where a metric is below a threshold of `--fail-under`, else 0
 */
export async function evalCommand(given: EvalCommand): Promise<number> {
  const { printer } = given;
  const { results, dump } = given.flags;
  const isFile = results !== undefined || dump !== undefined;
  const flags = {
    ...given.flags,
    results: await resultsIn(results),
    compare: isFile ? await resultsIn(given.flags.compare) : given.flags.compare,
  };
  const command = { ...given, flags };
  for (const [flag, isOurs] of Object.entries(OUR_FILES)) {
    const file = flags[flag as keyof typeof OUR_FILES];
    if (file !== undefined) await refuseForeignFile(file, { isOurs, force: flags.force });
  }
  const subject = evalSubject(flags);
  await refuseReadTwice(inputsOf(flags));
  const outcome =
    subject.kind === 'coco'
      ? await cocoOutcome(flags, subject)
      : await refinementOutcome(command, subject);
  const thresholds = flags['fail-under'];
  const missed = thresholds === undefined ? [] : missedThresholds(thresholds, outcome.metrics);
  for (const notice of outcome.notices) printer.note(`note: ${notice}`);
  await printer.data(
    flags.json
      ? `${JSON.stringify(outcome.document, null, 2)}\n`
      : process.stdout.isTTY
        ? outcome.screen
        : renderMarkdown(outcome.overview),
  );
  const { csv, markdown } = flags;
  if (csv !== undefined) await writeFileAtomic(csv, [renderCsv(outcome.table)]);
  if (markdown !== undefined) await writeFileAtomic(markdown, [renderMarkdown(outcome.table)]);
  for (const { metric, min, got } of missed) {
    printer.important(
      `--fail-under: ${metric} is ${got === undefined || got === null ? 'not defined' : Number(got.toFixed(4))}, expected at least ${min}`,
    );
  }
  return missed.length > 0 ? 1 : 0;
}

async function refinementOutcome(
  command: EvalCommand,
  subject: RefinementSubject,
): Promise<Outcome> {
  const { flags } = command;
  const bootstrap = { seed: flags.seed, resamples: flags.resamples };
  const options = {
    iouThresholds: iouThresholds(flags.iou),
    gallery: flags.report === undefined ? 0 : flags.gallery,
  };
  const { queries } = flags;
  const readQueries = (queries !== undefined && linesAgain(queries)) || undefined;
  const evaluation = await evaluate(subject, flags, options, readQueries);
  const { notices } = evaluation;
  const report = refinementReport(evaluation.scores, flags.resamples > 0 ? bootstrap : undefined);
  if (flags.report !== undefined) {
    const { writeReport } = await import('./report.js');
    await writeReport(command, subject, evaluation, report);
  }
  const document = { ...report, notices };
  const metrics = flatMetrics(report.metrics);
  if (flags.compare === undefined) {
    const [overview, table] = [metricsOverview(report), metricsTable(report)];
    const screen = flags.all
      ? wholeText(overview)
      : `${summaryText(report, evaluation.scores.queries)}\n--all shows every number\n`;
    return { document, overview, screen, table, metrics, notices };
  }
  const compared = { ...options, gallery: 0 };
  const other = await evaluate(otherSubject(subject, flags.compare), flags, compared, readQueries);
  refuseOtherQueries(evaluation, other);
  const comparison = comparisonReport(evaluation.scores, other.scores, bootstrap);
  const table = comparisonTable(comparison);
  return {
    document: { ...document, comparison },
    overview: table,
    screen: comparisonText(comparison, namesOf(subject, flags.compare), flags),
    table,
    metrics,
    notices: [...new Set([...notices, ...other.notices])],
  };
}

/** The files that are read, each as often as it is. Lines of queries are kept where two runs are compared. */
function inputsOf(flags: EvalFlags): readonly (string | undefined)[] {
  const { compare, refs, instances, queries, results, dump } = flags;
  // With --tool it is the name of a tool.
  const other = results !== undefined || dump !== undefined ? compare : undefined;
  const again = compare === undefined ? [] : [refs, instances];
  const coco = [flags['coco-gt'], flags['coco-dt']];
  return [queries, refs, instances, results, dump, other, ...again, ...coco];
}

/** What is compared with what. */
function namesOf(subject: RefinementSubject, compare: string): [string, string] {
  if (subject.kind === 'results') return [subject.results, compare];
  if (subject.kind === 'dump') return [subject.dump, compare];
  return [subject.names[1], compare];
}

/** A run's results, where its folder is named. */
async function resultsIn(path: string | undefined): Promise<string | undefined> {
  const isFolder = path !== undefined && (await stat(path).catch(() => undefined))?.isDirectory();
  return isFolder ? join(path, 'results.jsonl') : path;
}

/** `--compare` names another file or tool of the same kind. */
function otherSubject(subject: RefinementSubject, compare: string): RefinementSubject {
  if (subject.kind === 'results') return { kind: 'results', results: compare };
  if (subject.kind === 'dump') return { kind: 'dump', dump: compare };
  return { kind: 'tools', names: [subject.names[0], compare] };
}

async function evaluate(
  subject: RefinementSubject,
  flags: EvalFlags,
  options: EvaluationOptions,
  readQueries: (() => AsyncIterable<LineItem>) | undefined,
): Promise<Evaluation> {
  if (subject.kind === 'dump') {
    return evaluateDump(dumpRows(readTextChunks(subject.dump), subject.dump), options);
  }
  const tools = subject.kind === 'tools' ? subject.names : [];
  const queries = queriesOf(flags, tools, readQueries?.());
  if (subject.kind === 'tools') return evaluateTools(queries, subject.names, options);
  const { results } = subject;
  return evaluateResults(queries, evalResults(readLines(results), results), results, options);
}

async function* queriesOf(
  flags: EvalFlags,
  tools: readonly string[],
  lines: AsyncIterable<LineItem> | undefined,
): AsyncGenerator<EvalQuery> {
  const { queries, refs, instances } = flags;
  if (queries !== undefined && lines) {
    yield* evalQueries(lines, queries, { groupBy: flags['group-by'], tools });
    return;
  }
  if (refs === undefined || instances === undefined) {
    throw new VgrError('USAGE', '--refs: expected `--instances FILE` beside it, got none');
  }
  const entries = cocoEntries(readTextChunks(instances), instances);
  yield* refCocoQueries(readTextChunks(refs), refs, entries);
}

/** The 12 COCO box numbers of two files. */
async function cocoOutcome(flags: EvalFlags, files: CocoSubject): Promise<Outcome> {
  const truth = new CocoGroundTruth();
  for await (const entry of cocoEntries(readTextChunks(files.truth), files.truth)) truth.add(entry);
  const detections = new CocoDetections();
  const found = cocoDetections(readTextChunks(files.detections), files.detections);
  for await (const detection of found) detections.add(detection);
  const evaluation = evaluateCoco(truth, detections);
  const { coco, categories, notices } = evaluation;
  const perCategory = flags['per-category'];
  const table = cocoTable(evaluation, perCategory);
  return {
    document: { coco, categories: perCategory ? categories : undefined, notices },
    overview: table,
    screen: wholeText(table),
    table,
    metrics: coco,
    notices,
  };
}
