import { isFreeWord } from './chunk.js';
import type { HeadNoun } from './expression.js';
import { isPerson, isWorn, pointersOf } from './lexicon.js';
import { singularOf } from './morphology.js';
import { PORTIONS } from './vocabulary.js';
import type { Token } from './words.js';

/** The longest name at the end of the nouns that the lexicon knows, else the last word. */
export function headOf(nouns: readonly Token[]): { head: HeadNoun; modifiers: Token[] } | null {
  const last = nouns.at(-1);
  if (last === undefined) return null;
  for (let from = Math.max(0, nouns.length - 3); from < nouns.length; from++) {
    const run = nouns.slice(from);
    const before = run.slice(0, -1);
    if (before.some((token) => token.possessive)) continue;
    const phrase = run.map((token) => token.word).join(' ');
    const whole = wholeOf(run);
    if (whole !== null) {
      return { head: { ...headNoun(phrase), lemma: whole }, modifiers: nouns.slice(0, from) };
    }
    if (before.some((token) => isFreeWord(token.word))) continue;
    if (run.length > 1 && pointersOf(phrase).length === 0) continue;
    return { head: headNoun(phrase), modifiers: nouns.slice(0, from) };
  }
  return null;
}

/** "pizza slices" are pizza; null for what is no portion of a known thing. */
function wholeOf(run: readonly Token[]): string | null {
  if (run.length < 2 || !PORTIONS.has(singularOf(run.at(-1)!.word))) return null;
  const { lemma } = headNoun(
    run
      .slice(0, -1)
      .map(({ word }) => word)
      .join(' '),
  );
  return pointersOf(lemma).length > 0 && !isPerson(lemma) && !isWorn(lemma) ? lemma : null;
}

/** "fire engines" gives the lemma `fire engine`, plural. */
export function headNoun(phrase: string): HeadNoun {
  const words = phrase.split(' ');
  const last = words.at(-1) as string;
  const singular = words.length > 1 && last === 'glasses' ? 'glass' : singularOf(last);
  return {
    phrase,
    lemma: [...words.slice(0, -1), singular].join(' '),
    plural: singular !== last,
  };
}

/** "red shirt guy": nouns before the head that are worn or held by it, else plain words. */
export function modifierRole(
  modifier: Token,
  head: HeadNoun,
): 'possessor' | 'worn' | 'thing' | 'word' {
  if (modifier.possessive) return 'possessor';
  if (!isPerson(head.lemma)) return 'word';
  if (isWorn(modifier.word)) return 'worn';
  return pointersOf(modifier.word).length > 0 && !isPerson(modifier.word) ? 'thing' : 'word';
}
