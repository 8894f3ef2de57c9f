import { DIRECTIONS } from './direction.js';
import { isAdjective, isListed, isVerb, pointersOf } from './lexicon.js';
import { singularOf, verbStems } from './morphology.js';
import {
  COLOURS,
  DETERMINERS,
  FUNCTION_WORDS,
  NUMBERS,
  ORDINALS,
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
export function isUnderstood(word: string): boolean {
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
