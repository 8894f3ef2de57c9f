import type { z } from 'zod';
import { expectation, valueText } from './schema-fault.js';

/** One thing that is wrong with a card. */
export interface CardFault {
  /** Where, such as `input.mean[2]`; empty for the card as a whole. */
  readonly path: string;
  readonly expected: string;
  /** The value there, as JSON of at most 60 characters, or `nothing`. */
  readonly got: string;
}

type Path = readonly PropertyKey[];

/**
 * What a failed check of a card found, told by place, expectation and value.
 * @param json the card as it was read
 */
export function cardFaults(error: z.core.$ZodError, json: unknown): CardFault[] {
  return error.issues.flatMap((issue) => faultsOf(issue, json, []));
}

/** A union that no member fits is told by the member that got furthest; where none accepts the type, by all of them. */
function faultsOf(issue: z.core.$ZodIssue, json: unknown, above: Path): CardFault[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const inside = issue.errors.filter((member) => member.every(({ path }) => path.length > 0));
    const nearest = inside.toSorted((a, b) => a.length - b.length)[0];
    if (nearest) return nearest.flatMap((inner) => faultsOf(inner, json, path));
    const expected = issue.errors.flat().filter((inner) => inner.path.length === 0);
    return [
      fault(path, [...new Set(expected.map((inner) => expectation(inner)))].join(' or '), json),
    ];
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => fault([...path, key], 'no such field', json));
  }
  return [fault(path, expectation(issue), json)];
}

function fault(path: Path, expected: string, json: unknown): CardFault {
  return { path: pathText(path), expected, got: shortened(valueText(valueAt(json, path))) };
}

function pathText(path: Path): string {
  return path.reduce<string>((whole, part) => {
    if (typeof part === 'number') return `${whole}[${part}]`;
    return whole === '' ? String(part) : `${whole}.${String(part)}`;
  }, '');
}

function valueAt(json: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | null | undefined)?.[part],
    json,
  );
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
