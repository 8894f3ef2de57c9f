import { type BoxXyxy, iouXyxy, isSameXyxy } from '../core/box.js';
import { SAME_BOX_IOU, SAME_OBJECT_IOU } from '../core/iou.js';
import {
  asksForSeveral,
  type Choice,
  chanceOf,
  chooseBox,
  chooseSet,
  overlapTable,
  SCORE_PARTS,
  scoreParts,
} from './decision.js';
import { type Belief, beliefOf, type PolicyNumbers, policyOf, rowsOf } from './policy.js';
import { reasonOf } from './reason.js';
import type { Answer, Decision, Refinement, Refiner } from './refiner.js';
import { type Situation, situationOf, withCrops } from './situation.js';

/** What a user may ask of the answers. */
export interface AnswerRules {
  /** `one`: a single box, whatever the words ask for. */
  readonly answers: 'auto' | 'one';
  /** Answers of a lower score become `none`, 0..1. */
  readonly minConfidence: number;
}

/** A refiner that any thread can make for itself. */
export interface LiteSpec {
  readonly name: string;
  readonly numbers: PolicyNumbers;
  readonly rules: AnswerRules;
}

/**
 * Thinks, rethinks in view of the tool's answer, and answers, each by the same numbers. Microseconds a query. A request whose
 * signal is aborted throws the signal's reason.
 */
export function createLiteRefiner({ name, numbers, rules }: LiteSpec): Refiner {
  const policy = policyOf(numbers);
  const refineOne = (situation: Situation): Refinement => {
    const rows = rowsOf(situation, policy.columns);
    const pairs = overlapTable(situation.actions.map(({ boxXyxy }) => boxXyxy));
    const scoreOf = (belief: Belief, choice: Choice | null): number =>
      chanceOf(scoreParts(policy, rows, belief, choice), SCORE_PARTS, numbers.score);
    const judged = (belief: Belief): Judged => {
      const choice = chooseBox(belief, pairs, numbers.threshold);
      return { choice, score: scoreOf(belief, choice), nothing: scoreOf(belief, null) };
    };
    const think = judged(beliefOf(policy, rows, 'think'));
    const rethink = judged(beliefOf(policy, rows, 'rethink'));
    const several = rules.answers === 'auto' && asksForSeveral(situation.expression);
    const { quantity } = situation.expression;
    const set =
      several && rethink.choice !== null
        ? chooseSet(policy, rows, pairs, numbers.members, 'n' in quantity ? quantity.n : null)
        : [];
    const told = { policy, rows, situation };
    const { choice } = rethink;
    const answer = answerOf(rethink, set, situation, (decision) =>
      reasonOf({ ...told, choice, set, decision }),
    );
    const { choice: thought, score } = think;
    const text = reasonOf({ ...told, choice: thought, set: [], decision: null });
    const boxXyxy = thought && situation.actions[thought.at]!.boxXyxy;
    return { think: { boxXyxy, score, text }, answer: bounded(answer, rethink, rules) };
  };
  return {
    name,
    async refine(requests, signal) {
      const refined: Refinement[] = [];
      for (const request of requests) {
        signal?.throwIfAborted();
        const situation = situationOf(request);
        refined.push(refineOne(request.crops ? await withCrops(situation) : situation));
      }
      return refined;
    },
  };
}

/** A belief with what it leads to. */
interface Judged {
  /** Null where nothing fits. */
  readonly choice: Choice | null;
  readonly score: number;
  /** The score of the answer that nothing fits. */
  readonly nothing: number;
}

function answerOf(
  { choice, score }: Judged,
  set: readonly { readonly at: number; readonly chance: number }[],
  { actions, request }: Situation,
  textOf: (decision: Decision) => string,
): Answer {
  if (choice === null) return { boxXyxy: null, score, decision: 'none', text: textOf('none') };
  const first = set[0];
  const own = actions[first?.at ?? choice.at]!.boxXyxy;
  const decision = decisionOf(own, request.tool?.boxXyxy);
  const text = textOf(decision);
  const boxXyxy = decision === 'confirm' ? request.tool!.boxXyxy : own;
  if (first === undefined) return { boxXyxy, score, decision, text };
  const boxes = set.map(({ at, chance }, place) => ({
    boxXyxy: place === 0 ? boxXyxy : actions[at]!.boxXyxy,
    score: chance,
  }));
  return { boxXyxy, score: first.chance, decision, text, boxes };
}

function decisionOf(answer: BoxXyxy, tool: BoxXyxy | undefined): Decision {
  if (tool === undefined) return 'correct';
  const overlap = iouXyxy(answer, tool);
  if (overlap > SAME_BOX_IOU || isSameXyxy(answer, tool)) return 'confirm';
  return overlap > SAME_OBJECT_IOU ? 'adjust' : 'correct';
}

/** Boxes that are less sure than is asked for are left out; without any, the answer is that nothing fits, with its score. */
function bounded(answer: Answer, { nothing }: Judged, { minConfidence }: AnswerRules): Answer {
  if (answer.boxXyxy === null) return answer;
  if (answer.score >= minConfidence) {
    const boxes = answer.boxes?.filter(({ score }) => score >= minConfidence);
    return boxes ? { ...answer, boxes } : answer;
  }
  const text = `score ${answer.score.toFixed(2)} is below --min-confidence ${minConfidence}: ${answer.text}`;
  return { boxXyxy: null, score: nothing, decision: 'none', text };
}
