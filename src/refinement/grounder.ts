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
  const boxes = new Map<string, number>();
  for (const { tool } of candidates) boxes.set(tool, (boxes.get(tool) ?? 0) + 1);
  const speaks = ({ label }: Candidate) => label === undefined || text.includes(plain(label));
  const found = candidates.filter((each) => boxes.get(each.tool) === 1 && speaks(each));
  return new Set(found.map(({ tool }) => tool));
}
