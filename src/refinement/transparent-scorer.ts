import type { Expression } from '../language/expression.js';
import { agreement } from './agreement.js';
import { type Clue, type Clues, cluesOf, type Scene } from './clue.js';

/** Weights of what speaks for a thing; each multiplies a natural log, but for `vote`. */
export interface ScorerWeights {
  readonly place: number;
  /** Of the place among boxes that no detector listed: they are answers, not all things of a kind. */
  readonly placeAmongAnswers: number;
  /** Of the place in the photo, for words that lean without a rank ("left"). */
  readonly lean: number;
  readonly colour: number;
  readonly size: number;
  readonly relation: number;
  /** Natural log of the odds that one more tool's choice gives a thing. */
  readonly vote: number;
}

/**
 * Chosen on the training photos; those for tools that read expressions are set by hand, and that of relations on expressions
 * written by people.
 */
const SCORER_WEIGHTS: ScorerWeights = {
  place: 1,
  placeAmongAnswers: 0.15,
  lean: 0.5,
  colour: 1,
  size: 0.2,
  relation: 1.5,
  vote: 1.5,
};

/** What a clue of 0 still counts for, so that one misread word rules nothing out. */
const FLOOR = { place: 1e-3, lean: 0.05, attribute: 0.05, relation: 0.08 };

/** A thing with its share of the belief. */
export interface ScoredThing {
  readonly clue: Clue;
  /** Natural log, not normalised. */
  readonly logScore: number;
  /** 0..1; the shares of all things sum to 1. */
  readonly share: number;
  /** How many of the tools that voted chose it; null where none was asked. A tool's second box counts one half. */
  readonly votes: { readonly cast: number; readonly of: number } | null;
}

export interface Scores {
  readonly naming: Clues['naming'];
  /** Best first. */
  readonly things: readonly ScoredThing[];
}

const MEMBERS = new WeakMap<Scores, ReadonlyMap<number, ScoredThing>>();

/** The thing that each candidate shows; a box that cannot be of the kind shows none. Kept with the scores. */
export function thingByMember(scores: Scores): ReadonlyMap<number, ScoredThing> {
  const known = MEMBERS.get(scores);
  if (known) return known;
  const found = new Map<number, ScoredThing>();
  for (const thing of scores.things) {
    for (const member of thing.clue.thing.members) found.set(member, thing);
  }
  MEMBERS.set(scores, found);
  return found;
}

function logScore(
  expression: Expression,
  clue: Clue,
  place: number,
  weights: ScorerWeights,
): number {
  let score = Math.log(Math.max(clue.thing.chance, 1e-6));
  expression.selectors.forEach((selector, at) => {
    score += place * Math.log(FLOOR.place + (clue.places[at] as number));
    const leaning = clue.leans[at] ?? null;
    if (leaning !== null && selector.rank === null && !selector.negated) {
      score += weights.lean * Math.log(FLOOR.lean + leaning);
    }
  });
  expression.attributes.forEach(({ kind }, at) => {
    const fit = clue.attributes[at] ?? null;
    const weight = kind === 'size' ? weights.size : weights.colour;
    if (fit !== null) score += weight * Math.log(FLOOR.attribute + fit);
  });
  for (const fit of clue.relations) {
    if (fit !== null) score += weights.relation * Math.log(FLOOR.relation + fit);
  }
  return score;
}

/** Adds shares, best first. */
function ranked(things: ReadonlyArray<Omit<ScoredThing, 'share'>>): ScoredThing[] {
  const highest = things.reduce((top, { logScore: score }) => Math.max(top, score), -Infinity);
  const total = things.reduce((sum, { logScore: score }) => sum + Math.exp(score - highest), 0);
  return things
    .map(({ clue, logScore: score, votes }) => ({
      clue,
      logScore: score,
      share: Math.exp(score - highest) / total,
      votes,
    }))
    .sort((a, b) => b.logScore - a.logScore);
}

/** Scores every thing that the expression may mean, by its words alone. Blind to what any tool answers. */
export function scoreThings(
  expression: Expression,
  scene: Scene,
  weights: ScorerWeights = SCORER_WEIGHTS,
): Scores {
  const { naming, things } = cluesOf(expression, scene);
  const listed = scene.candidates.some(({ tool }) => !scene.grounders.has(tool));
  const place = listed ? weights.place : weights.placeAmongAnswers;
  const scored = things.map((clue) => ({
    clue,
    logScore: logScore(expression, clue, place, weights),
    votes: null,
  }));
  return { naming, things: ranked(scored) };
}

/** The scores after the named tools have voted, each for the box it lists first. */
export function withVotes(
  scores: Scores,
  scene: Scene,
  voters: ReadonlySet<string>,
  weights: ScorerWeights = SCORER_WEIGHTS,
): Scores {
  if (voters.size === 0) return scores;
  const things = scores.things.map(({ clue, logScore: score }) => {
    const cast = (agreement(clue.thing.boxXyxy, scene.candidates, voters) ?? 0) * voters.size;
    return { clue, logScore: score + weights.vote * cast, votes: { cast, of: voters.size } };
  });
  return { naming: scores.naming, things: ranked(things) };
}
