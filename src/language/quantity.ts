import type { HeadNoun, Quantity } from './expression.js';
import { isAnimate, isWorn } from './lexicon.js';
import { singularOf } from './morphology.js';
import { DIRECTIONS } from './selector.js';
import { DETERMINERS, NUMBERS, ORDINALS, STAND_INS, wordSet } from './vocabulary.js';
import type { Token } from './words.js';

const ONE: Quantity = { kind: 'one' };
const ALL: Quantity = { kind: 'all', sure: true };
/** Nouns that hold everyone by themselves. */
const EVERY = wordSet('everyone everybody everything');
/** "several dogs": more than one, and the words do not say that it is all of them. */
const SEVERAL = wordSet('several some many few various multiple');
/** Words of "how many ... are there" that name nothing. */
const FILLERS = wordSet('are is can do there you we i see');

/**
 * Reads "how many", "count", "all", "both", "every" and "two of" at the start of an expression. "How many zebras are there" asks
 * for all zebras.
 * @returns the words without those that only tell the quantity; the quantity is null where no word tells it
 */
export function quantified(tokens: readonly Token[]): {
  readonly tokens: readonly Token[];
  readonly quantity: Quantity | null;
} {
  const word = (at: number) => tokens[at]?.word ?? '';
  if (word(0) === 'how' && word(1) === 'many') {
    const rest = withoutTail(tokens.slice(word(2) === 'of' ? 3 : 2));
    return rest.length === 0 ? { tokens, quantity: null } : { tokens: rest, quantity: ALL };
  }
  if (word(0) === 'count' && tokens.length > 1) return { tokens: tokens.slice(1), quantity: ALL };
  const start = word(0) === 'the' ? 1 : 0;
  const of = word(start + 1) === 'of' && DETERMINERS.has(word(start + 2));
  const quantity = quantityIn(word(start), word(start + 1), of);
  const named = of && quantity !== null ? tokens.slice(start + 2) : tokens;
  return { tokens: named, quantity };
}

/** What one word before the noun says. `of`: "of the" stands behind it. */
function quantityIn(word: string, next: string, of: boolean): Quantity | null {
  if (word === 'both') return { kind: 'count', n: 2, sure: true };
  if (word === 'every' || (word === 'each' && next !== 'other')) return ALL;
  if (word === 'all') return of || DETERMINERS.has(next) ? ALL : null;
  if (of && SEVERAL.has(word)) return { kind: 'all', sure: false };
  const number = NUMBERS.get(word) ?? 0;
  return of && number > 1 ? { kind: 'count', n: number, sure: true } : null;
}

/** "zebras are there", "zebras can you see on the left" name zebras. */
function withoutTail(tokens: readonly Token[]): readonly Token[] {
  const from = tokens.findIndex(({ word }, at) => at > 0 && FILLERS.has(word));
  if (from < 0) return tokens;
  let end = from;
  while (FILLERS.has(tokens[end]?.word ?? '')) end++;
  return [...tokens.slice(0, from), ...tokens.slice(end)];
}

/** How many things an expression asks for whose first words do not tell it. */
export function quantityOf(
  head: HeadNoun | null,
  count: number | null,
  tokens: readonly Token[],
): Quantity {
  if (head === null)
    return count !== null && count > 1 ? { kind: 'count', n: count, sure: true } : ONE;
  if (EVERY.has(head.phrase)) return ALL;
  if (isWorn(head.lemma)) return ONE;
  const several = head.plural || (isAnimate(head.lemma) && singularOf(head.phrase) === head.phrase);
  if (count !== null) return count > 1 && several ? { kind: 'count', n: count, sure: true } : ONE;
  if (!head.plural) return ONE;
  const first = tokens.slice(0, 2).some(({ word }) => word === 'all');
  return { kind: 'all', sure: first };
}

const sequences = (list: string): readonly (readonly string[])[] =>
  list.split(',').map((words) => words.split(' '));

/** Words that leave out what comes after them. */
const LEAVING_OUT = sequences(
  'but,but not,except,except for,other than,apart from,aside from,excluding,minus,besides,instead of',
);
/** Words that open what is left out of several; before an article only. */
const OPENERS = sequences(
  'except for,except,but not,but,other than,apart from,aside from,excluding,minus,besides',
);

const startsWith = (tokens: readonly Token[], at: number, words: readonly string[]): boolean =>
  words.every((word, i) => tokens[at + i]?.word === word);

/**
 * The words before and behind the one that leaves something out: "all cups except the leftmost" is `all cups` and `the leftmost`.
 * What is left out may be several things: "except the dog and the cat". Null where nothing is left out.
 */
export function exceptionsIn(
  tokens: readonly Token[],
): { readonly rest: readonly Token[]; readonly left: ReadonlyArray<readonly Token[]> } | null {
  for (let at = 1; at < tokens.length - 1; at++) {
    const opener = OPENERS.find((words) => startsWith(tokens, at, words));
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
const CLAUSE_WORDS = new Set(['that', 'who', 'which', 'is', 'are']);
const ALL_WORDS = wordSet('anything everything any every all anyone everyone anybody everybody');
/** Words between the article and its stand-in: "except the tall brown one". */
const MAX_BETWEEN = 3;

/**
 * Tokens with "all but the one on the left" as "all not on the left", and "except for the brown ones" as "not brown": what is
 * left out is denied of what is meant. In "everything but the dog", "but" leaves out as "except" does. Everything else stays
 * as it is.
 */
export function exclusionsDenied(tokens: readonly Token[]): readonly Token[] {
  for (let at = 1; at < tokens.length; at++) {
    const found = exclusionAt(tokens, at);
    const isExcept = found === undefined && leavesOutNoun(tokens, at);
    if (found === undefined && !isExcept) continue;
    return [
      ...tokens.slice(0, at),
      { word: isExcept ? 'except' : 'not', possessive: false },
      ...(found?.between ?? []),
      ...exclusionsDenied(tokens.slice(found?.end ?? at + 1)),
    ];
  }
  return tokens;
}

function leavesOutNoun(tokens: readonly Token[], at: number): boolean {
  const before = tokens.slice(Math.max(0, at - 2), at).some(({ word }) => ALL_WORDS.has(word));
  return tokens[at]?.word === 'but' && before && tokens[at + 1]?.word !== 'not';
}

/** @returns the words before the stand-in, and the index of the first token behind it */
function exclusionAt(
  tokens: readonly Token[],
  at: number,
): { readonly between: readonly Token[]; readonly end: number } | undefined {
  const word = (i: number) => tokens[i]?.word ?? '';
  const opening = LEAVING_OUT.filter((words) => startsWith(tokens, at, words));
  const length = opening.reduce((most, words) => Math.max(most, words.length), 0);
  if (length === 0 || !ARTICLES.has(word(at + length))) return undefined;
  const from = at + length + 1;
  // "cup excluding the leftmost": a place alone stands for the one that is there.
  const behind = tokens.slice(from);
  const isPlace = ({ word: each }: Token) => DIRECTIONS.has(each) || ORDINALS.has(each);
  if (behind.length > 0 && behind.length <= MAX_BETWEEN && behind.every(isPlace)) {
    return { between: behind, end: tokens.length };
  }
  for (let i = from; i <= from + MAX_BETWEEN; i++) {
    if (!STAND_INS.has(word(i))) continue;
    let end = i + 1;
    while (CLAUSE_WORDS.has(word(end))) end++;
    return { between: tokens.slice(from, i), end };
  }
  return undefined;
}
