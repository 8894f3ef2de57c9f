import type { DumpRow } from '../formats/eval-dump.js';
import type { EvalQuery } from '../formats/eval-queries.js';
import type { EvalResult } from '../formats/eval-results.js';
import { quoted, VgrError } from '../formats/fault.js';
import { isCorrect } from '../geometry/overlap.js';
import { AnswerJoin } from './answer-join.js';
import { type Calibration, CalibrationTally } from './calibration.js';
import { type GalleryEntry, GallerySelection } from './gallery-selection.js';
import { type ObjectSize, objectSize } from './object-size.js';
import { QueryTruths } from './query-truths.js';
import { createRefinementMetrics, type RefinementScores } from './refinement-scores.js';
import { type AnswerParts, type AnswerScore, answerScore, scoredAnswer } from './scored-answer.js';

export interface EvaluationOptions {
  /** IoUs in [0, 1) at which accuracy is wanted beside the one at 0.5. */
  readonly iouThresholds?: readonly number[];
  /** Most answers to keep for a gallery. Default 0. */
  readonly gallery?: number;
}

/** One run over the queries, scored. */
export interface Evaluation {
  /** Of the queries, in their order; the rows of `scores`. */
  readonly ids: readonly string[];
  readonly scores: RefinementScores;
  /** The same queries with the size of the object as the group; none where no boxes are known. */
  readonly sizeScores: RefinementScores;
  readonly calibration: Calibration;
  readonly gallery: readonly GalleryEntry[];
  /** What a reader of the numbers should know, a sentence each. */
  readonly notices: readonly string[];
}

/**
 * Scores a results file against queries with ground truth. A query without a line in the results counts with IoU 0, and is
 * told of in the notices; of an answer that lists several boxes the best one counts.
 * @param source name of the results file, for messages
 * @throws VgrError INPUT_INVALID for ids that come twice or that no query has
 */
export async function evaluateResults(
  queries: AsyncIterable<EvalQuery>,
  results: AsyncIterable<EvalResult>,
  source: string,
  options: EvaluationOptions = {},
): Promise<Evaluation> {
  const truths = new QueryTruths();
  for await (const query of queries) truths.add(query);
  const join = new AnswerJoin(truths, source);
  const details = new AnswerDetails(options.gallery ?? 0);
  for await (const result of results) {
    const score = join.add(result);
    if (score) details.add(score, truths, result);
  }
  join.finish();
  for (const score of join.unansweredQueries()) details.add(score, truths, NO_ANSWER);
  const scores = createRefinementMetrics(options.iouThresholds);
  join.addTo(scores);
  return { ids: truths.ids, scores, ...details.collected(), notices: noticesOf(join, truths) };
}

function noticesOf({ unanswered, several }: AnswerJoin, { length }: QueryTruths): string[] {
  return [
    ...(unanswered > 0
      ? [`${unanswered} of ${length} queries have no line in the results; they count with IoU 0`]
      : []),
    ...(several > 0 ? [`${several} answers list several boxes; of each the best one counts`] : []),
  ];
}

/**
 * Scores two tools of the query lines against each other: the first box of `names[0]` as the tool's, that of `names[1]` as
 * the answer. The queries must have been read with these two `tools`.
 * @throws VgrError INPUT_INVALID where no line has boxes of one of them
 */
export async function evaluateTools(
  queries: AsyncIterable<EvalQuery>,
  names: readonly [tool: string, answer: string],
  options: EvaluationOptions = {},
): Promise<Evaluation> {
  const truths = new QueryTruths();
  const scores = createRefinementMetrics(options.iouThresholds);
  const details = new AnswerDetails(options.gallery ?? 0);
  const seenTools = new Set<string>();
  let reversed = 0;
  let firstReversed = 0;
  for await (const query of queries) {
    const row = truths.length;
    truths.add(query);
    for (const name of query.toolNames) seenTools.add(name);
    if (query.reversed > 0 && reversed === 0) firstReversed = query.line;
    reversed += query.reversed;
    const [tool = null, answer = null] = query.boxes;
    const parts = { toolName: names[0], tool, answer };
    const score = answerScore(row, query.truthXyxy, parts);
    scores.add({ ...score, ...(query.group !== undefined && { group: query.group }) });
    details.add(score, truths, parts);
  }
  for (const name of names) refuseUnknownTool(name, seenTools);
  const notices =
    reversed === 0
      ? []
      : [
          `${reversed} boxes have their corners in the wrong order, the first in line ${firstReversed}; they count with IoU 0`,
        ];
  return { ids: truths.ids, scores, ...details.collected(), notices };
}

function refuseUnknownTool(name: string, seen: ReadonlySet<string>): void {
  if (seen.has(name)) return;
  const known = [...seen].slice(0, 20).map((tool) => quoted(tool));
  throw new VgrError('INPUT_INVALID', `queries: no line has boxes of the tool ${quoted(name)}`, {
    hint:
      known.length > 0 ? `tools in the file: ${known.join(', ')}` : 'no line has `tools` at all',
  });
}

/** Scores an evaluation dump of the paper's code. */
export async function evaluateDump(
  rows: AsyncIterable<DumpRow>,
  options: EvaluationOptions = {},
): Promise<Evaluation> {
  const scores = createRefinementMetrics(options.iouThresholds);
  const details = new AnswerDetails(0);
  const ids: string[] = [];
  let disagreeing = 0;
  for await (const row of rows) {
    ids.push(row.id);
    scores.add(row);
    if (row.truthXyxy) details.addSize(row.toolIou, row.finalIou, objectSize(row.truthXyxy));
    if (row.disagrees) disagreeing++;
  }
  const notices =
    disagreeing === 0
      ? []
      : [`${disagreeing} rows state another IoU than their boxes give; the stated one is taken`];
  return { ids, scores, ...details.collected(), notices };
}

/**
 * @throws VgrError INPUT_INVALID where two runs do not have the same queries in the same order
 */
export function refuseOtherQueries(first: Evaluation, second: Evaluation): void {
  const longer = Math.max(first.ids.length, second.ids.length);
  for (let row = 0; row < longer; row++) {
    if (first.ids[row] === second.ids[row]) continue;
    const [expected, got] = [first, second]
      .map(({ ids }) => ids[row])
      .map((id) => (id === undefined ? 'no more queries' : quoted(id)));
    throw new VgrError(
      'INPUT_INVALID',
      `two runs are compared query by query: expected the same ids in both, got ${got} for ${expected}`,
      { hint: 'score both runs against one queries file' },
    );
  }
}

const NO_ANSWER: AnswerParts = { tool: null, answer: null };

/** What a report shows beside the metrics. */
class AnswerDetails {
  readonly #sizes = createRefinementMetrics();
  readonly #calibration = new CalibrationTally();
  readonly #gallery: GallerySelection;

  constructor(galleryLimit: number) {
    this.#gallery = new GallerySelection(galleryLimit);
  }

  add(score: AnswerScore, truths: QueryTruths, parts: AnswerParts): void {
    const { row, toolIou, finalIou, confidence } = score;
    this.addSize(toolIou, finalIou, objectSize(truths.truthXyxy(row)));
    this.#gallery.add(score, () => scoredAnswer(truths.at(row), parts, score));
    if (confidence !== null && finalIou !== null) {
      this.#calibration.add(confidence, isCorrect(finalIou));
    }
  }

  addSize(toolIou: number | null, finalIou: number | null, group: ObjectSize): void {
    this.#sizes.add({ toolIou, finalIou, group });
  }

  collected(): Pick<Evaluation, 'sizeScores' | 'calibration' | 'gallery'> {
    return {
      sizeScores: this.#sizes,
      calibration: this.#calibration.calibration(),
      gallery: this.#gallery.entries(),
    };
  }
}
