import { isCorrect } from '../core/box.js';
import { sigmoid } from '../core/math.js';
import {
  chooseBox,
  MEMBER_PARTS,
  memberParts,
  SCORE_PARTS,
  scoreParts,
  wordOdds,
} from '../refine/decision.js';
import { asWritten, beliefOf, named, type Policy, type PolicyNumbers } from '../refine/policy.js';
import { Adam } from './adam.js';
import type { Example } from './example.js';

/** One answer, or one box of a set: what its chance is made of, and whether it was right. */
interface Outcome {
  readonly parts: Float64Array;
  readonly right: boolean;
  readonly weight: number;
}

const STEPS = 400;
const RATE = 0.05;
/** Of the queries that have an answer, no more than this share is answered with none. */
const MAX_REFUSED = 0.0145;

/** What is read off the answers of a fitted policy. */
type Calibration = Pick<PolicyNumbers, 'threshold' | 'score' | 'members'>;

/**
 * Chooses from which belief on nothing fits, then fits what a score and a box's chance to belong to a set are worth, to what
 * the policy answers on the examples: logistic regressions, held to where they start as by `prior` examples.
 */
export function calibrated(
  examples: readonly Example[],
  policy: Policy,
  start: Calibration,
  prior: number,
): Calibration {
  const threshold = thresholdOf(examples, policy, start.threshold);
  const answers: Outcome[] = [];
  const members: Outcome[] = [];
  for (const { rows, pairs, overlaps, truths, several, truthOf, weight } of examples) {
    if (several) {
      const words = wordOdds(policy, rows);
      for (let at = 0; at < words.length; at++) {
        const parts = memberParts(policy, rows, words, at);
        members.push({ parts, right: truthOf[at]! >= 0, weight });
      }
      continue;
    }
    for (const stage of ['think', 'rethink'] as const) {
      const belief = beliefOf(policy, rows, stage);
      const choice = chooseBox(belief, pairs, threshold);
      const right = choice === null ? truths === 0 : isCorrect(overlaps[choice.at]!);
      answers.push({ parts: scoreParts(policy, rows, belief, choice), right, weight });
    }
  }
  return {
    threshold,
    score: regression(answers, SCORE_PARTS, start.score, prior),
    members: regression(members, MEMBER_PARTS, start.members, prior),
  };
}

/** The lowest threshold, from 0.5 on, under which few enough queries with an answer are refused; the old one without absent queries. */
function thresholdOf(examples: readonly Example[], policy: Policy, start: number): number {
  if (!examples.some(({ truths }) => truths === 0)) return start;
  const present = examples.filter(({ truths, rows }) => truths > 0 && rows.ofTool.length > 0);
  const beliefs = present
    .map(({ rows, weight }) => ({ none: beliefOf(policy, rows, 'rethink').none, weight }))
    .sort((a, b) => b.none - a.none);
  let allowed = MAX_REFUSED * beliefs.reduce((sum, { weight }) => sum + weight, 0);
  const last = beliefs.find(({ weight }) => {
    allowed -= weight;
    return allowed < 0;
  });
  // Rounded up: below a belief that many queries share, all of them would be refused.
  return Math.ceil(Math.max(0.5, last?.none ?? 0.5) * 1e6) / 1e6;
}

function regression(
  outcomes: readonly Outcome[],
  names: readonly { readonly name: string; readonly prior: number }[],
  start: Readonly<Record<string, number>>,
  prior: number,
): Record<string, number> {
  const adam = new Adam(Float64Array.from(names, ({ name, prior: own }) => start[name] ?? own));
  const examples = outcomes.reduce((sum, { weight }) => sum + weight, 0);
  for (let step = 0; examples > 0 && step < STEPS; step++) {
    const gradient = new Float64Array(names.length);
    const weights = adam.values.map(asWritten);
    for (const { parts, right, weight } of outcomes) {
      const odds = weights.reduce((sum, each, part) => sum + each * parts[part]!, 0);
      const error = weight * ((right ? 1 : 0) - sigmoid(odds));
      for (let part = 0; part < parts.length; part++) gradient[part]! += error * parts[part]!;
    }
    adam.ascend(gradient, { examples, prior, rate: RATE * Math.min(1, 2 * (1 - step / STEPS)) });
  }
  return named(names, adam.values);
}
