import type { z } from 'zod';
import { valueText } from '../core/error.js';

/** One thing that is wrong with a card. */
export interface CardIssue {
  /** Where, such as `input.mean[2]`; empty for the card as a whole. */
  readonly path: string;
  readonly expected: string;
  /** The value there, as JSON of at most 60 characters, or `nothing`. */
  readonly got: string;
}

type Path = readonly PropertyKey[];

/**
 * Everything that the schema finds wrong with a card.
 * @param json the card as it was read
 */
export function cardIssues({ issues }: z.core.$ZodError, json: unknown): CardIssue[] {
  return issues.flatMap((issue) => issuesIn(issue, json, []));
}

/** Of a union that no member fits, the issues of the member that got furthest; where none accepts the type, of all. */
function issuesIn(issue: z.core.$ZodIssue, json: unknown, above: Path): CardIssue[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const inside = issue.errors.filter((member) => member.every((inner) => inner.path.length > 0));
    const nearest = inside.toSorted((a, b) => a.length - b.length)[0];
    if (nearest) return nearest.flatMap((inner) => issuesIn(inner, json, path));
    const whole = issue.errors.flat().filter((inner) => inner.path.length === 0);
    return [issueAt(path, [...new Set(whole.map(expectation))].join(' or '), json)];
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => issueAt([...path, key], 'no such field', json));
  }
  return [issueAt(path, expectation(issue), json)];
}

function issueAt(path: Path, expected: string, json: unknown): CardIssue {
  const got = valueText(
    path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown>)?.[part], json),
  );
  return {
    path: path.reduce<string>((whole, part) => {
      if (typeof part === 'number') return `${whole}[${part}]`;
      return whole === '' ? String(part) : `${whole}.${String(part)}`;
    }, ''),
    expected,
    got: got.length <= 60 ? got : `${got.slice(0, 57)}...`,
  };
}

const TYPES: Readonly<Record<string, string>> = {
  int: 'an integer',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What the schema expects. Zod's own wording is for programmers. */
function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type': {
      const { expected } = issue;
      return TYPES[expected] ?? `${/^[aeiou]/.test(expected) ? 'an' : 'a'} ${expected}`;
    }
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'invalid_union':
      return issue.discriminator === 'kind'
        ? '"detector" or "encoder" or "refiner"'
        : 'another form';
    case 'too_small':
      return bounded(issue, `${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`);
    case 'too_big':
      return bounded(issue, `of at most ${issue.maximum}`);
    case 'invalid_format':
      return issue.format === 'url'
        ? 'an https address'
        : `text like ${issue.pattern ?? issue.format}`;
    case 'custom':
      return issue.message;
    default:
      return 'another value';
  }
}

function bounded({ origin }: { readonly origin: string }, bound: string): string {
  if (origin === 'string') return `text of a length ${bound}`;
  if (origin === 'array') return `a list of a length ${bound}`;
  return `a number ${bound}`;
}
