import type { Expression, SelectorAxis } from './expression.js';
import { QUESTION_WORDS } from './vocabulary.js';

/**
 * Ways to refer that a refiner may never have been taught: saying what a thing is not, asking for it, and ordering things by
 * what a box shows of neither side nor area: by depth or by height.
 */
export const CONSTRUCTS = ['negation', 'question', 'depth'] as const;
export type Construct = (typeof CONSTRUCTS)[number];

const DEEP: ReadonlySet<SelectorAxis> = new Set(['depth', 'height']);

/** The constructs that an expression holds. "the car not behind the bus" holds a negation. */
export function constructsOf(expression: Expression): readonly Construct[] {
  const asks = QUESTION_WORDS.has(expression.words[0] ?? '');
  return [
    ...(denies(expression) ? (['negation'] as const) : []),
    ...(asks ? (['question'] as const) : []),
    ...(expression.selectors.some(({ axis }) => DEEP.has(axis)) ? (['depth'] as const) : []),
  ];
}

/** Of the thing or of a landmark: "the man beside the dog that is not black". */
function denies({ attributes, selectors, relations, deniedKinds }: Expression): boolean {
  return (
    deniedKinds.length > 0 ||
    [...attributes, ...selectors, ...relations].some(({ negated }) => negated) ||
    relations.some(({ landmarks }) => landmarks.some(denies))
  );
}

/** The constructs that at least `least` of the expressions hold, in the order of {@link CONSTRUCTS}. */
export function constructsAmong(expressions: Iterable<Expression>, least: number): Construct[] {
  const counts = new Map<Construct, number>();
  for (const expression of expressions) {
    for (const construct of constructsOf(expression)) {
      counts.set(construct, (counts.get(construct) ?? 0) + 1);
    }
  }
  return CONSTRUCTS.filter((construct) => (counts.get(construct) ?? 0) >= least);
}
