import { asVgrError } from '../core/error.js';
import { decisionOn } from '../core/iou.js';
import type { Answer, Candidate, Refinement, RefineRequest, Refiner } from '../refine/refiner.js';

export interface CascadeSettings {
  /** Answers every query, and judges the large one's answers. */
  readonly small: Refiner;
  readonly large: Refiner;
  readonly quota: CallQuota;
  /** Counted up where the large refiner fails on one query and the small one's answer stands. */
  readonly tally: CascadeTally;
}

export interface CascadeTally {
  /** Queries that went to the large refiner. */
  asked: number;
  /** Of those, the ones on which it failed. */
  failed: number;
  /** Of these, the ones that the spent budget did not pay for. */
  unpaid: number;
}

/**
 * The small refiner answers; where it is unsure, the large one is asked too, and the small one judges the large one's box
 * as the answer of one more tool. Requests of a run are decided on in the order of the input.
 */
export function createCascade(settings: CascadeSettings): Refiner {
  return {
    name: `cascade:${settings.small.name}+${settings.large.name}`,
    refine: (requests, signal) =>
      Promise.all(requests.map((request) => cascadeOne(request, settings, signal))),
  };
}

async function cascadeOne(
  request: RefineRequest,
  { small, large, quota, tally }: CascadeSettings,
  signal: AbortSignal | undefined,
): Promise<Refinement> {
  const first = await refineOne(small, request, signal);
  const confidence = cascadeConfidence(first.answer);
  await request.turn?.come;
  const asked = quota.decide(confidence);
  request.turn?.take();
  const cascade = { confidence, asked };
  const ofSmall = { think: first.think, answer: { ...first.answer, cascade } };
  if (!asked) return ofSmall;
  tally.asked += 1;
  const second = await attempt(large, request, tally, signal);
  if (second === undefined || second.answer.decision === 'fallback') {
    tally.failed += 1;
    return ofSmall;
  }
  const answer = await judged(request, second.answer, { small, large }, signal);
  return { think: second.think, answer: { ...answer, cascade } };
}

/** Undefined where the large refiner fails on this query alone, or may be asked no more. */
async function attempt(
  large: Refiner,
  request: RefineRequest,
  tally: CascadeTally,
  signal: AbortSignal | undefined,
): Promise<Refinement | undefined> {
  try {
    return await refineOne(large, request, signal);
  } catch (thrown) {
    const { exit, code } = asVgrError(thrown);
    if (code === 'BUDGET_SPENT') tally.unpaid += 1;
    else if (exit !== 1) throw thrown;
    return undefined;
  }
}

/**
 * The small refiner thinks again, with the large one's answer in the tool's place: it stands unless another box is clearly
 * likelier. The decision is told in terms of the first tool.
 */
async function judged(
  request: RefineRequest,
  ofLarge: Answer,
  { small, large }: Pick<CascadeSettings, 'small' | 'large'>,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  // One box is judged: the others of a list are not part of the answer.
  const proposed = { ...ofLarge, boxes: undefined };
  if (proposed.boxXyxy === null) return proposed;
  const tool: Candidate = { boxXyxy: proposed.boxXyxy, tool: large.name, rank: 0 };
  const { answer } = await refineOne(
    small,
    { ...request, candidates: [tool, ...request.candidates], toolName: large.name, tool },
    signal,
  );
  if (answer.boxXyxy === null) return proposed;
  const isKept = answer.decision === 'confirm' || answer.decision === 'fallback';
  return {
    ...(isKept ? proposed : answer),
    score: answer.score,
    decision: decisionOn(answer.boxXyxy, request.tool?.boxXyxy),
    format: proposed.format,
  };
}

async function refineOne(
  refiner: Refiner,
  request: RefineRequest,
  signal: AbortSignal | undefined,
): Promise<Refinement> {
  return (await refiner.refine([request], signal))[0]!;
}

/**
 * How sure the small refiner is that its answer is right, 0..1, four decimals: its score, which is that probability; an answer
 * without a box is always worth a second look.
 */
export function cascadeConfidence({ boxXyxy, score }: Answer): number {
  return boxXyxy === null ? 0 : Math.round(score * 1e4) / 1e4;
}

/** Confidences closer than this are the same one. */
const BINS = 1024;
/** Queries within which calls above or below the share are made up for. */
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
 * queries that tie at the border a share is called for. Calls never exceed the share of the queries seen by more
 * than 8. Memory is one histogram, whatever the length of the stream. Equal streams get equal decisions, and a stream that is
 * replayed through {@link recall} goes on as if it had never stopped.
 */
export class CallQuota {
  readonly #share: number;
  readonly #threshold: number;
  readonly #counts = new Float64Array(BINS);
  #seen = 0;
  #calls = 0;
  /** Calls that ties at the border are owed; a fraction. */
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
