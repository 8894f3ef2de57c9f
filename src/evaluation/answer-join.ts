import type { EvalResult } from '../formats/eval-results.js';
import { quoted, VgrError } from '../formats/fault.js';
import type { QueryTruths } from './query-truths.js';
import type { RefinementScores } from './refinement-scores.js';
import { type AnswerScore, answerScore } from './scored-answer.js';

/** Ids that are named in a message. */
const NAMED_IDS = 5;

/** IoU of a missing box in the columns. */
const MISSING = Number.NaN;

/** Brings the lines of a results file, in any order, to the queries that they answer. */
export class AnswerJoin {
  readonly #truths: QueryTruths;
  readonly #source: string;
  readonly #toolIou: Float64Array;
  readonly #finalIou: Float64Array;
  /** Line of the answer to each query; 0 for none yet. */
  readonly #line: Uint32Array;
  readonly #unknownIds: string[] = [];
  #unknownCount = 0;
  #answered = 0;
  #several = 0;

  /** @param source name of the results file, for messages */
  constructor(truths: QueryTruths, source: string) {
    this.#truths = truths;
    this.#source = source;
    this.#toolIou = new Float64Array(truths.length).fill(MISSING);
    this.#finalIou = new Float64Array(truths.length).fill(MISSING);
    this.#line = new Uint32Array(truths.length);
  }

  /**
   * Scores a line. Undefined for a line whose id no query has; {@link finish} tells of it.
   * @throws VgrError INPUT_INVALID for a second answer to one query
   */
  add(result: EvalResult): AnswerScore | undefined {
    const row = this.#truths.rowOf(result.id);
    if (row === undefined) {
      if (this.#unknownCount++ < NAMED_IDS) this.#unknownIds.push(result.id);
      return undefined;
    }
    if (this.#line[row] !== 0) {
      throw new VgrError(
        'INPUT_INVALID',
        `${quoted(this.#source)}, line ${result.line}: expected one answer to ${quoted(result.id)}, got a second; the first is in line ${this.#line[row]}`,
      );
    }
    this.#line[row] = result.line;
    this.#answered++;
    if ((result.answer?.boxes?.length ?? 0) > 1) this.#several++;
    const score = answerScore(row, this.#truths.truthXyxy(row), result);
    this.#toolIou[row] = score.toolIou ?? MISSING;
    this.#finalIou[row] = score.finalIou ?? MISSING;
    return score;
  }

  /** @throws VgrError INPUT_INVALID where lines have ids that no query has */
  finish(): void {
    if (this.#unknownCount === 0) return;
    const named = this.#unknownIds.map((id) => quoted(id)).join(', ');
    throw new VgrError(
      'INPUT_INVALID',
      `${quoted(this.#source)}: ${this.#unknownCount} of its ids are not in the queries; the first: ${named}`,
      { hint: 'give `--queries` the file that the results were made from' },
    );
  }

  /** How many queries have no line at all. */
  get unanswered(): number {
    return this.#truths.length - this.#answered;
  }

  /** How many answers list several boxes. */
  get several(): number {
    return this.#several;
  }

  /** The queries without a line, as answers without boxes. */
  *unansweredQueries(): Generator<AnswerScore> {
    for (let row = 0; row < this.#truths.length; row++) {
      if (this.#line[row] === 0) {
        yield { row, toolIou: null, finalIou: null, confidence: null };
      }
    }
  }

  /** Adds every query to the scores, in the order of the queries. */
  addTo(scores: RefinementScores): void {
    for (let row = 0; row < this.#truths.length; row++) {
      const toolIou = this.#toolIou[row]!;
      const finalIou = this.#finalIou[row]!;
      const group = this.#truths.group(row);
      scores.add({
        toolIou: Number.isNaN(toolIou) ? null : toolIou,
        finalIou: Number.isNaN(finalIou) ? null : finalIou,
        ...(group !== undefined && { group }),
      });
    }
  }
}
