import { asVgrError } from '../../formats/fault.js';
import { iouXyxy } from '../../geometry/overlap.js';
import { agreement } from '../agreement.js';
import { grounders } from '../grounder.js';
import type { Answer, Candidate, Refinement, RefineRequest, Refiner } from '../refiner.js';
import type { CallQuota } from './call-quota.js';
import { decisionOn } from './vlm-answer.js';

/** Boxes overlap more than this (IoU) where they show the same object. */
const SAME_OBJECT_IOU = 0.5;
const EDGE = 1e-3;

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
  const confidence = cascadeConfidence(first.answer, request);
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
 * How sure the small refiner may be, 0..1, four decimals: the mean of its score, of the score that a tool which read the
 * expression gives the same object, and, where at least two tools read it, of each one's vote. Tools that err apart seldom
 * agree by chance. Where none vote, what the box says by itself moves the mean; beside votes it tells nothing more.
 */
export function cascadeConfidence(answer: Answer, { query, candidates }: RefineRequest): number {
  const { boxXyxy, plausibility = 0 } = answer;
  if (boxXyxy === null) return 0;
  const readers = grounders(query, candidates);
  const scores = candidates.flatMap(({ tool, score, boxXyxy: other }) =>
    score !== undefined && readers.has(tool) && iouXyxy(other, boxXyxy) > SAME_OBJECT_IOU
      ? [score]
      : [],
  );
  const told = scores.length > 0 ? [Math.max(...scores)] : [];
  const voters = readers.size < 2 ? 0 : readers.size;
  const votes = voters * (agreement(boxXyxy, candidates, readers) ?? 0);
  const mean = (answer.score + votes + (told[0] ?? 0)) / (1 + voters + told.length);
  return Math.round(moved(mean, voters > 0 ? 0 : plausibility) * 1e4) / 1e4;
}

/** A chance moved by natural log-odds; 0 and 1 are taken for nearly so. */
function moved(chance: number, logOdds: number): number {
  const bounded = Math.min(Math.max(chance, EDGE), 1 - EDGE);
  const odds = (bounded / (1 - bounded)) * Math.exp(logOdds);
  return logOdds === 0 ? chance : odds / (1 + odds);
}
