import { asVgrError } from '../../formats/fault.js';
import type { Answer, Candidate, Refinement, RefineRequest, Refiner } from '../refiner.js';
import type { CallQuota } from './call-quota.js';
import { decisionOn } from './vlm-answer.js';

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
  /** Of these, the ones that a spent budget left out. */
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
      Promise.all(requests.map((request) => descend(request, settings, signal))),
  };
}

async function descend(
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
  const standing = { think: first.think, answer: { ...first.answer, cascade } };
  if (!asked) return standing;
  tally.asked += 1;
  const second = await attempt(large, request, tally, signal);
  if (second === undefined || second.answer.decision === 'fallback') {
    tally.failed += 1;
    return standing;
  }
  const { answer } = await judged(request, second, { small, large }, signal);
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
  second: Refinement,
  { small, large }: Pick<CascadeSettings, 'small' | 'large'>,
  signal: AbortSignal | undefined,
): Promise<{ readonly answer: Answer }> {
  // One box is judged: the others of a list are not part of the answer.
  const { boxes: _, ...proposed } = second.answer;
  if (proposed.boxXyxy === null) return { answer: proposed };
  const tool: Candidate = { boxXyxy: proposed.boxXyxy, tool: large.name, rank: 0 };
  const { answer } = await refineOne(
    small,
    { ...request, candidates: [tool, ...request.candidates], toolName: large.name, tool },
    signal,
  );
  if (answer.boxXyxy === null) return { answer: proposed };
  const kept = answer.decision === 'confirm' || answer.decision === 'fallback';
  return {
    answer: {
      ...(kept ? proposed : answer),
      score: answer.score,
      decision: decisionOn(answer.boxXyxy, request.tool),
      ...(proposed.format !== undefined && { format: proposed.format }),
    },
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
