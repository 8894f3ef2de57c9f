import type { Expression, Relation, Selector } from '../language/expression.js';
import { tellsPurpose } from '../language/purpose.js';
import type { Clue } from './clue.js';
import type { ScoredThing, Scores } from './transparent-scorer.js';

/** Things less likely than this are not counted aloud. */
const COUNTED = 0.25;

const round = (value: number): string => String(Math.round(value * 10) / 10);
const two = (value: number): string => value.toFixed(2);

const ORDINALS = new Intl.PluralRules('en', { type: 'ordinal' });
const ORDINAL_ENDINGS: Readonly<Record<string, string>> = { one: 'st', two: 'nd', few: 'rd' };
const ordinal = (n: number): string => `${n}${ORDINAL_ENDINGS[ORDINALS.select(n)] ?? 'th'}`;

const SUPERLATIVES: Readonly<Record<string, string>> = {
  'x.min': 'leftmost',
  'x.max': 'rightmost',
  'x.middle': 'middle one',
  'y.min': 'topmost',
  'y.max': 'bottommost',
  'y.middle': 'middle one',
  'size.min': 'smallest',
  'size.max': 'largest',
  'height.min': 'shortest',
  'height.max': 'tallest',
  'depth.min': 'nearest',
  'depth.max': 'farthest',
};
const ENDS: Readonly<Record<string, string>> = {
  'x.min': 'from the left',
  'x.max': 'from the right',
  'y.min': 'from the top',
  'y.max': 'from the bottom',
  'depth.min': 'from the front',
  'depth.max': 'from the back',
};

/** "leftmost", "2nd from the right", "3rd largest". */
function placeWords({ axis, end, rank }: Selector): string {
  const key = `${axis}.${end}`;
  const superlative = SUPERLATIVES[key] ?? 'one meant';
  if (rank === null || rank === 1 || end === 'middle') return superlative;
  const from = ENDS[key];
  return from === undefined ? `${ordinal(rank)} ${superlative}` : `${ordinal(rank)} ${from}`;
}

/** The noun with its number: "3 lions", "1 lion". */
function counted(noun: string, count: number): string {
  if (count === 1) return `1 ${noun}`;
  const plural = /(?:s|x|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
  return `${count} ${IRREGULAR.get(noun) ?? plural}`;
}

const IRREGULAR: ReadonlyMap<string, string> = new Map(
  Object.entries({
    person: 'persons',
    man: 'men',
    woman: 'women',
    child: 'children',
    sheep: 'sheep',
    skis: 'skis',
    scissors: 'scissors',
    mouse: 'mice',
  }),
);

function kindNoun(expression: Expression, naming: Scores['naming']): string {
  return naming === 'named' && expression.head !== null ? expression.head.lemma : 'object';
}

function describeAttributes(expression: Expression, clue: Clue): string[] {
  return expression.attributes.flatMap(({ word, kind, bearer, negated }, at) => {
    const fit = clue.attributes[at] ?? null;
    if (fit === null || kind === 'size') return [];
    const on = bearer === null ? '' : ` for the ${bearer}`;
    return [`${negated ? 'not ' : ''}${word}${on} ${two(fit)}`];
  });
}

function describeRelation(relation: Relation, fit: number): string {
  const landmarks = relation.landmarks.map((landmark) => landmark.head?.phrase ?? landmark.text);
  const words = relation.words === '' ? relation.kind.replaceAll('-', ' ') : relation.words;
  const named = landmarks.length === 0 ? '' : ` the ${landmarks.join(' and the ')}`;
  return `${relation.negated ? 'not ' : ''}${words}${named} ${two(fit)}`;
}

function describeRelations(expression: Expression, clue: Clue): string[] {
  return expression.relations.flatMap((relation, at) => {
    const fit = clue.relations[at] ?? null;
    return fit === null ? [] : [describeRelation(relation, fit)];
  });
}

/** What no clue could judge: words that were not understood, and relations to things that were not found. */
function unjudged(expression: Expression, clue: Clue, naming: Scores['naming']): string[] {
  const relations = expression.relations.filter(
    (relation, at) => (clue.relations[at] ?? null) === null && relation.landmarks.length > 0,
  );
  const worn = new Set(expression.attributes.map(({ bearer }) => bearer));
  const words = relations
    .filter(({ landmarks }) => !worn.has(landmarks[0]?.head?.lemma ?? null))
    .map(({ words: tie, landmarks }) => `${tie} ${landmarks[0]?.text ?? ''}`.trim());
  // A question without a noun is named by its other words.
  const byPurpose = expression.head === null && naming === 'named';
  return [...expression.leftovers.filter((word) => !(byPurpose && tellsPurpose(word))), ...words];
}

/** Opens the sentence where the noun could not be used. */
function opening(expression: Expression, naming: Scores['naming']): string {
  if (naming !== 'unknown' || expression.head === null) return '';
  return `no box is named "${expression.head.lemma}", so the other words decide: `;
}

/** "leftmost of 3 lions, 0.71": the clues that decided for a thing, with their numbers (0..1), in one sentence. */
export function describeChoice(
  expression: Expression,
  scores: Scores,
  chosen: ScoredThing,
): string {
  const { clue, share } = chosen;
  const noun = kindNoun(expression, scores.naming);
  const others = scores.things.filter(
    (other) => other !== chosen && other.clue.thing.chance >= COUNTED,
  );
  const all = counted(noun, others.length + 1);
  const places = expression.selectors.filter(({ negated }) => !negated).map(placeWords);
  const place = [...new Set(places)].join(' and ');
  const subject =
    others.length === 0
      ? `the only ${noun} found`
      : `${place === '' ? 'likeliest' : place} of ${all}`;
  const votes =
    chosen.votes === null
      ? []
      : [`chosen by ${round(chosen.votes.cast)} of ${counted('tool', chosen.votes.of)}`];
  const clues = [
    ...describeAttributes(expression, clue),
    ...describeRelations(expression, clue),
    ...votes,
  ];
  const aside = unjudged(expression, clue, scores.naming);
  const tail = aside.length === 0 ? '' : `; not judged: ${aside.join(', ')}`;
  return `${opening(expression, scores.naming)}${[subject, ...clues, two(share)].join(', ')}${tail}`;
}
