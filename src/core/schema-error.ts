import type { z } from 'zod';

/** Words for what one schema expects, where the general ones say too little. */
export interface SchemaWords {
  /** For a list of the wrong length, or no list where a tuple is due. */
  readonly list?: string;
  /** For text of the wrong length. */
  readonly text?: string;
}

const TYPES: Readonly<Record<string, string>> = {
  int: 'an integer',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What the schema expects where an issue was found. Zod's own wording is for programmers. */
export function expectation(issue: z.core.$ZodIssue, words: SchemaWords = {}): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'tuple' && words.list !== undefined) return words.list;
      return TYPES[issue.expected] ?? `${article(issue.expected)}${issue.expected}`;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'invalid_union':
      return issue.discriminator === 'kind'
        ? '"detector" or "encoder" or "refiner"'
        : 'another form';
    case 'too_small':
      return bounded(issue, words, `${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`);
    case 'too_big':
      return bounded(issue, words, `of at most ${issue.maximum}`);
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

function bounded({ origin }: { origin: string }, words: SchemaWords, bound: string): string {
  if (origin === 'string') return words.text ?? `text of a length ${bound}`;
  if (origin === 'array') return words.list ?? `a list of a length ${bound}`;
  return `a number ${bound}`;
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? 'an ' : 'a ';
}

/** The value as JSON, or `nothing`. */
export function valueText(value: unknown): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'number' ? `${value}` : (JSON.stringify(value) ?? typeof value);
}
