import { constructsAmong } from '../language/construct.js';
import { parseExpression } from '../language/expression.js';
import { judgedClues, toldClues } from '../refinement/judged-clues.js';
import type { KnownQuery } from '../training/example-file.js';
import { RIGHT_IOU } from '../training/reward.js';

/** Fewer queries do not teach a construct or a sort of clue. */
const LEAST_SHOWN = 10;

/** The constructs that the queries teach, with those of the refiner that is continued. Sorted. */
export function constructsTaught(
  train: readonly KnownQuery[],
  before: readonly string[] = [],
): string[] {
  const expressions = train.map(({ query }) => parseExpression(query));
  return [...new Set([...before, ...constructsAmong(expressions, LEAST_SHOWN)])].sort();
}

/** The sorts of clues that the queries teach, with those of the refiner that is continued. Sorted. */
export function cluesTaught(
  train: readonly KnownQuery[],
  before: readonly string[] = [],
): string[] {
  const shown = train.map(({ query, example, overlaps }) => ({
    sorts: judgedClues(parseExpression(query), example),
    toolIsRight: overlaps[example.thinkMask.length]! > RIGHT_IOU,
  }));
  return [...new Set([...before, ...toldClues(shown, LEAST_SHOWN)])].sort();
}
