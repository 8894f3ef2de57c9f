import { type BoxXyxy, type ImageSize, iouXyxy, isCorrect } from '../core/box.js';
import { quoted, VgrError } from '../core/error.js';
import type { EvalQuery, EvalResult, EvalStage } from '../formats/eval-files.js';
import { DoubleColumn } from './column.js';
import { type JudgedAnswer, type ObjectSize, objectSizeOf } from './metrics.js';
import type { RefinementScores } from './refinement-scores.js';

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

/** Queries and their ground truth by id, compact enough for a million of them. */
export class QueryTruths {
  readonly #rows = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #queries: string[] = [];
  readonly #images: (string | undefined)[] = [];
  readonly #sizes: (ImageSize | undefined)[] = [];
  readonly #groups: (string | undefined)[] = [];
  readonly #corners = new DoubleColumn();
  /** Of each query the place of its first box; its last one stands before the next query's. */
  readonly #starts = new DoubleColumn();

  get length(): number {
    return this.#ids.length;
  }

  get ids(): readonly string[] {
    return this.#ids;
  }

  /** @throws VgrError INPUT_INVALID for an id that comes twice */
  add({ id, line, query, image, size, group, truthsXyxy }: EvalQuery): void {
    const earlier = this.#rows.get(id);
    if (earlier !== undefined) {
      throw new VgrError(
        'INPUT_INVALID',
        `queries, line ${line}: expected an id that is new in the file, got ${quoted(id)} again`,
        { hint: 'give each line an `id` of its own, or leave `id` out: the line number stands in' },
      );
    }
    this.#rows.set(id, this.#ids.length);
    this.#ids.push(id);
    this.#queries.push(query);
    this.#images.push(image);
    this.#sizes.push(size);
    this.#groups.push(group);
    this.#starts.push(this.#corners.length);
    for (const { x1, y1, x2, y2 } of truthsXyxy) {
      for (const corner of [x1, y1, x2, y2]) this.#corners.push(corner);
    }
  }

  rowOf(id: string): number | undefined {
    return this.#rows.get(id);
  }

  group(row: number): string | undefined {
    return this.#groups[row];
  }

  /** Every box that is meant. */
  truthsXyxy(row: number): BoxXyxy[] {
    const corners = this.#corners.view();
    const starts = this.#starts.view();
    const truths: BoxXyxy[] = [];
    for (let at = starts[row]!; at < (starts[row + 1] ?? corners.length); at += 4) {
      truths.push({
        x1: corners[at]!,
        y1: corners[at + 1]!,
        x2: corners[at + 2]!,
        y2: corners[at + 3]!,
      });
    }
    return truths;
  }

  at(row: number): QueryTruth {
    const image = this.#images[row];
    const size = this.#sizes[row];
    const group = this.#groups[row];
    return {
      id: this.#ids[row]!,
      query: this.#queries[row]!,
      truthsXyxy: this.truthsXyxy(row),
      ...(image !== undefined && { image }),
      ...(size && { size }),
      ...(group !== undefined && { group }),
    };
  }
}

/** What a query asks for, with the boxes that are meant. */
export interface QueryTruth {
  readonly id: string;
  readonly query: string;
  readonly image?: string;
  readonly size?: ImageSize;
  readonly group?: string;
  /** None where nothing in the photo fits. */
  readonly truthsXyxy: readonly BoxXyxy[];
}

/** How good the answer to one query is. */
export interface AnswerScore extends Required<Omit<JudgedAnswer, 'objectSize'>> {
  readonly objectSize: ObjectSize | undefined;
  /** Place of the query in its file, from 0. */
  readonly row: number;
  /** 0..1; null where the tool gave no box. Where nothing fits, 1 for no box and 0 for one. */
  readonly toolIou: number | null;
  /** 0..1; null where there is no answer or no box in it. Where nothing fits, 1 for the answer `none` and 0 for a box. */
  readonly finalIou: number | null;
}

/** What was answered to a query. */
export interface AnswerParts {
  readonly toolName?: string;
  /** Null where nothing is known of the tool. */
  readonly tool: EvalStage | null;
  readonly think?: EvalStage;
  /** Null where there is no answer. */
  readonly answer: EvalStage | null;
  /** All boxes of an entry of `tools` that counts as the answer, to be matched with a set; elsewhere its first one counts. */
  readonly listedXyxy?: readonly BoxXyxy[];
  readonly decision?: string;
  /** Of the photo, where the answer tells it. */
  readonly size?: ImageSize;
}

/** A query with its answer and how good that is. The answer's box is the one that counts. */
export type ScoredAnswer = QueryTruth & AnswerScore & AnswerParts;

/** Scores an answer. The fixed shape keeps a million of them cheap. */
export function answerScore(
  row: number,
  truthsXyxy: readonly BoxXyxy[],
  { tool, answer, listedXyxy, decision }: AnswerParts,
): AnswerScore {
  const isNone = answer !== null && answer.boxXyxy === null && decision !== 'fallback';
  const isAbsent = truthsXyxy.length === 0;
  const finalBox = answer && countedBox(answer, truthsXyxy);
  return {
    row,
    toolIou: isAbsent && tool ? (tool.boxXyxy ? 0 : 1) : bestIou(tool?.boxXyxy ?? null, truthsXyxy),
    finalIou: isNone && isAbsent ? 1 : bestIou(finalBox, truthsXyxy),
    confidence: answer?.score ?? null,
    truths: truthsXyxy.length,
    objectSize: objectSizeOf(truthsXyxy),
    isNone,
    isExact: answer !== null && matchOneToOne(listedXyxy ?? boxesOf(answer), truthsXyxy),
  };
}

/** The whole of an answer, for those that are shown. */
export function scoredAnswer(
  truth: QueryTruth,
  { toolName, tool, think, answer, decision, size }: AnswerParts,
  score: AnswerScore,
): ScoredAnswer {
  return {
    ...truth,
    ...score,
    tool,
    answer: answer && { ...answer, boxXyxy: countedBox(answer, truth.truthsXyxy) },
    ...(toolName !== undefined && { toolName }),
    ...(think && { think }),
    ...(decision !== undefined && { decision }),
    ...(size && { size }),
  };
}

/** Every box that an answer gives. */
export function boxesOf({ boxXyxy, boxes }: EvalStage): readonly BoxXyxy[] {
  if (boxes) return boxes.map((each) => each.boxXyxy);
  return boxXyxy ? [boxXyxy] : [];
}

/**
 * The box of an answer that counts. It is the first; but where one object is meant and several boxes are given, the one that
 * overlaps it most, the first of equal ones.
 * @see VG-Refiner, arXiv 2512.06373, PiTER
 */
function countedBox(answer: EvalStage, truthsXyxy: readonly BoxXyxy[]): BoxXyxy | null {
  const [truth, ...others] = truthsXyxy;
  if (answer.boxXyxy === null || !truth || others.length > 0) return answer.boxXyxy;
  return boxesOf(answer).reduce((best, box) =>
    iouXyxy(box, truth) > iouXyxy(best, truth) ? box : best,
  );
}

/** With the box of the ground truth that it overlaps most; null for no box. */
function bestIou(box: BoxXyxy | null, truthsXyxy: readonly BoxXyxy[]): number | null {
  if (box === null) return null;
  return truthsXyxy.reduce((best, truth) => Math.max(best, iouXyxy(box, truth)), 0);
}

/** From this IoU on two boxes of sets match. @see C. Liu et al., "GRES", CVPR 2023, gRefCOCO */
const MATCHING_IOU = 0.5;

/**
 * Whether every given box can be paired with one of the ground truth that it matches, and none is left on either side.
 * Searches augmenting paths (Kuhn).
 */
export function matchOneToOne(
  givenXyxy: readonly BoxXyxy[],
  truthsXyxy: readonly BoxXyxy[],
): boolean {
  if (givenXyxy.length !== truthsXyxy.length) return false;
  /** By box of the ground truth, the given box that it is paired with. */
  const partner = new Map<BoxXyxy, BoxXyxy>();
  const pair = (given: BoxXyxy, tried: Set<BoxXyxy>): boolean =>
    truthsXyxy.some((truth) => {
      if (tried.has(truth) || iouXyxy(given, truth) < MATCHING_IOU) return false;
      tried.add(truth);
      const rival = partner.get(truth);
      if (rival && !pair(rival, tried)) return false;
      partner.set(truth, given);
      return true;
    });
  return givenXyxy.every((given) => pair(given, new Set()));
}

/**
 * correction: the tool was wrong, the answer is right. confirmation: both are right. loss: the tool was right, the answer is
 * wrong. error: both are wrong.
 */
export type Outcome = 'correction' | 'confirmation' | 'loss' | 'error';

/** In the order in which reports name them. */
export const OUTCOMES = ['correction', 'confirmation', 'loss', 'error'] as const;

export function outcomeOf(toolIou: number | null, finalIou: number | null): Outcome {
  const toolRight = isCorrect(toolIou ?? 0);
  if (isCorrect(finalIou ?? 0)) return toolRight ? 'confirmation' : 'correction';
  return toolRight ? 'loss' : 'error';
}
