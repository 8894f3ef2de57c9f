import { DETERMINERS } from './vocabulary.js';
import type { Token } from './words.js';

/** What prompts of vision-language models and people who ask a machine put around an expression. */
const TAGS =
  /<\|?\/?(?:image|img|ref|p|box|obj|object|object_ref_start|object_ref_end|phrase|query|grounding|vision_start|vision_end|image_pad)\|?>/g;
const AN_IMAGE = '(?:the |this )?(?:given )?(?:image|picture|photo|photograph)';
const ASKING = [
  'please',
  '(?:can|could|would|will) you',
  '(?:i want|i need|i would like|help me)(?: you)?(?: to)?',
  '(?:find|locate|detect|segment|ground|highlight|identify|outline|spot|point(?: out| to| at)?|show|give|tell|output|return|provide|mark)(?: me)?(?= (?:the|an?|all|both|every|each|where|bounding|coordinates|any|this|that|one|two|three|people|person)\\b)',
  '(?:look|search) for',
  'where (?:is|are)(?= (?:the |a |an )?(?:bounding|region|area|object described))',
  '(?:the |a )?(?:bounding box(?:es)?|bbox)(?: coordinates?)?(?: of| for| around)',
  '(?:the )?coordinates? (?:of|for)',
  '(?:the |a )?(?:region|area|object|entity|thing)s?(?: that| which)?(?: is| are| best)* (?:described|referred to|matching|match|matches|corresponding|corresponds)(?: as| by| to)?(?: the)?(?: (?:description|sentence|phrase|expression|text|following))*',
  '(?:the )?(?:description|expression|phrase|query|target|referring expression)(?= ?[:"])',
  `in ${AN_IMAGE}`,
];
const LEADING = new RegExp(`^(?:${ASKING.join('|')})(?=[\\s,:"]|$)[\\s,:"]*`, 'i');
/** Behind a place the words belong to it: "on the left of the picture". */
const TRAILING =
  /(?<!\b(?:left|right|top|bottom|middle|center|side|corner|background|foreground|front|back|part|edge|half))[\s,]+(?:(?:in|from|of|on) (?:the |this )(?:given )?(?:image|picture|photo|photograph)|please)[.?!\s"]*$/i;

/**
 * The expression without the words of a prompt, and those words: "Please find the bounding box of <ref>the left cup</ref>." is
 * `the left cup`. A text that is nothing but a prompt stays as it is.
 */
export function withoutPrompt(text: string): {
  readonly expression: string;
  readonly promptWords: readonly string[];
} {
  const taken: string[] = [];
  const without = (from: string, pattern: RegExp): string =>
    from
      .replace(pattern, (piece) => {
        taken.push(piece);
        return ' ';
      })
      .trim();
  let rest = text.includes('<') ? without(text, TAGS) : text.trim();
  while (LEADING.test(rest)) rest = without(rest, LEADING);
  rest = without(rest, TRAILING);
  if (taken.length === 0 || !/[\p{L}\p{N}]/u.test(rest))
    return { expression: text, promptWords: [] };
  const promptWords = taken.flatMap((piece) => piece.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
  return { expression: rest, promptWords };
}

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
