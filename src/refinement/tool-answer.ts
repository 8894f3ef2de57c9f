import { denotationsOf } from '../language/denotation.js';
import { type Expression, parseExpression } from '../language/expression.js';
import { labelsOf } from './candidate-table.js';
import type { Candidate } from './refiner.js';

/** Weights closer than this are the same choice among labels: "glass" is a cup as much as a wine glass. */
const SAME_WEIGHT = 0.15;

/** Best score first; among equals the tool's own order. */
function best(candidates: readonly Candidate[]): Candidate | null {
  return candidates.reduce<Candidate | null>((top, candidate) => {
    if (top === null) return candidate;
    const gain = (candidate.score ?? 0) - (top.score ?? 0);
    return gain > 0 || (gain === 0 && candidate.rank < top.rank) ? candidate : top;
  }, null);
}

/**
 * The box that stands for a detector's answer to an expression: the highest score among the boxes whose label names the
 * head noun, best-fitting labels first; where no label does, the highest score of all. Null where there is no box.
 * `candidates` are the boxes of one tool. Throws nothing.
 */
export function toolAnswer(
  query: string | Expression,
  candidates: readonly Candidate[],
): Candidate | null {
  const expression = typeof query === 'string' ? parseExpression(query) : query;
  const denoted = denotationsOf(expression, labelsOf(candidates));
  if (denoted.size === 0) return best(candidates);
  const weight = ({ label }: Candidate) =>
    label === undefined ? 0 : (denoted.get(label)?.weight ?? 0);
  const top = candidates.reduce((most, candidate) => Math.max(most, weight(candidate)), 0);
  if (top === 0) return best(candidates);
  return best(candidates.filter((candidate) => weight(candidate) >= top - SAME_WEIGHT));
}

/** The answer of a tool that was asked the expression itself and lists its boxes best first: its first box. */
export function firstAnswer(candidates: readonly Candidate[]): Candidate | null {
  return candidates.reduce<Candidate | null>(
    (first, candidate) => (first === null || candidate.rank < first.rank ? candidate : first),
    null,
  );
}
