import { mixed } from '../random/xoshiro128.js';
import {
  type AnswerScore,
  OUTCOMES,
  type Outcome,
  outcomeOf,
  type ScoredAnswer,
} from './scored-answer.js';

/** An answer to be shown, and how it ended. */
export type GalleryEntry = ScoredAnswer & { readonly outcome: Outcome };

interface Ranked {
  readonly rank: number;
  readonly entry: GalleryEntry;
}

/**
 * Chooses the answers that a report shows, in bounded memory: of corrections and losses those that moved the furthest, of
 * errors those with the highest score, of confirmations a random sample. The choice does not depend on the order in which
 * answers come.
 */
export class GallerySelection {
  readonly #limit: number;
  readonly #kept: Readonly<Record<Outcome, Ranked[]>> = {
    correction: [],
    confirmation: [],
    loss: [],
    error: [],
  };

  /** Below this rank an answer is not among the chosen any more. */
  readonly #least: Record<Outcome, number> = {
    correction: Number.NEGATIVE_INFINITY,
    confirmation: Number.NEGATIVE_INFINITY,
    loss: Number.NEGATIVE_INFINITY,
    error: Number.NEGATIVE_INFINITY,
  };

  /** @param limit most entries in all */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @param detailed makes the whole answer; asked only where it may be shown */
  add(score: AnswerScore, detailed: () => ScoredAnswer): void {
    if (this.#limit === 0) return;
    const outcome = outcomeOf(score.toolIou, score.finalIou);
    const kept = this.#kept[outcome];
    const rank = rankOf(score, outcome);
    if (rank < this.#least[outcome]) return;
    kept.push({ rank, entry: { ...detailed(), outcome } });
    if (kept.length > 2 * this.#limit + 64) {
      this.#trim(kept);
      this.#least[outcome] = kept.at(-1)!.rank;
    }
  }

  /** An equal share of each outcome; what one leaves over goes to the others. Highest rank first. */
  entries(): GalleryEntry[] {
    for (const outcome of OUTCOMES) this.#trim(this.#kept[outcome]);
    const taken: Record<Outcome, number> = { correction: 0, confirmation: 0, loss: 0, error: 0 };
    let left = this.#limit;
    for (let isAdding = true; isAdding; ) {
      isAdding = false;
      for (const outcome of OUTCOMES) {
        if (left === 0 || taken[outcome] === this.#kept[outcome].length) continue;
        taken[outcome]++;
        left--;
        isAdding = true;
      }
    }
    return OUTCOMES.flatMap((outcome) =>
      this.#kept[outcome].slice(0, taken[outcome]).map(({ entry }) => entry),
    );
  }

  #trim(kept: Ranked[]): void {
    kept.sort((a, b) => b.rank - a.rank || a.entry.row - b.entry.row);
    kept.length = Math.min(kept.length, this.#limit);
  }
}

function rankOf(score: AnswerScore, outcome: Outcome): number {
  if (outcome === 'confirmation') return mixed(score.row);
  if (outcome === 'error') return score.confidence ?? 0;
  return Math.abs((score.finalIou ?? 0) - (score.toolIou ?? 0));
}
