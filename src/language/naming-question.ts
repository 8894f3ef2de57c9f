import { DETERMINERS } from './vocabulary.js';
import type { Token } from './words.js';

const COPULAS = new Set(['is', 'are']);
const PLACES = new Set(
  'on in at to near next behind beside between under above below over left right closest nearest farthest furthest'.split(
    ' ',
  ),
);
/** Stand for the thing until it is named. */
const STAND_INS = new Set(['one', 'ones']);

/**
 * The description inside a question that names its thing: "Which dog is on the left?" means the dog on the left, "Where is the red
 * cup?" the red cup. Undefined where the question does not name it ("What can I sit on?"), or asks for something else of what it
 * names ("What is the man riding?").
 */
export function namedInQuestion(tokens: readonly Token[]): Token[] | undefined {
  const [asking, second] = tokens.map(({ word }) => word);
  if (asking !== 'which' && asking !== 'where') return undefined;
  const start = asking === 'which' && STAND_INS.has(second ?? '') ? 2 : 1;
  if (COPULAS.has(tokens[start]?.word ?? '')) {
    const next = tokens[start + 1]?.word ?? '';
    return DETERMINERS.has(next) ? tokens.slice(start + 1) : undefined;
  }
  // "Which dog is on the left?" tells the place; "Which animal is used for riding?" asks for knowledge.
  const copula = tokens.findIndex(({ word }) => COPULAS.has(word));
  if (asking === 'where' || copula <= start || second === 'of') return undefined;
  if (!tellsPlace(tokens[copula + 1]?.word)) return undefined;
  return tokens.filter((_, at) => at !== 0 && at !== copula);
}

function tellsPlace(word: string | undefined): boolean {
  return word !== undefined && (PLACES.has(word) || DETERMINERS.has(word));
}
