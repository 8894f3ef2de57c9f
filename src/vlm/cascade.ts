import { asVgrError } from '../core/error.js';
import { decisionOn } from '../core/iou.js';
import type { Answer, Candidate, Refinement, RefineRequest, Refiner } from '../refine/refiner.js';

export interface CascadeSettings {
  /** Answers every query and judges the large refiner's answers. */
  readonly small: Refiner;
  readonly large: Refiner;
  readonly quota: CallQuota;
  readonly tally: CascadeTally;
}

export interface CascadeTally {
  /** Queries that went to the large refiner. */
  asked: number;
  /** Of those, the ones on which it failed, so that the small refiner's answer counts. */
  failed: number;
  /** Of these, the ones beyond the budget. */
  unpaid: number;
}

/**
 * The small refiner answers. Where it is unsure, the large one answers too, and the small one judges that box as the answer of
 * one more tool. The requests of a run are decided on in the order of the input.
 */
export function createCascade({ small, large, quota, tally }: CascadeSettings): Refiner {
  /** The large refiner's answer; undefined where it fails on this query alone, or the budget is spent. */
  async function attempt(request: RefineRequest): Promise<Refinement | undefined> {
    try {
      return await large.refine(request);
    } catch (thrown) {
      const { exit, code } = asVgrError(thrown);
      if (code === 'BUDGET_SPENT') tally.unpaid += 1;
      else if (exit !== 1) throw thrown;
      return undefined;
    }
  }

  /**
   * The small refiner thinks again, with the large one's answer as the tool's, which it keeps unless another box is clearly
   * likelier. The decision is about the first tool.
   */
  async function judged(
    request: RefineRequest,
    { answer: ofLarge, candidates: brought }: Refinement,
  ): Promise<Answer> {
    // One box is judged: the others of a list are not part of the answer.
    const proposed = { ...ofLarge, boxes: undefined };
    if (proposed.boxXyxy === null) return proposed;
    const own = brought ?? [{ boxXyxy: proposed.boxXyxy, tool: large.name, rank: 0 }];
    const tool: Candidate = own[0]!;
    const candidates = [...own, ...request.candidates];
    const { answer } = await small.refine({ ...request, candidates, toolName: large.name, tool });
    if (answer.boxXyxy === null) return proposed;
    const isKept = answer.decision === 'confirm' || answer.decision === 'fallback';
    return {
      ...(isKept ? proposed : answer),
      score: answer.score,
      decision: decisionOn(answer.boxXyxy, request.tool?.boxXyxy),
      format: proposed.format,
    };
  }

  return {
    name: `cascade:${small.name}+${large.name}`,
    async refine(request) {
      const first = await small.refine(request);
      const confidence = cascadeConfidence(first.answer);
      await request.turn?.come;
      const asked = quota.decide(confidence);
      request.turn?.take();
      const cascade = { confidence, asked };
      const ofSmall = { think: first.think, answer: { ...first.answer, cascade } };
      if (!asked) return ofSmall;
      tally.asked += 1;
      const second = await attempt(request);
      if (second === undefined || second.answer.decision === 'fallback') {
        tally.failed += 1;
        return ofSmall;
      }
      const answer = await judged(request, second);
      return { think: second.think, answer: { ...answer, cascade } };
    },
  };
}

/**
 * The probability that the small refiner's answer is right, 0..1, four decimals: its score; 0 for an answer without a box,
 * which always deserves a second look.
 */
export function cascadeConfidence({ boxXyxy, score }: Answer): number {
  return boxXyxy === null ? 0 : Math.round(score * 1e4) / 1e4;
}

/** Confidences in one bin count as equal. */
const BINS = 1024;
/** Number of queries within which calls return to the share. */
const CATCH_UP = 250;
/** Calls beyond the share of the queries so far. */
const MAX_AHEAD = 8;

export interface QuotaSettings {
  /** Maximum share of the queries that are worth a call, 0..1. */
  readonly share: number;
  /** Only queries with a confidence below this are worth a call. */
  readonly threshold: number;
}

/**
 * Decides which queries of a stream are worth a call: those whose confidence is among the lowest `share` of all so far, and a
 * share of those that tie at the border. Calls never exceed the share of the queries seen by more than 8. Memory is one
 * histogram, whatever the length of the stream. Equal streams get equal decisions, and a stream that is replayed through
 * {@link recall} continues as if it had never stopped.
 */
export class CallQuota {
  seen = 0;
  calls = 0;
  readonly #counts = new Float64Array(BINS);
  /** The calls that ties at the border have earned but not had; a fraction. */
  #owed = 0;

  constructor(private readonly settings: QuotaSettings) {}

  /** Whether the next query, with this confidence (0..1), is worth a call. */
  decide(confidence: number): boolean {
    const asked = this.#isWorth(confidence);
    if (asked) this.calls += 1;
    return asked;
  }

  /** Adds a query that an earlier run decided on. */
  recall(confidence: number, asked: boolean): void {
    this.#isWorth(confidence);
    if (asked) this.calls += 1;
  }

  /** Counts a query, and says whether it is worth a call. */
  #isWorth(confidence: number): boolean {
    const { share, threshold } = this.settings;
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(confidence * BINS)));
    this.#counts[bin]! += 1;
    this.seen += 1;
    if (confidence >= threshold) return false;
    const budget = share * this.seen;
    if (budget <= 0 || this.calls + 1 > budget + MAX_AHEAD) return false;
    const behind = (budget - this.calls) / CATCH_UP;
    const wanted = Math.min(share + behind, 1) * this.seen;
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
