import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import { partShare } from './box-geometry.js';
import { type Crowd, crowdAt } from './crowd.js';
import { existence } from './existence.js';
import type { Candidate } from './refiner.js';

/** Overlaps of all pairs are kept for lists of this length, 0.5 MB: detectors give a hundred boxes. */
const MOST_PAIRED = 256;

const TABLES = new WeakMap<readonly Candidate[], CandidateTable>();

/**
 * What holds of the candidates whatever the expression is. All queries of a photo weigh the same list of a detector's boxes,
 * so the numbers are kept with the list, and each is worked out when it is first asked for.
 */
export class CandidateTable {
  readonly #candidates: readonly Candidate[];
  readonly #image: ImageSize;
  readonly #overlaps: Float64Array[] = [];
  readonly #parts: number[] = [];
  readonly #crowds: Crowd[] = [];
  #labels: ReadonlySet<string> | undefined;
  #existences: Float64Array | undefined;
  #places: Uint32Array | undefined;
  #byScore: Uint32Array | undefined;

  private constructor(candidates: readonly Candidate[], image: ImageSize) {
    this.#candidates = candidates;
    this.#image = image;
  }

  /** The table of a list, by identity of the list and of the photo's size. */
  static of(candidates: readonly Candidate[], image: ImageSize): CandidateTable {
    const known = TABLES.get(candidates);
    if (known && known.#image === image) return known;
    const table = new CandidateTable(candidates, image);
    TABLES.set(candidates, table);
    return table;
  }

  /** IoU of two candidates. */
  overlap(one: number, other: number): number {
    const candidates = this.#candidates;
    if (candidates.length > MOST_PAIRED) {
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

  /** Places in the list, the highest score first; a candidate without a score counts as sure. */
  get byScore(): Uint32Array {
    const score = (at: number): number => this.#candidates[at]!.score ?? 1;
    this.#byScore ??= new Uint32Array(this.#candidates.length)
      .map((_, at) => at)
      .sort((a, b) => score(b) - score(a) || a - b);
    return this.#byScore;
  }

  /** {@link partShare} of a candidate. */
  partShare(at: number): number {
    this.#parts[at] ??= partShare(this.#candidates[at]!, this.#candidates);
    return this.#parts[at];
  }

  /** {@link crowdAt} of a candidate's box. */
  crowd(at: number): Crowd {
    this.#crowds[at] ??= crowdAt(this.#candidates[at]!.boxXyxy, this.#candidates);
    return this.#crowds[at];
  }

  /** {@link existence} of each candidate. */
  get existences(): Float64Array {
    this.#existences ??= perCandidate(this.#candidates, (candidate) =>
      existence(candidate, this.#image),
    );
    return this.#existences;
  }

  /** Where each candidate stands in a total order that no shuffling changes: by its box, its tool and its rank. */
  get places(): Uint32Array {
    this.#places ??= placesOf(this.#candidates);
    return this.#places;
  }
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
export function labelsOf(candidates: readonly Candidate[]): ReadonlySet<string> {
  const labels = new Set<string>();
  for (const { label } of candidates) if (label !== undefined) labels.add(label);
  return labels;
}

function placesOf(candidates: readonly Candidate[]): Uint32Array {
  const keys = candidates.map(
    ({ boxXyxy: { x1, y1, x2, y2 }, tool, rank }) => [y1, y2, x2 - x1, x1, tool, rank] as const,
  );
  const order = keys.map((_, at) => at).sort((a, b) => compare(keys[a]!, keys[b]!));
  const places = new Uint32Array(candidates.length);
  for (const [place, at] of order.entries()) places[at] = place;
  return places;
}

function compare(left: readonly (number | string)[], right: readonly (number | string)[]): number {
  const at = left.findIndex((value, i) => value !== right[i]);
  if (at < 0) return 0;
  return left[at]! < right[at]! ? -1 : 1;
}
