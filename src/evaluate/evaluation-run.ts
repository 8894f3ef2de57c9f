import { quoted, VgrError } from '../core/error.js';
import type { DumpRow, EvalBox, EvalQuery, EvalResult, EvalStage } from '../formats/eval-files.js';
import {
  AnswerJoin,
  type AnswerParts,
  type AnswerScore,
  answerScore,
  QueryTruths,
  scoredAnswer,
} from './answers.js';
import { type GalleryEntry, GallerySelection } from './gallery.js';
import { objectSizeOf } from './metrics.js';
import {
  createRefinementMetrics,
  type RefinementScores,
  type ScoredQuery,
} from './refinement-scores.js';

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
  /** The queries that mean one object, with its size as the group; none where no boxes are known. */
  readonly sizeScores: RefinementScores;
  readonly gallery: readonly GalleryEntry[];
  /** What a reader of the numbers should know, a sentence each. */
  readonly notices: readonly string[];
}

/**
 * Scores a results file against queries with ground truth. A query without a line in the results counts with IoU 0, and is
 * told of in the notices. Of several boxes where one object is meant the best one counts.
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
  for (const [score, parts] of join.unansweredQueries()) details.add(score, truths, parts);
  const scores = createRefinementMetrics(options.iouThresholds);
  join.addTo(scores);
  return { ids: truths.ids, scores, ...details.collected(), notices: noticesOf(join, truths) };
}

function noticesOf(
  { unanswered, several, laterRight }: AnswerJoin,
  { length }: QueryTruths,
): string[] {
  return [
    ...(unanswered > 0
      ? [`${unanswered} of ${length} queries have no line in the results; they count with IoU 0`]
      : []),
    ...(several > 0
      ? [
          `${several} answers list several boxes where one object is meant; of each the best one counts, ${laterRight} are right by another than the first`,
        ]
      : []),
  ];
}

/**
 * Scores two tools of the query lines against each other: the first box of `names[0]` as the tool's, the boxes of `names[1]`
 * as the answer; an entry without boxes says that nothing fits. The queries must have been read with these two `tools`.
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
    const turned = query.entries.flatMap((boxes) => boxes ?? []).filter(isReversed).length;
    if (turned > 0 && reversed === 0) firstReversed = query.line;
    reversed += turned;
    const [tool = null, answer = null] = query.entries;
    const parts: AnswerParts = {
      toolName: names[0],
      tool: entryStage(tool),
      answer: entryStage(answer),
      ...(answer && { listedXyxy: answer.map(({ boxXyxy }) => boxXyxy) }),
    };
    const score = answerScore(row, query.truthsXyxy, parts);
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

/** A first box with its corners in the wrong order is no answer that could be read. */
function entryStage(boxes: readonly EvalBox[] | null): EvalStage | null {
  if (boxes === null) return null;
  const [first] = boxes;
  if (!first) return { boxXyxy: null };
  return isReversed(first) ? null : first;
}

function isReversed({ boxXyxy: { x1, y1, x2, y2 } }: EvalBox): boolean {
  return x2 < x1 || y2 < y1;
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
    const objectSize = row.truthXyxy && objectSizeOf([row.truthXyxy]);
    scores.add({ ...row, objectSize });
    details.addSize(row, objectSize);
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

/** What a report shows beside the metrics. */
class AnswerDetails {
  readonly #sizes = createRefinementMetrics();
  readonly #gallery: GallerySelection;

  constructor(galleryLimit: number) {
    this.#gallery = new GallerySelection(galleryLimit);
  }

  add(score: AnswerScore, truths: QueryTruths, parts: AnswerParts): void {
    this.addSize(score, score.objectSize);
    this.#gallery.add(score, () => scoredAnswer(truths.at(score.row), parts, score));
  }

  addSize({ toolIou, finalIou }: ScoredQuery, group: string | undefined): void {
    if (group !== undefined) this.#sizes.add({ toolIou, finalIou, group });
  }

  collected(): Pick<Evaluation, 'sizeScores' | 'gallery'> {
    return { sizeScores: this.#sizes, gallery: this.#gallery.entries() };
  }
}
