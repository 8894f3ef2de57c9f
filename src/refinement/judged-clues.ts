import type { Expression } from '../language/expression.js';
import type { WordlessExample } from './lite-example.js';
import { clueIsKnown } from './lite-features.js';

/**
 * The sorts of clues that tell the things of a scene apart by more than their order: `attribute.KIND` where a colour or a
 * posture shows, `relation.KIND` where boxes show it. "the red cup next to the laptop" has `attribute.colour` and
 * `relation.next-to`, if there is a photo to see colours in and a box that may be the laptop.
 */
export function judgedClues(
  { attributes, relations }: Expression,
  { candidates, thinkMask }: WordlessExample,
): readonly string[] {
  const judges = (clue: 'colour' | 'relation') => clueIsKnown(candidates, thinkMask.length, clue);
  const sorts = [
    ...(judges('colour') ? attributes.map(({ kind }) => `attribute.${kind}`) : []),
    ...(judges('relation') ? relations.map(({ kind }) => `relation.${kind}`) : []),
  ];
  // "big" says what "largest" does, and that orders.
  return [...new Set(sorts)].filter((sort) => sort !== 'attribute.size');
}

/** An example of training, with what it would have been worth to know its clues. */
export interface ShownClues {
  readonly sorts: readonly string[];
  /** Whether the tool, which may not know the clue, answers it right. */
  readonly toolIsRight: boolean;
}

/**
 * The sorts that training shows telling one thing from others of its kind: at least `least` of the queries that hold the sort
 * are answered wrong by the tool. Sorted.
 */
export function toldClues(shown: Iterable<ShownClues>, least: number): string[] {
  const counts = new Map<string, number>();
  for (const { sorts, toolIsRight } of shown) {
    if (toolIsRight) continue;
    for (const sort of sorts) counts.set(sort, (counts.get(sort) ?? 0) + 1);
  }
  return [...counts].flatMap(([sort, count]) => (count >= least ? [sort] : [])).sort();
}
