import type { Draft } from './draft.js';
import type { Quantity } from './expression.js';
import { isAnimate, isWorn } from './lexicon.js';
import { singularOf } from './morphology.js';
import { DETERMINERS, NUMBERS } from './vocabulary.js';
import type { Token } from './words.js';

const ONE: Quantity = { kind: 'one' };
const ALL: Quantity = { kind: 'all', sure: true };
/** Nouns that hold everyone by themselves. */
const EVERY = new Set('everyone everybody everything'.split(' '));
/** "several dogs": more than one, and the words do not say that it is all of them. */
const SEVERAL = new Set('several some many few various multiple'.split(' '));
/** Words of "how many ... are there" that name nothing. */
const FILLERS = new Set('are is can do there you we i see'.split(' '));

/** What the first words say of how many are meant, and the words without those that only say so. */
export interface Quantified {
  readonly tokens: readonly Token[];
  /** Null where they say nothing by themselves. */
  readonly quantity: Quantity | null;
}

/**
 * Reads "how many", "count", "all", "both", "every" and "two of" at the start of an expression. "How many zebras are there" asks
 * for all zebras.
 */
export function quantified(tokens: readonly Token[]): Quantified {
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

/** How many things a finished draft asks for. */
export function quantityOf(draft: Draft): Quantity {
  const { head, count, quantity, tokens } = draft;
  if (quantity !== null) return quantity;
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
