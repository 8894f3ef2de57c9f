import { decisionOn, SAME_BOX_IOU } from '../core/iou.js';
import {
  asksForSeveral,
  type Choice,
  chanceOf,
  chooseBox,
  chooseSet,
  type Member,
  memberParts,
  overlapTable,
  SCORE_PARTS,
  scoreParts,
} from './decision.js';
import { beliefIn, logitsOf, type PolicyNumbers, policyOf, rowsOf, type Stage } from './policy.js';
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

/** Thinks, rethinks in view of the tool's answer, and answers, each by the same numbers. Microseconds a query. */
export function createLiteRefiner({ name, numbers, rules }: LiteSpec): Refiner {
  const policy = policyOf(numbers);

  function refined(situation: Situation): Refinement {
    const { actions, expression } = situation;
    const rows = rowsOf(situation, policy.columns);
    const overlaps = overlapTable(actions.map(({ boxXyxy }) => boxXyxy));

    const judged = (stage: Stage): Judged => {
      const logits = logitsOf(policy, rows, stage);
      const belief = beliefIn(policy, rows, logits);
      const scoreOf = (choice: Choice | null) =>
        chanceOf(scoreParts(policy, rows, belief, choice), SCORE_PARTS, numbers.score);
      const choice = chooseBox(belief, overlaps, numbers.threshold);
      return { logits, choice, score: scoreOf(choice), scoreOfNone: scoreOf(null) };
    };
    const textOf = (
      { logits, choice }: Judged,
      set: readonly Member[],
      decision: Decision | null,
    ) => reasonOf({ policy, rows, situation, logits, choice, set, decision });

    const think = judged('think');
    const rethink = judged('rethink');
    const isSet = rules.answers === 'auto' && rethink.choice !== null && asksForSeveral(expression);
    const count = expression.quantity.kind === 'count' ? expression.quantity.n : null;
    const set = isSet ? chooseSet(memberParts(policy, rows), overlaps, numbers.members, count) : [];
    const { decision, ...answer } = answerOf(rethink, set, situation);
    return {
      think: {
        boxXyxy: think.choice && actions[think.choice.at]!.boxXyxy,
        score: think.score,
        text: textOf(think, [], null),
      },
      answer: bounded(
        { ...answer, decision, text: textOf(rethink, set, decision) },
        rethink.scoreOfNone,
        rules.minConfidence,
      ),
    };
  }

  return {
    name,
    async refine(request) {
      const situation = situationOf(request);
      return refined(request.crops ? await withCrops(situation) : situation);
    },
  };
}

/** What a stage comes to. */
interface Judged {
  readonly logits: Float64Array;
  /** Null where nothing fits. */
  readonly choice: Choice | null;
  readonly score: number;
  /** The score of the answer that nothing fits. */
  readonly scoreOfNone: number;
}

function answerOf(
  { choice, score }: Judged,
  set: readonly Member[],
  { actions, request }: Situation,
): Omit<Answer, 'text'> {
  if (choice === null) return { boxXyxy: null, score, decision: 'none' };
  const [first] = set;
  const own = actions[first?.at ?? choice.at]!.boxXyxy;
  const tool = request.tool?.boxXyxy;
  const decision = decisionOn(own, tool, SAME_BOX_IOU);
  const boxXyxy = decision === 'confirm' ? tool! : own;
  if (first === undefined) return { boxXyxy, score, decision };
  const boxes = set.map((member) => ({
    boxXyxy: member === first ? boxXyxy : actions[member.at]!.boxXyxy,
    score: member.chance,
  }));
  return { boxXyxy, score: first.chance, decision, boxes };
}

/** Boxes below the minimum score are left out; without any, the answer is that nothing fits, with its score. */
function bounded(answer: Answer, scoreOfNone: number, min: number): Answer {
  if (answer.boxXyxy === null) return answer;
  if (answer.score >= min) {
    const boxes = answer.boxes?.filter(({ score }) => score >= min);
    return boxes ? { ...answer, boxes } : answer;
  }
  const text = `score ${answer.score.toFixed(2)} is below --min-confidence ${min}: ${answer.text}`;
  return { boxXyxy: null, score: scoreOfNone, decision: 'none', text };
}
