import { iouXyxy } from '../core/box.js';
import { quoted, VgrError } from '../core/error.js';
import { isCorrect } from '../core/iou.js';
import type { DumpRow, EvalBox, EvalQuery, EvalResult, EvalStage } from '../formats/eval-files.js';
import { type AnswerParts, answerScore, objectSizeOf, type ScoredQuery } from './answers.js';
import { type GalleryEntry, GallerySelection } from './gallery.js';
import { RefinementScores } from './metrics.js';

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
  readonly gallery: readonly GalleryEntry[];
  /** What a reader of the numbers should know, a sentence each. */
  readonly notices: readonly string[];
}

/**
 * Scores a results file against queries with ground truth. A query without a line in the results counts with IoU 0, and a
 * notice says so. Of several boxes where one object is meant the best one counts.
 * @param source name of the results file, for messages
 * @throws VgrError INPUT_INVALID for ids that come twice or that no query has
 */
export async function evaluateResults(
  queries: AsyncIterable<EvalQuery>,
  results: AsyncIterable<EvalResult>,
  source: string,
  options: EvaluationOptions = {},
): Promise<Evaluation> {
  const run = new ScoredRun(options);
  /** By row; undefined once answered. Of a long file most of the memory is this. */
  const open: (EvalQuery | undefined)[] = [];
  for await (const query of queries) {
    open[run.addId(query)] = options.gallery ? query : withoutWords(query);
  }
  const lines = new Uint32Array(open.length);
  const unknownIds: string[] = [];
  let several = 0;
  let laterRight = 0;
  for await (const result of results) {
    const row = run.rows.get(result.id);
    if (row === undefined) {
      unknownIds.push(result.id);
      continue;
    }
    const query = open[row];
    if (query === undefined) {
      throw new VgrError(
        'INPUT_INVALID',
        `${quoted(source)}, line ${result.line}: expected one answer to ${quoted(result.id)}, got a second; the first is in line ${lines[row]}`,
      );
    }
    open[row] = undefined;
    lines[row] = result.line;
    const { finalIou } = run.add(row, query, result);
    const [truth, ...others] = query.truthsXyxy;
    if (truth && others.length === 0 && (result.answer?.boxes?.length ?? 0) > 1) {
      several++;
      const isFirstRight = isCorrect(iouXyxy(result.answer!.boxXyxy!, truth));
      if (isCorrect(finalIou ?? 0) && !isFirstRight) laterRight++;
    }
  }
  refuseUnknownIds(unknownIds, source);
  let unanswered = 0;
  open.forEach((query, row) => {
    if (query === undefined) return;
    unanswered++;
    run.add(row, query, { tool: null, answer: null });
  });
  if (unanswered > 0) {
    run.notices.push(
      `${unanswered} of ${open.length} queries have no line in the results; they count with IoU 0`,
    );
  }
  if (several > 0) {
    run.notices.push(
      `${several} answers list several boxes for one object; the best box of each counts, and in ${laterRight} of them only a box after the first is right`,
    );
  }
  return run.evaluation();
}

/** What decides the score of an answer. */
function withoutWords({ id, line, truthsXyxy, group }: EvalQuery): EvalQuery {
  return { id, line, query: '', truthsXyxy, group };
}

/** Ids that are named in a message. */
const NAMED_IDS = 5;

function refuseUnknownIds(ids: readonly string[], source: string): void {
  if (ids.length === 0) return;
  const named = ids
    .slice(0, NAMED_IDS)
    .map((id) => quoted(id))
    .join(', ');
  throw new VgrError(
    'INPUT_INVALID',
    `${quoted(source)}: ${ids.length} of its ids are not in the queries; the first: ${named}`,
    { hint: 'give `--queries` the file that the results were made from' },
  );
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
  const run = new ScoredRun(options);
  const seenTools = new Set<string>();
  let reversed = 0;
  let firstReversed = 0;
  for await (const query of queries) {
    const { names: lineTools = [], entries = [] } = query.tools ?? {};
    for (const name of lineTools) seenTools.add(name);
    const turned = entries.flatMap((boxes) => boxes ?? []).filter(isReversed).length;
    if (turned > 0 && reversed === 0) firstReversed = query.line;
    reversed += turned;
    const [tool = null, answer = null] = entries;
    run.add(run.addId(query), query, {
      toolName: names[0],
      tool: entryStage(tool),
      answer: entryStage(answer),
      listedXyxy: answer?.map(({ boxXyxy }) => boxXyxy),
    });
  }
  for (const name of names) refuseUnknownTool(name, seenTools);
  if (reversed > 0) {
    run.notices.push(
      `${reversed} boxes have their corners in the wrong order, the first in line ${firstReversed}; they count with IoU 0`,
    );
  }
  return run.evaluation();
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

/** Scores an evaluation dump of the paper's code. Its rows may share an id. */
export async function evaluateDump(
  rows: AsyncIterable<DumpRow>,
  { iouThresholds }: EvaluationOptions = {},
): Promise<Evaluation> {
  const ids: string[] = [];
  const scores = new RefinementScores(iouThresholds);
  let disagreeing = 0;
  for await (const { id, truthXyxy, toolIou, finalIou, disagrees } of rows) {
    ids.push(id);
    scores.add({ toolIou, finalIou, objectSize: truthXyxy && objectSizeOf([truthXyxy]) });
    if (disagrees) disagreeing++;
  }
  const notices =
    disagreeing === 0
      ? []
      : [`${disagreeing} rows state another IoU than their boxes give; the stated one is taken`];
  return { ids, scores, gallery: [], notices };
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

/** Collects the answers of one run, in whatever order they come. */
class ScoredRun {
  readonly notices: string[] = [];
  /** By id, in the order of the queries. */
  readonly rows = new Map<string, number>();
  readonly #scored: ScoredQuery[] = [];
  readonly #gallery: GallerySelection;
  readonly #iouThresholds: readonly number[] | undefined;

  constructor({ gallery = 0, iouThresholds }: EvaluationOptions) {
    this.#gallery = new GallerySelection(gallery);
    this.#iouThresholds = iouThresholds;
  }

  /** @returns the row of the query @throws VgrError INPUT_INVALID for an id that comes twice */
  addId({ id, line }: EvalQuery): number {
    const row = this.rows.size;
    if (this.rows.has(id)) {
      throw new VgrError(
        'INPUT_INVALID',
        `queries, line ${line}: expected an id that is new in the file, got ${quoted(id)} again`,
        { hint: 'give each line an `id` of its own, or leave `id` out: the line number stands in' },
      );
    }
    this.rows.set(id, row);
    this.#scored.push(NOT_ANSWERED);
    return row;
  }

  add(row: number, query: EvalQuery, parts: AnswerParts): ScoredQuery {
    const score = answerScore(query, parts);
    this.#scored[row] = score;
    this.#gallery.add(row, query, parts, score);
    return score;
  }

  evaluation(): Evaluation {
    const scores = new RefinementScores(this.#iouThresholds);
    for (const score of this.#scored) scores.add(score);
    const [ids, gallery] = [[...this.rows.keys()], this.#gallery.entries()];
    return { ids, scores, gallery, notices: this.notices };
  }
}

/** Stands in the place of a query until it is answered. */
const NOT_ANSWERED: ScoredQuery = { toolIou: null, finalIou: null };
