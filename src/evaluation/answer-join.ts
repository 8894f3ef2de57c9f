import type { EvalResult } from '../formats/eval-results.js';
import { quoted, VgrError } from '../formats/fault.js';
import { iouXyxy, isCorrect } from '../geometry/overlap.js';
import { objectSizeOf } from './object-size.js';
import type { QueryTruths } from './query-truths.js';
import type { RefinementScores } from './refinement-scores.js';
import { type AnswerParts, type AnswerScore, answerScore } from './scored-answer.js';

/** Ids that are named in a message. */
const NAMED_IDS = 5;

/** A missing number in the columns. */
const MISSING = Number.NaN;

/** Bits of the column of flags. */
const NONE = 1;
const EXACT = 2;

const NO_ANSWER: AnswerParts = { tool: null, answer: null };

/** Brings the lines of a results file, in any order, to the queries that they answer. */
export class AnswerJoin {
  readonly #truths: QueryTruths;
  readonly #source: string;
  readonly #toolIou: Float64Array;
  readonly #finalIou: Float64Array;
  readonly #confidence: Float64Array;
  readonly #flags: Uint8Array;
  /** Line of the answer to each query; 0 for none yet. */
  readonly #line: Uint32Array;
  readonly #unknownIds: string[] = [];
  #unknownCount = 0;
  #answered = 0;
  #several = 0;
  #laterRight = 0;

  /** @param source name of the results file, for messages */
  constructor(truths: QueryTruths, source: string) {
    this.#truths = truths;
    this.#source = source;
    this.#toolIou = new Float64Array(truths.length).fill(MISSING);
    this.#finalIou = new Float64Array(truths.length).fill(MISSING);
    this.#confidence = new Float64Array(truths.length).fill(MISSING);
    this.#flags = new Uint8Array(truths.length);
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
    const truths = this.#truths.truthsXyxy(row);
    const score = answerScore(row, truths, result);
    this.#toolIou[row] = score.toolIou ?? MISSING;
    this.#finalIou[row] = score.finalIou ?? MISSING;
    this.#confidence[row] = score.confidence ?? MISSING;
    this.#flags[row] = (score.isNone ? NONE : 0) | (score.isExact ? EXACT : 0);
    const first = result.answer?.boxXyxy;
    if (first && truths.length === 1 && (result.answer?.boxes?.length ?? 0) > 1) {
      this.#several++;
      const isLater = isCorrect(score.finalIou ?? 0) && !isCorrect(iouXyxy(first, truths[0]!));
      if (isLater) this.#laterRight++;
    }
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

  /** How many answers list several boxes where one object is meant. */
  get several(): number {
    return this.#several;
  }

  /** How many of those are right by another box than the first. */
  get laterRight(): number {
    return this.#laterRight;
  }

  /** The queries without a line. */
  *unansweredQueries(): Generator<readonly [AnswerScore, AnswerParts]> {
    for (let row = 0; row < this.#truths.length; row++) {
      if (this.#line[row] !== 0) continue;
      yield [answerScore(row, this.#truths.truthsXyxy(row), NO_ANSWER), NO_ANSWER];
    }
  }

  /** Adds every query to the scores, in the order of the queries. */
  addTo(scores: RefinementScores): void {
    const known = (value: number) => (Number.isNaN(value) ? null : value);
    for (let row = 0; row < this.#truths.length; row++) {
      const truths = this.#truths.truthsXyxy(row);
      const group = this.#truths.group(row);
      scores.add({
        toolIou: known(this.#toolIou[row]!),
        finalIou: known(this.#finalIou[row]!),
        confidence: known(this.#confidence[row]!),
        truths: truths.length,
        objectSize: objectSizeOf(truths),
        isNone: (this.#flags[row]! & NONE) !== 0,
        isExact: (this.#flags[row]! & EXACT) !== 0,
        ...(group !== undefined && { group }),
      });
    }
  }
}
