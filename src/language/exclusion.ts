import { DETERMINERS } from './vocabulary.js';
import type { Token } from './words.js';

/** Words that leave out what comes after them; "other than" as its two words. */
const LEAVING_OUT: readonly (readonly string[])[] = [
  ['but'],
  ['but', 'not'],
  ['except'],
  ['except', 'for'],
  ['other', 'than'],
];
/** Words that open what is left out of several; before an article only. */
const OPENERS = [
  'except for',
  'except',
  'but not',
  'but',
  'other than',
  'apart from',
  'aside from',
  'excluding',
  'minus',
  'besides',
].map((words) => words.split(' '));

/**
 * The words before and behind the one that leaves something out: "all cups except the leftmost" is `all cups` and `the leftmost`.
 * What is left out may be several things: "except the dog and the cat". Null where nothing is left out.
 */
export function exceptionsIn(
  tokens: readonly Token[],
): { readonly rest: readonly Token[]; readonly left: ReadonlyArray<readonly Token[]> } | null {
  for (let at = 1; at < tokens.length - 1; at++) {
    const opener = OPENERS.find((words) => words.every((word, i) => tokens[at + i]?.word === word));
    if (opener === undefined) continue;
    const behind = tokens.slice(at + opener.length);
    const article = DETERMINERS.has(behind[0]?.word ?? '');
    if (behind.length === 0 || (!article && opener[0] !== 'except')) continue;
    const all = tokens[at - 1]?.word === 'all' && at > 1;
    return { rest: tokens.slice(0, all ? at - 1 : at), left: listed(behind) };
  }
  return null;
}

/** Cut at each "and" or pause before an article. */
function listed(tokens: readonly Token[]): Array<readonly Token[]> {
  const cut = tokens.findIndex(
    ({ word }, at) =>
      at > 0 && (word === 'and' || word === ',') && DETERMINERS.has(tokens[at + 1]?.word ?? ''),
  );
  return cut < 0 ? [tokens] : [tokens.slice(0, cut), ...listed(tokens.slice(cut + 1))];
}

const ARTICLES = new Set(['the', 'that', 'this']);
const STAND_INS = new Set(['one', 'ones']);
const CLAUSE_WORDS = new Set(['that', 'who', 'which', 'is', 'are']);
/** Words between the article and its stand-in: "except the tall brown one". */
const MOST_BETWEEN = 3;

/**
 * Tokens with "all but the one on the left" as "all not on the left", and "except for the brown ones" as "not brown": what is
 * left out is denied of what is meant. Everything else stays as it is.
 */
export function exclusionsDenied(tokens: readonly Token[]): readonly Token[] {
  for (let at = 1; at < tokens.length; at++) {
    if (leavesOutThing(tokens, at)) {
      const except: Token = { word: 'except', possessive: false };
      return [...tokens.slice(0, at), except, ...exclusionsDenied(tokens.slice(at + 1))];
    }
    const found = exclusionAt(tokens, at);
    if (found === undefined) continue;
    const not: Token = { word: 'not', possessive: false };
    const rest = exclusionsDenied(tokens.slice(found.end));
    return [
      ...tokens.slice(0, at),
      not,
      ...tokens.slice(found.between[0], found.between[1]),
      ...rest,
    ];
  }
  return tokens;
}

const ALL = new Set(
  'anything everything any every all anyone everyone anybody everybody'.split(' '),
);

/** "everything but the dog": "but" leaves out as "except" does. What is said of "one" is denied instead. */
function leavesOutThing(tokens: readonly Token[], at: number): boolean {
  if (tokens[at]?.word !== 'but' || exclusionAt(tokens, at) !== undefined) return false;
  const before = tokens.slice(Math.max(0, at - 2), at).some(({ word }) => ALL.has(word));
  return before && tokens[at + 1]?.word !== 'not';
}

interface Exclusion {
  /** From and to which token the words lie that stand before the stand-in. */
  readonly between: readonly [number, number];
  /** The first token behind. */
  readonly end: number;
}

function exclusionAt(tokens: readonly Token[], at: number): Exclusion | undefined {
  const word = (i: number) => tokens[i]?.word ?? '';
  const opening = LEAVING_OUT.filter((words) => words.every((each, i) => word(at + i) === each));
  const length = opening.reduce((most, words) => Math.max(most, words.length), 0);
  if (length === 0 || !ARTICLES.has(word(at + length))) return undefined;
  const from = at + length + 1;
  for (let i = from; i <= from + MOST_BETWEEN; i++) {
    if (!STAND_INS.has(word(i))) continue;
    let end = i + 1;
    while (CLAUSE_WORDS.has(word(end))) end++;
    return { between: [from, i], end };
  }
  return undefined;
}
