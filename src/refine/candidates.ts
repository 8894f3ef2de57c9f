import { areaXyxy, type BoxXyxy, type ImageSize, iouXyxy, shareInsideXyxy } from '../core/box.js';
import { sigmoid } from '../core/math.js';
import type { ScoreCalibration } from '../formats/model-card.js';
import { denotationsOf } from '../language/denotation.js';
import type { Expression } from '../language/expression.js';
import { parseExpression } from '../language/parser.js';
import type { Candidate } from './refiner.js';

/** Overlaps of all pairs are kept for lists of this length, 0.5 MB: detectors give a hundred boxes. */
const MAX_PAIRED = 256;

const TABLES = new WeakMap<readonly Candidate[], CandidateTable>();

/**
 * What holds of the candidates whatever the expression is. All queries of a photo weigh the same list of a detector's boxes,
 * so the numbers are kept with the list, and each is worked out when it is first asked for.
 */
export class CandidateTable {
  readonly #candidates: readonly Candidate[];
  readonly #imageSize: ImageSize;
  readonly #overlaps: Float64Array[] = [];
  readonly #parts: number[] = [];
  #labels: ReadonlySet<string> | undefined;
  #objectness: Float64Array | undefined;
  #sortIndexes: Uint32Array | undefined;

  private constructor(candidates: readonly Candidate[], imageSize: ImageSize) {
    this.#candidates = candidates;
    this.#imageSize = imageSize;
  }

  /** The table of a list, by identity of the list and of the photo's size. */
  static of(candidates: readonly Candidate[], imageSize: ImageSize): CandidateTable {
    const known = TABLES.get(candidates);
    if (known && known.#imageSize === imageSize) return known;
    const table = new CandidateTable(candidates, imageSize);
    TABLES.set(candidates, table);
    return table;
  }

  /** IoU of two candidates. */
  overlap(one: number, other: number): number {
    const candidates = this.#candidates;
    if (candidates.length > MAX_PAIRED) {
      return iouXyxy(candidates[one]!.boxXyxy, candidates[other]!.boxXyxy);
    }
    const row = this.#overlaps[one] ?? this.#overlapsOf(candidates[one]!.boxXyxy);
    this.#overlaps[one] = row;
    return row[other]!;
  }

  #overlapsOf(boxXyxy: BoxXyxy): Float64Array {
    return perCandidate(this.#candidates, (other) => iouXyxy(boxXyxy, other.boxXyxy));
  }

  /** Labels of all candidates that have one. */
  get labels(): ReadonlySet<string> {
    this.#labels ??= labelsOf(this.#candidates);
    return this.#labels;
  }

  /** {@link partShare} of a candidate. */
  partShare(at: number): number {
    this.#parts[at] ??= partShare(this.#candidates[at]!, this.#candidates);
    return this.#parts[at];
  }

  /** {@link objectness} of each candidate. */
  get objectness(): Float64Array {
    this.#objectness ??= perCandidate(this.#candidates, (candidate) =>
      objectness(candidate, this.#imageSize),
    );
    return this.#objectness;
  }

  /** Where each candidate stands in a total order that no shuffling changes: by its box, its tool and its rank. */
  get sortIndexes(): Uint32Array {
    this.#sortIndexes ??= sortIndexesOf(this.#candidates);
    return this.#sortIndexes;
  }
}

/**
 * For scores of which nothing is known, those of the embedded CenterNet, as its card has them: the logistic fit of "a box of this
 * score is a thing of this label" on its boxes in 190 photos that COCO annotates in full (13,422 things, 1,120 true). Over a
 * tenth of the photo a score of 0.1 is true 4 times in 100, 0.3 about every second time, 0.5 nine times in ten.
 */
const CENTERNET: ScoreCalibration = { intercept: 3.77, score: 2.71, area: 0.43 };
/** Tools that tell no score list few boxes and mean them. */
const WITHOUT_SCORE = 0.7;
const SMALLEST_SHARE = 1e-4;
const EDGE = 1e-3;

/** Chance that a candidate is a real thing of its label, 0..1. */
export function objectness(
  { boxXyxy, score, calibration = CENTERNET }: Candidate,
  imageSize: ImageSize,
): number {
  if (score === undefined) return WITHOUT_SCORE;
  const bounded = Math.min(Math.max(score, EDGE), 1 - EDGE);
  const share = areaXyxy(boxXyxy) / Math.max(1, imageSize.width * imageSize.height);
  return sigmoid(
    calibration.intercept +
      calibration.score * Math.log(bounded / (1 - bounded)) +
      calibration.area * Math.log(Math.max(share, SMALLEST_SHARE)),
  );
}

/**
 * The largest share of a box that lies inside a clearly larger box (twice the area) of the same label, 0..1: near 1 for a
 * head or hand that a detector boxed as one more person. 0 where the candidate has no label.
 */
export function partShare(candidate: Candidate, candidates: readonly Candidate[]): number {
  if (candidate.label === undefined) return 0;
  const area = areaXyxy(candidate.boxXyxy);
  return candidates
    .filter(({ label, boxXyxy }) => label === candidate.label && areaXyxy(boxXyxy) > 2 * area)
    .reduce((most, { boxXyxy }) => Math.max(most, shareInsideXyxy(candidate.boxXyxy, boxXyxy)), 0);
}

/** A loop: `Float64Array.from` walks an iterator, which takes many times as long. */
function perCandidate(
  candidates: readonly Candidate[],
  numberOf: (candidate: Candidate) => number,
): Float64Array {
  const numbers = new Float64Array(candidates.length);
  for (let at = 0; at < candidates.length; at++) numbers[at] = numberOf(candidates[at]!);
  return numbers;
}

/** Labels of those that have one. */
function labelsOf(candidates: readonly Candidate[]): ReadonlySet<string> {
  const labels = new Set<string>();
  for (const { label } of candidates) if (label !== undefined) labels.add(label);
  return labels;
}

function sortIndexesOf(candidates: readonly Candidate[]): Uint32Array {
  const keys = candidates.map(
    ({ boxXyxy: { x1, y1, x2, y2 }, tool, rank }) => [y1, y2, x2 - x1, x1, tool, rank] as const,
  );
  const order = keys.map((_, at) => at).sort((a, b) => compare(keys[a]!, keys[b]!));
  const sortIndexes = new Uint32Array(candidates.length);
  for (const [place, at] of order.entries()) sortIndexes[at] = place;
  return sortIndexes;
}

function compare(left: readonly (number | string)[], right: readonly (number | string)[]): number {
  const at = left.findIndex((value, i) => value !== right[i]);
  if (at < 0) return 0;
  return left[at]! < right[at]! ? -1 : 1;
}

/** Weights closer than this are the same choice among labels: "glass" is a cup as much as a wine glass. */
const SAME_WEIGHT = 0.15;

/** Best score first; among equals the tool's own order. */
function best(candidates: readonly Candidate[]): Candidate | null {
  return candidates.reduce<Candidate | null>((top, candidate) => {
    if (top === null) return candidate;
    const gain = (candidate.score ?? 0) - (top.score ?? 0);
    return gain > 0 || (gain === 0 && candidate.rank < top.rank) ? candidate : top;
  }, null);
}

/**
 * The box that stands for a detector's answer to an expression: the highest score among the boxes whose label names the
 * head noun, best-fitting labels first; where no label does, the highest score of all. Null where there is no box.
 * `candidates` are the boxes of one tool. Throws nothing.
 */
export function toolAnswer(
  query: string | Expression,
  candidates: readonly Candidate[],
): Candidate | null {
  const expression = typeof query === 'string' ? parseExpression(query) : query;
  const denoted = denotationsOf(expression, labelsOf(candidates));
  if (denoted.size === 0) return best(candidates);
  const weight = ({ label }: Candidate) =>
    label === undefined ? 0 : (denoted.get(label)?.weight ?? 0);
  const top = candidates.reduce((most, candidate) => Math.max(most, weight(candidate)), 0);
  if (top === 0) return best(candidates);
  return best(candidates.filter((candidate) => weight(candidate) >= top - SAME_WEIGHT));
}

/** The answer of a tool that was asked the expression itself and lists its boxes best first: its first box. */
export const firstAnswer = (candidates: readonly Candidate[]): Candidate | null =>
  candidates.toSorted((one, other) => one.rank - other.rank)[0] ?? null;

const plain = (text: string): string =>
  ` ${text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()} `;

/**
 * Tools that were asked the expression itself and name one box: the box is a vote for what is meant, not a list of things of
 * a kind, as those of a detector are. Such a tool gives its box no label, or one cut from the expression. A tool that lists
 * several boxes has left the choice open, whether it is a detector or read the expression.
 */
export function singleBoxTools(
  query: string,
  candidates: readonly Candidate[],
): ReadonlySet<string> {
  const text = plain(query);
  const boxes = new Map<string, number>();
  for (const { tool } of candidates) boxes.set(tool, (boxes.get(tool) ?? 0) + 1);
  const speaks = ({ label }: Candidate) => label === undefined || text.includes(plain(label));
  const found = candidates.filter(
    (each) => !each.listed && boxes.get(each.tool) === 1 && speaks(each),
  );
  return new Set(found.map(({ tool }) => tool));
}
