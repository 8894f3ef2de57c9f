import { flatMetrics } from '../evaluation/answer-metrics.js';
import {
  type Evaluation,
  type EvaluationOptions,
  evaluateDump,
  evaluateResults,
  evaluateTools,
  refuseOtherQueries,
} from '../evaluation/evaluation-run.js';
import { comparisonTable, metricsOverview, metricsTable } from '../evaluation/metrics-table.js';
import { comparisonReport, refinementReport } from '../evaluation/refinement-report.js';
import { cocoEntries } from '../formats/coco-records.js';
import { dumpRows } from '../formats/eval-dump.js';
import { type EvalQuery, evalQueries } from '../formats/eval-queries.js';
import { type RefCocoRef, refCocoQueries, refCocoRefs } from '../formats/eval-refcoco.js';
import { evalResults } from '../formats/eval-results.js';
import { VgrError } from '../formats/fault.js';
import { readLines } from '../io/line-reader.js';
import { readTextChunks } from '../io/text-file.js';
import { evalCoco } from './eval-coco.js';
import { writeReport } from './eval-report.js';
import {
  type EvalCommand,
  type EvalFlags,
  type EvalSubject,
  evalSubject,
  iouThresholds,
} from './eval-settings.js';
import { showOutcome } from './eval-tables.js';

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
