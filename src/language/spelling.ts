import { DIRECTIONS } from './direction.js';
import { isUnderstood } from './known-word.js';
import { labelNames } from './lexicon.js';
import { COLOURS, ORDINALS } from './vocabulary.js';

/** Names of things and garments that people use more than the labels themselves. */
const PERSONS = 'woman women people girl lady child children shirt jacket';
/** The function words that stand before most nouns. */
const SMALL = 'the and with from next between behind front wearing holding';
/** Of shorter words a letter left out makes other words: "closet" is not "closest". */
const LONG = 8;

/** What many write who hear the word: more than a slip away. */
const BY_EAR: Readonly<Record<string, string>> = {
  bycicle: 'bicycle',
  brocolli: 'broccoli',
  brocoli: 'broccoli',
  elefant: 'elephant',
  giraff: 'giraffe',
  girrafe: 'giraffe',
  labtop: 'laptop',
  mustach: 'mustache',
  racquette: 'racquet',
  sandwhich: 'sandwich',
  sandwitch: 'sandwich',
  skiier: 'skier',
  sopha: 'sofa',
  suitecase: 'suitcase',
  umberella: 'umbrella',
};
const VOWELS = [...'aeiou'];

/** Slips of the hand in typing a word: two neighbours swapped, a letter doubled or doubled no more, one left out, another vowel. */
function slipsOf(word: string): string[] {
  const slips: string[] = [];
  for (let at = 0; at < word.length; at++) {
    const [before, after] = [word.slice(0, at), word.slice(at + 1)];
    const letter = word[at] as string;
    const doubled = letter === word[at + 1];
    slips.push(`${before}${letter}${letter}${after}`);
    if (doubled || (word.length >= LONG && at > 0)) slips.push(before + after);
    if (word.length >= LONG && VOWELS.includes(letter)) {
      slips.push(...VOWELS.map((vowel) => before + vowel + after));
    }
    if (after !== '' && !doubled) slips.push(`${before}${after[0]}${letter}${after.slice(1)}`);
  }
  return slips;
}

let slips: ReadonlyMap<string, string | null> | undefined;

/** Each slip to the word that was meant; null where two may be. */
function knownSlips(): ReadonlyMap<string, string | null> {
  if (slips !== undefined) return slips;
  const targets = new Set(
    [
      ...[DIRECTIONS, Object.fromEntries(COLOURS), Object.fromEntries(ORDINALS)].flatMap(
        Object.keys,
      ),
      ...labelNames().flatMap((name) => name.split(' ')),
      ...`${PERSONS} ${SMALL}`.split(' '),
    ].filter((word) => /^[a-z]{3,}$/.test(word)),
  );
  const found = new Map<string, string | null>(
    Object.entries(BY_EAR).flatMap(([heard, word]) =>
      ['', 's', 'es'].map((plural) => [heard + plural, word + plural] as const),
    ),
  );
  for (const target of targets) {
    for (const slip of new Set(slipsOf(target))) {
      const other = found.get(slip);
      found.set(slip, other === undefined || other === target ? target : null);
    }
  }
  slips = found;
  return found;
}

/**
 * The word that was meant by one slip of the hand: "teh" is `the`, "midle" `middle`, "umberlla" `umbrella`. Only words of
 * place, order and colour and the names of the labels are mended, and only where what stands there is no word: "form" stays.
 */
export function withoutSlip(word: string): string {
  const meant = knownSlips().get(word);
  return meant == null || isUnderstood(word) ? word : meant;
}
