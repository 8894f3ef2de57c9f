import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import { type Choice, chooseAction, overlapsOfRows, toolPlace } from './lite-decision.js';
import type { LiteDraft } from './lite-example.js';
import { candidateCount, type PolicyExample } from './policy-batch.js';
import { describeChoice } from './rationale.js';
import type { Answer, Decision, Refinement, RefineRequest, Thought } from './refiner.js';
import type { Scores } from './transparent-scorer.js';

/** Answers that overlap the tool's more than this are its box; less than the other, another object. */
const SAME_BOX_IOU = 0.999;
const SAME_OBJECT_IOU = 0.5;

/** A request on its way through the policy. */
export interface Prepared {
  readonly request: RefineRequest;
  readonly draft: LiteDraft;
  readonly example: PolicyExample;
}

/** What the policy says of one query with n boxes. */
export interface Reply {
  /** [n + 1] */
  readonly think: Float32Array;
  /** [n + 2] */
  readonly rethink: Float32Array;
  /** [n + 2]: chance that each action's box is right. */
  readonly score: Float32Array;
}

/** What the reply means. `margin`: see {@link Choice}. */
export function refinementOf(prepared: Prepared, reply: Reply, margin: number): Refinement {
  const overlaps = overlapsOfRows(prepared.example.boxes);
  return {
    think: thoughtOf(prepared, reply, overlaps),
    answer: answerOf(prepared, reply, margin, overlaps),
  };
}

/** The likeliest object among the boxes that think may see. */
function thoughtOf(
  { draft, example }: Prepared,
  { think }: Reply,
  overlaps: Choice['overlaps'],
): Thought {
  const n = candidateCount(example);
  const action = chooseAction({
    overlaps,
    probabilities: [...think.subarray(0, n), 0, think[n]!],
    toolAt: -1,
    margin: 1,
  });
  const proposal = draft.proposals[action];
  if (proposal === undefined || example.thinkMask[action] === 0) {
    return { boxXyxy: null, score: think[n]!, text: nothingText(draft) };
  }
  return {
    boxXyxy: proposal.boxXyxy,
    score: think[action]!,
    text: reasonOf(draft, draft.scene.blind, action),
  };
}

function answerOf(
  { request, draft, example }: Prepared,
  reply: Reply,
  margin: number,
  overlaps: Choice['overlaps'],
): Answer {
  const n = candidateCount(example);
  const { tool } = request;
  const toolAt = toolPlace(example.tool, n);
  const action = chooseAction({
    overlaps,
    probabilities: reply.rethink,
    toolAt,
    margin,
  });
  const score = reply.score[action]!;
  if (action === n + 1) {
    return {
      boxXyxy: null,
      score: reply.rethink[action]!,
      decision: 'none',
      text: nothingText(draft),
    };
  }
  const boxXyxy = action === n ? tool!.boxXyxy : draft.proposals[action]!.boxXyxy;
  const decision = decisionOf(boxXyxy, tool?.boxXyxy);
  const reason = reasonOf(draft, draft.scene.heard, action === n ? toolAt : action);
  return {
    boxXyxy: decision === 'confirm' ? tool!.boxXyxy : boxXyxy,
    score,
    decision,
    text: `${OPENING[decision]}: ${reason}`,
  };
}

const OPENING: Readonly<Record<Decision, string>> = {
  confirm: "the tool's box stands",
  correct: "another object than the tool's",
  adjust: 'same object, a box that fits it better',
  fallback: "the tool's box stands",
  none: 'nothing fits',
};

function decisionOf(answer: BoxXyxy, tool: BoxXyxy | undefined): Decision {
  const overlap = tool === undefined ? 0 : iouXyxy(answer, tool);
  if (overlap > SAME_BOX_IOU) return 'confirm';
  return overlap > SAME_OBJECT_IOU ? 'adjust' : 'correct';
}

function reasonOf({ scene, proposals }: LiteDraft, scores: Scores, at: number): string {
  const thing = scene.thingOf(proposals[at]!.source, scores);
  if (thing !== undefined) return describeChoice(scene.expression, scores, thing);
  const { label } = scene.candidates[proposals[at]!.source]!;
  return `a box of another kind${label === undefined ? '' : `, ${label}`}, that fits the words best`;
}

function nothingText({ scene, proposals }: LiteDraft): string {
  const named = scene.expression.head?.lemma ?? 'thing';
  return proposals.length === 0
    ? `no box was proposed, so no ${named} can be pointed at`
    : `none of the boxes is likely to be the ${named} that is meant`;
}
