import leven from 'leven';
import { commonNames, isAdjective, isListed, isVerb, pointersOf } from './lexicon.js';
import { singularOf, verbStems } from './morphology.js';
import { DIRECTIONS } from './selector.js';
import {
  COLOURS,
  DETERMINERS,
  FUNCTION_WORDS,
  NUMBERS,
  ORDINALS,
  PARTITIVES,
  PATTERNS,
  QUESTION_WORDS,
  SHADES,
  SIZES,
} from './vocabulary.js';

const CLOSED: ReadonlyArray<{ has(word: string): boolean }> = [
  FUNCTION_WORDS,
  DETERMINERS,
  COLOURS,
  SIZES,
  NUMBERS,
  ORDINALS,
  PATTERNS,
  QUESTION_WORDS,
  SHADES,
];

/** True for words that the parser gives a meaning to by itself or through the lexicon's names and parts of speech. */
function isUnderstood(word: string): boolean {
  return (
    CLOSED.some((words) => words.has(word)) ||
    Object.hasOwn(DIRECTIONS, word) ||
    pointersOf(word).length > 0 ||
    isAdjective(word) ||
    isVerb(word) ||
    verbStems(word).some(isVerb)
  );
}

/** True for words of English as far as WordNet, the lexicon and the parser's own lists know: "asdf" and "Hund" are none. */
export function isKnown(word: string): boolean {
  if (isUnderstood(word) || /\d/.test(word) || word.length < 3) return true;
  const forms = [
    word,
    singularOf(word),
    ...verbStems(word),
    word.replace(/(?:ly|er|est|ish|less)$/, ''),
  ];
  return forms.some((form) => form.length > 2 && isListed(form));
}

/** The function words that stand before most nouns. */
const SMALL =
  'the and with from next between behind front wearing holding standing sitting closest nearest side corner';
/** Shorter words are too close to others for a second slip. */
const TWO_SLIPS = 7;
/** Too far from the word for slips. */
const BY_EAR: Readonly<Record<string, string>> = { sopha: 'sofa', racquette: 'racquet' };

let targets: readonly (readonly string[])[] | undefined;

/** Words that slips are corrected to, those that decide more first. */
function correctable(): readonly (readonly string[])[] {
  targets ??= [
    [...Object.keys(DIRECTIONS), ...ORDINALS.keys(), ...SMALL.split(' ')],
    [...COLOURS.keys(), ...PATTERNS, ...PARTITIVES, ...commonNames()],
  ].map((words) => words.filter((word) => /^[a-z]{3,}$/.test(word)));
  return targets;
}

/** Two neighbours swapped. */
function isSwapped(word: string, target: string): boolean {
  if (word.length !== target.length) return false;
  const at = [...word].findIndex((letter, i) => letter !== target[i]);
  return (
    word[at] === target[at + 1] &&
    word[at + 1] === target[at] &&
    word.slice(at + 2) === target.slice(at + 2)
  );
}

/** How odd it is to write `word` for `target`; Infinity where it is no slip. */
function oddness(word: string, target: string): number {
  if (Math.abs(word.length - target.length) > 2) return Infinity;
  if (isSwapped(word, target)) return 1;
  if (word.length < 4 || target.length < 4) return Infinity;
  const slips = leven(word, target);
  const otherLength = word.length !== target.length;
  if (slips === 1) return otherLength ? 2 : word.length < 5 || word[0] !== target[0] ? Infinity : 3;
  const close = slips === 2 && word[0] === target[0] && word.at(-1) === target.at(-1);
  return close && Math.min(word.length, target.length) >= TWO_SLIPS ? 4 : Infinity;
}

/**
 * The word that was meant by a slip of the hand: "teh" is `the`, "midle" `middle`, "umberlla" `umbrella`. Words of place, order and
 * colour and names of what photos show are corrected, and only where what stands there is no word of English: "form" stays, and so
 * does a slip that may be of two words.
 */
export function corrected(word: string): string {
  if (!/^[a-z]{3,}$/.test(word) || isKnown(word)) return word;
  const heard = BY_EAR[word];
  if (heard !== undefined) return heard;
  for (const words of correctable()) {
    const meant = closest(word, words) ?? plural(word, words);
    if (meant !== null) return meant;
  }
  return word;
}

/** Null where nothing is close, or two are as close. */
function closest(word: string, words: readonly string[]): string | null {
  let best: { readonly meant: string | null; readonly odd: number } = {
    meant: null,
    odd: Infinity,
  };
  for (const target of words) {
    const odd = oddness(word, target);
    if (odd === Infinity || odd > best.odd || target === best.meant) continue;
    best = { meant: odd === best.odd ? null : target, odd };
  }
  return best.meant;
}

function plural(word: string, words: readonly string[]): string | null {
  if (!word.endsWith('s')) return null;
  const one = closest(word.slice(0, -1), words);
  return one === null ? null : `${one}s`;
}
