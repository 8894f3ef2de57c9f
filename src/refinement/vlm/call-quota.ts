/** Confidences closer than this are the same one. */
const BINS = 1024;
/** Calls above or below the share are made up for within about this many queries. */
const CATCH_UP = 250;
/** Calls that may be made ahead of the share. */
const AHEAD = 8;

export interface QuotaSettings {
  /** Most calls, as a share of the queries, 0..1. */
  readonly share: number;
  /** Calls are for confidences below this, 0..1. */
  readonly threshold: number;
}

/**
 * Decides on a stream which queries are worth a call: those whose confidence is among the lowest `share` of all so far. Of
 * queries that tie at the border every so-manieth is called for. Calls never exceed the share of the queries seen by more
 * than 8. Memory is one histogram, whatever the length of the stream. Equal streams get equal decisions, and a stream that is
 * replayed through {@link recall} goes on as if it had never stopped.
 */
export class CallQuota {
  readonly #share: number;
  readonly #threshold: number;
  readonly #counts = new Float64Array(BINS);
  #seen = 0;
  #calls = 0;
  /** What ties at the border are owed, in calls. */
  #owed = 0;

  constructor({ share, threshold }: QuotaSettings) {
    this.#share = share;
    this.#threshold = threshold;
  }

  get seen(): number {
    return this.#seen;
  }

  get calls(): number {
    return this.#calls;
  }

  /** Takes the next query's confidence, 0..1, and says whether a call is worth it. */
  decide(confidence: number): boolean {
    this.#takeIn(confidence);
    const asked = confidence < this.#threshold && this.#isWorth(confidence);
    if (asked) this.#calls += 1;
    return asked;
  }

  /** Takes in a query that an earlier run decided on. */
  recall(confidence: number, asked: boolean): void {
    this.#takeIn(confidence);
    if (confidence < this.#threshold) this.#isWorth(confidence);
    if (asked) this.#calls += 1;
  }

  #takeIn(confidence: number): void {
    this.#counts[binOf(confidence)]! += 1;
    this.#seen += 1;
  }

  #isWorth(confidence: number): boolean {
    const budget = this.#share * this.#seen;
    if (budget <= 0 || this.#calls + 1 > budget + AHEAD) return false;
    const behind = (budget - this.#calls) / CATCH_UP;
    const wanted = Math.min(this.#share + behind, 1) * this.#seen;
    const bin = binOf(confidence);
    let lower = 0;
    for (let index = 0; index < bin; index++) lower += this.#counts[index]!;
    const chance = Math.min(Math.max((wanted - lower) / this.#counts[bin]!, 0), 1);
    if (chance === 0 || chance === 1) return chance === 1;
    this.#owed += chance;
    if (this.#owed < 1) return false;
    this.#owed -= 1;
    return true;
  }
}

function binOf(confidence: number): number {
  return Math.min(BINS - 1, Math.max(0, Math.floor(confidence * BINS)));
}
