import type { z } from 'zod';

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
    return [fault(path, [...new Set(expected.map(expectation))].join(' or '), json)];
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => fault([...path, key], 'no such field', json));
  }
  return [fault(path, expectation(issue), json)];
}

function fault(path: Path, expected: string, json: unknown): CardFault {
  return { path: pathText(path), expected, got: valueText(valueAt(json, path)) };
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

function valueText(value: unknown): string {
  if (value === undefined) return 'nothing';
  const whole = JSON.stringify(value) ?? typeof value;
  return whole.length <= 60 ? whole : `${whole.slice(0, 57)}...`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'int'
        ? 'an integer'
        : `${article(issue.expected)}${issue.expected}`;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'invalid_union':
      return issue.discriminator === 'kind' ? '"detector"' : 'another form';
    case 'too_small':
      return `${bounded(issue.origin)} ${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      return `${bounded(issue.origin)} of at most ${issue.maximum}`;
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

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? 'an ' : 'a ';
}

function bounded(origin: string): string {
  if (origin === 'string') return 'text of a length';
  if (origin === 'array') return 'a list of a length';
  return 'a number';
}
