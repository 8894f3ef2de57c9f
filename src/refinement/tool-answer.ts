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
export const firstAnswer = (candidates: readonly Candidate[]): Candidate | null =>
  candidates.toSorted((one, other) => one.rank - other.rank)[0] ?? null;

const plain = (text: string): string =>
  ` ${text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()} `;

/**
 * Tools that were asked the expression itself and name one box: the box is a vote for what is meant, not a list of things of
 * a kind, as those of a detector are. Such a tool gives its box no label, or one cut from the expression. A tool that lists
 * several boxes has left the choice open, whether it is a detector or read the expression.
 */
export function grounders(query: string, candidates: readonly Candidate[]): ReadonlySet<string> {
  const text = plain(query);
  const boxes = new Map<string, number>();
  for (const { tool } of candidates) boxes.set(tool, (boxes.get(tool) ?? 0) + 1);
  const speaks = ({ label }: Candidate) => label === undefined || text.includes(plain(label));
  const found = candidates.filter(
    (each) => !each.listed && boxes.get(each.tool) === 1 && speaks(each),
  );
  return new Set(found.map(({ tool }) => tool));
}
