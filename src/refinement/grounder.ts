import type { Candidate } from './refiner.js';

const plain = (text: string): string =>
  ` ${text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()} `;

/**
 * Tools that were asked the expression itself and name one box: the box is a vote for what is meant, not a list of things of
 * a kind. Such a tool gives its box no label, or one cut from the expression. A tool that lists several boxes has left the
 * choice open, whether it is a detector or read the expression.
 */
export function grounders(query: string, candidates: readonly Candidate[]): ReadonlySet<string> {
  const text = plain(query);
  const boxes = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    boxes.set(candidate.tool, [...(boxes.get(candidate.tool) ?? []), candidate]);
  }
  const speaks = ({ label }: Candidate) => label === undefined || text.includes(plain(label));
  const found = [...boxes].filter(([, list]) => list.length === 1 && list.every(speaks));
  return new Set(found.map(([tool]) => tool));
}
