import { VgrError } from '../core/error.js';
import { readTextChunks } from '../core/files.js';
import { readLines } from '../core/line-reader.js';
import { cocoDetections, cocoEntries } from '../formats/coco-records.js';
import {
  dumpRows,
  type EvalQuery,
  evalQueries,
  evalResults,
  type RefCocoRef,
  refCocoQueries,
  refCocoRefs,
} from '../formats/eval-files.js';
import { CocoDetections, CocoGroundTruth, evaluateCoco } from './coco.js';
import {
  type Evaluation,
  type EvaluationOptions,
  evaluateDump,
  evaluateResults,
  evaluateTools,
  refuseOtherQueries,
} from './evaluation-run.js';
import { flatMetrics } from './metrics.js';
import { comparisonReport, refinementReport } from './refinement-report.js';
import {
  type EvalCommand,
  type EvalFlags,
  type EvalSubject,
  evalSubject,
  iouThresholds,
} from './settings.js';
import {
  cocoTable,
  comparisonTable,
  metricsOverview,
  metricsTable,
  showOutcome,
} from './tables.js';
import { writeReport } from './write-report.js';

type RefinementSubject = Exclude<EvalSubject, { kind: 'coco' }>;

/** `vgr eval`: how well answers refine a tool's, or how well a detector finds. @returns the exit code */
export async function evalCommand(command: EvalCommand): Promise<number> {
  const subject = evalSubject(command.flags);
  return subject.kind === 'coco' ? evalCoco(command, subject) : evalRefinement(command, subject);
}

async function evalRefinement(command: EvalCommand, subject: RefinementSubject): Promise<number> {
  const { flags } = command;
  const bootstrap = { seed: flags.seed, resamples: flags.resamples };
  const options = {
    iouThresholds: iouThresholds(flags.iou),
    gallery: flags.report === undefined ? 0 : flags.gallery,
  };
  const evaluation = await evaluate(subject, flags, options);
  const report = refinementReport(evaluation.scores, flags.resamples > 0 ? bootstrap : undefined);
  if (flags.report !== undefined) {
    await writeReport(command, flags.report, subject, { evaluation, report });
  }
  const outcome = {
    document: { ...report, notices: evaluation.notices },
    overview: metricsOverview(report),
    table: metricsTable(report),
    metrics: flatMetrics(report.metrics),
    notices: evaluation.notices,
  };
  if (flags.compare === undefined) return showOutcome(command, outcome);
  const other = await evaluate(otherSubject(subject, flags.compare), flags, options);
  refuseOtherQueries(evaluation, other);
  const comparison = comparisonReport(evaluation.scores, other.scores, bootstrap);
  const table = comparisonTable(comparison);
  return showOutcome(command, {
    ...outcome,
    document: { ...outcome.document, comparison },
    overview: table,
    table,
    notices: [...new Set([...evaluation.notices, ...other.notices])],
  });
}

/** `--compare` names another file of the same kind. @throws VgrError USAGE */
function otherSubject(subject: RefinementSubject, compare: string): RefinementSubject {
  if (subject.kind === 'results') return { kind: 'results', results: compare };
  if (subject.kind === 'dump') return { kind: 'dump', dump: compare };
  return { kind: 'tools', names: [subject.names[0], compare] };
}

async function evaluate(
  subject: RefinementSubject,
  flags: EvalFlags,
  options: EvaluationOptions,
): Promise<Evaluation> {
  if (subject.kind === 'dump') {
    return evaluateDump(dumpRows(readTextChunks(subject.dump), subject.dump), options);
  }
  const tools = subject.kind === 'tools' ? subject.names : [];
  const queries = queriesOf(flags, tools);
  if (subject.kind === 'tools') return evaluateTools(queries, subject.names, options);
  const { results } = subject;
  return evaluateResults(queries, evalResults(readLines(results), results), results, options);
}

async function* queriesOf(flags: EvalFlags, tools: readonly string[]): AsyncGenerator<EvalQuery> {
  const { queries, refs, instances } = flags;
  if (queries !== undefined) {
    yield* evalQueries(readLines(queries), queries, { groupBy: flags['group-by'], tools });
    return;
  }
  if (refs === undefined || instances === undefined) {
    throw new VgrError('USAGE', '--refs: expected `--instances FILE` beside it, got none');
  }
  const all: RefCocoRef[] = [];
  for await (const ref of refCocoRefs(readTextChunks(refs), refs)) all.push(ref);
  yield* await refCocoQueries(all, cocoEntries(readTextChunks(instances), instances));
}

/** The 12 COCO box numbers of two files. @returns the exit code */
async function evalCoco(
  command: EvalCommand,
  files: { readonly truth: string; readonly detections: string },
): Promise<number> {
  const truth = new CocoGroundTruth();
  for await (const entry of cocoEntries(readTextChunks(files.truth), files.truth)) truth.add(entry);
  const detections = new CocoDetections();
  for await (const detection of cocoDetections(
    readTextChunks(files.detections),
    files.detections,
  )) {
    detections.add(detection);
  }
  const evaluation = evaluateCoco(truth, detections);
  const perCategory = command.flags['per-category'];
  const table = cocoTable(evaluation, perCategory);
  return showOutcome(command, {
    document: {
      coco: evaluation.coco,
      ...(perCategory && { categories: evaluation.categories }),
      notices: evaluation.notices,
    },
    overview: table,
    table,
    metrics: { ...evaluation.coco },
    notices: evaluation.notices,
  });
}
