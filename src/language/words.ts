import leven from 'leven';
import { lazy } from '../core/lru.js';
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
  wordPairs,
} from './vocabulary.js';

/** A word of an expression, or a pause in it. */
export interface Token {
  /** Lower case; `,` for a pause. */
  readonly word: string;
  /** "man's" is `man`, possessive. */
  readonly possessive: boolean;
}

/** Spellings that stand for other words, as people type them in a hurry. */
const SPELLINGS = wordPairs(
  'w with,wo without,& and,rt right,rgt right,rigth right,frm from,frt front,btm bottom,blk black,wht white,' +
    'inbetween between,upfront front,foremost frontmost,lft left,l left,ctr center,centre center,wearig wearing,' +
    'grey gray,pic picture',
);

/** Two words that are one. */
const JOINED: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b(left|right|top|bottom|upper|lower|front|rear|back|inner|outer) most\b/g, '$1most'],
  [
    /\b(top|bottom|upper|lower|front|back|far|mid|middle|center|pic)(left|right|center|middle)\b/g,
    '$1 $2',
  ],
  [/\b(left|right|top|bottom)(?:i?est| ?est)\b/g, '$1most'],
  [/\b(left|right|top|bottom)(?:side|ish|ier)\b/g, '$1'],
  [/\blow(?= (?:left|right)\b)/g, 'lower'],
  [/\bform(?= (?:the )?(?:left|right|top|bottom|front|back)\b)/g, 'from'],
  [/\bt shirts?\b/g, 'tshirt'],
  [/\btee shirt\b/g, 'tshirt'],
  [/\bback ground\b/g, 'background'],
  [/\bfore ground\b/g, 'foreground'],
  [/\bwith out\b/g, 'without'],
  [/\b(do|does|did|is|are|was|were|has|have|can|could|wo)n't\b/g, '$1 not'],
  [/\bcan't\b/g, 'can not'],
  [/\bcannot\b/g, 'can not'],
  [/\b(he|she|that|who|what|there|where)'s\b/g, '$1 is'],
  [/\b(they|we|you)'re\b/g, '$1 are'],
  [/\bit's\b/g, 'its'],
  [/\bin between\b/g, 'between'],
  [/(^|\bthe |\ba )turned (on|off) /g, '$1turned-$2 '],
  [/\bsun glasses\b/g, 'sunglasses'],
  [/\b(tank|halter|crop|tube) tops?\b/g, '$1top'],
  [/\btooth pick/g, 'toothpick'],
  [/\bpick up(?= truck)/g, 'pickup'],
  [/\bclose up(?= (?:of|picture|photo|shot|view|image)\b)/g, 'closeup'],
  [
    /\b(mans|womans|girls|ladys|guys|boys)(?= (?:hand|hands|arm|arms|head|leg|legs|face|back|shirt|hat|hair|foot|feet)\b)/g,
    "$1's",
  ],
];

/** What lies where the hour stands on the face of a clock, and where a map has its sides. */
const HOURS =
  'top,top right,top right,right,bottom right,bottom right,bottom,bottom left,bottom left,left,top left,top left'.split(
    ',',
  );
const SIDES: Readonly<Record<string, string>> = {
  north: 'top',
  south: 'bottom',
  west: 'left',
  east: 'right',
};
const HOUR = /\b(\d{1,2}) ?(?:o ?'? ?clock|pm)(?= |$)/;
const COMPASS =
  /\b(?:(north|south)(east|west)(?! ?(?:plane|jet|air|airline|airplane))|(north|south|east|west)(?= ?most\b|(?: side| corner| end)?$))(?: ?most)?/;

const ANY_NAMED_PLACE = new RegExp(`${HOUR.source}|${COMPASS.source}`);

/** "the cup at 3 o'clock" is the right one, "the westmost sheep" the leftmost. */
function placesNamed(text: string): string {
  return text
    .replace(HOUR, (said, hour: string) => HOURS[Number(hour) % 12] ?? said)
    .replace(COMPASS, (_, ...names: Array<string | undefined>) =>
      names.flatMap((name) => SIDES[name ?? ''] ?? []).join(' '),
    );
}

const COUNTS = '1|2|3|4|5|6|7|8|9|10|two|three|four|five|six|seven|eight|nine|ten';
const NTH = 'first second third fourth fifth sixth seventh eighth ninth tenth'.split(' ');
const nth = (count: string): string => NTH[(NUMBERS.get(count) ?? Number(count)) - 1] ?? count;
type Rewriting = readonly [RegExp, (...groups: string[]) => string];
/** Things that people number as in a row, which begins at the left: "cup #3", "2. dog from left", "from left: 3rd cup". */
const COUNTED: readonly Rewriting[] = [
  [/\bno (?=\d)/, () => 'number '],
  [/^from (?:the )?(left|right|top|bottom) , (.+)$/, (_, side, rest) => `${rest} from ${side}`],
  [/^(10|\d) , (?=\p{L})/u, (_, count) => `${nth(count!)} `],
  [
    new RegExp(`^((?:the )?(?!number )\\p{L}+) (${COUNTS})$`, 'u'),
    (_, noun, count) => `${noun} number ${count}`,
  ],
];
const ANY_COUNTED =
  /\bno \d|^from |^\d{1,2} , |^(?:the )?\p{L}+ (?:\d{1,2}|two|three|four|five|six|seven|eight|nine|ten)$/u;

/** Most texts hold none of them: one look tells. */
const ANY_JOINED = new RegExp(JOINED.map(([pattern]) => pattern.source).join('|'));

/** Pauses are kept only between words. */
function withoutOuterPauses(tokens: readonly Token[]): Token[] {
  return tokens.filter((token, at) => {
    if (token.word !== ',') return true;
    const next = tokens[at + 1];
    return at > 0 && next !== undefined && next.word !== ',';
  });
}

function toToken(piece: string): Token {
  const possessive = /(?:'s|s')$/.test(piece) && piece.length > 3;
  const bare = possessive ? piece.replace(/s?'s$|'$/, '') : piece;
  const word = SPELLINGS.get(bare) ?? bare.replaceAll("'", '');
  return { word, possessive };
}

/**
 * The words of a text: lower case, hyphens opened, punctuation gone but for the pauses that commas and full stops make.
 * "The left-most GUY, w/ a hat" is `the leftmost guy , with a hat`.
 */
export function tokensOf(text: string): Token[] {
  let plain = PLAIN.test(text) ? text : plainWords(text);
  if (ANY_JOINED.test(plain)) {
    for (const [pattern, word] of JOINED) plain = plain.replace(pattern, word);
  }
  if (ANY_NAMED_PLACE.test(plain)) plain = placesNamed(plain);
  if (ANY_COUNTED.test(plain)) {
    for (const [pattern, words] of COUNTED) plain = plain.replace(pattern, words);
  }
  const pieces = plain.split(' ').filter((piece) => piece !== '' && !/^'+$/.test(piece));
  return withoutOuterPauses(pieces.map(toToken)).filter((token) => token.word !== '');
}

/** Most texts are such words already. */
const PLAIN = /^[a-z\d]+(?: [a-z\d]+)*$/;

/** Words with single spaces between. */
function plainWords(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2018\u2019`]/g, "'")
    .replace(/\bw\/o\b/g, ' without ')
    .replace(/\bw\//g, ' with ')
    .replace(/(?:#|\bno[. ]|\bnr\.)\s*(?=\d)/g, ' number ')
    .replace(/(?<=\b(?:far|upper|lower|top|bottom|left|right))\s-\s/g, ' ')
    .replace(/[,.;:!?()"]+|\s-+\s/g, ' , ')
    .replace(/&/g, ' and ')
    .replace(/[^\p{L}\p{N}',]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** What prompts of vision-language models and people who ask a machine put around an expression. */
const TAGS =
  /<\|?\/?(?:image|img|ref|p|box|obj|object|object_ref_start|object_ref_end|phrase|query|grounding|vision_start|vision_end|image_pad|s|bos|eos|im_start|im_end|endoftext|expr|expression)\|?>/g;
/** What stands between marks is the expression, whatever is around it. */
const MARKED =
  /<\|?(?:ref|phrase|expr|expression|object_ref_start)\|?>([^<>]*[^\s<>][^<>]*)<\|?\/?(?:ref|phrase|expr|expression|object_ref_end)\|?>/;
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
  '(?:the )?(?:description|expression|phrase|query|target|(?:target )?object|referring expression)(?= ?[:"])',
  '(?:the )?(?:region|area|object|part)s?(?: that| which)? (?:this|the following) (?:sentence|phrase|expression|description|text) (?:describes|refers to)',
  '(?:the )?(?:location|position) of',
  'an? (?:photo|photograph|picture|image) of(?= an? )',
  `in ${AN_IMAGE}`,
];
const LEADING = new RegExp(`^(?:${ASKING.join('|')})(?=[\\s,:"]|$)[\\s,:"]*`, 'i');
/** More parts before an expression are no prompt: "could you please find the bounding box of" has four. */
const MAX_PARTS = 16;
/**
 * Behind a position the words belong to it: "on the left of the picture". A long run of commas is not looked through from each of
 * them.
 */
const TRAILING =
  /(?<!\b(?:left|right|top|bottom|middle|center|side|corner|background|foreground|front|back|part|edge|half))[\s,]{1,8}(?:(?:in|from|of|on) (?:the |this )(?:given )?(?:image|picture|photo|photograph)|please)[.?!\s"]*$/i;

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
  const marked = MARKED.exec(text);
  if (marked) taken.push(text.replace(marked[1]!, ' '));
  let rest = without(marked?.[1] ?? text, TAGS);
  for (let parts = 0; parts < MAX_PARTS && LEADING.test(rest); parts++) {
    rest = without(rest, LEADING);
  }
  rest = without(rest, TRAILING);
  if (taken.length === 0 || !/[\p{L}\p{N}]/u.test(rest))
    return { expression: text, promptWords: [] };
  const promptWords = taken.flatMap((piece) => piece.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
  return { expression: rest, promptWords };
}

/** Words that the parser gives a meaning to by itself. */
const CLOSED: ReadonlyArray<{ has(word: string): boolean }> = [
  ...[FUNCTION_WORDS, DETERMINERS, COLOURS, SIZES, NUMBERS],
  ...[ORDINALS, PATTERNS, QUESTION_WORDS, SHADES, DIRECTIONS],
];

/** True for words that the parser gives a meaning to by itself or through the lexicon's names and parts of speech. */
const isUnderstood = (word: string): boolean =>
  CLOSED.some((words) => words.has(word)) ||
  pointersOf(word).length > 0 ||
  isAdjective(word) ||
  isVerb(word) ||
  verbStems(word).some(isVerb);

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

/** Words that slips are corrected to, those that decide more first. */
const correctable = lazy(() =>
  [
    [...DIRECTIONS.keys(), ...ORDINALS.keys(), ...SMALL.split(' ')],
    [...COLOURS.keys(), ...PATTERNS, ...PARTITIVES, ...commonNames()],
  ].map((words) => words.filter((word) => /^[a-z]{3,}$/.test(word))),
);

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
 * The word that was meant by a slip of the hand: "teh" is `the`, "midle" `middle`, "umberlla" `umbrella`. Words of position, order and
 * colour and names of what photos show are corrected, and only where what stands there is no word of English: "form" stays, and so
 * does a slip that may be of two words.
 */
export function corrected(word: string): string {
  if (!/^[a-z]{3,}$/.test(word) || isKnown(word)) return word;
  const byEar = BY_EAR[word];
  if (byEar !== undefined) return byEar;
  for (const words of correctable()) {
    const meant = closest(word, words) ?? plural(word, words);
    if (meant !== null) return meant;
  }
  return word;
}

/** Null where nothing is close, or two are as close. */
function closest(word: string, words: readonly string[]): string | null {
  const odds = words.map((target) => oddness(word, target));
  const least = Math.min(...odds);
  const [meant, ...others] = new Set(words.filter((_, at) => odds[at] === least));
  return least === Infinity || others.length > 0 ? null : meant!;
}

function plural(word: string, words: readonly string[]): string | null {
  if (!word.endsWith('s')) return null;
  const one = closest(word.slice(0, -1), words);
  return one === null ? null : `${one}s`;
}
