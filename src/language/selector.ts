import type { Selector, SelectorAxis } from './expression.js';
import { pointersOf } from './lexicon.js';
import { COLOURS, NUMBERS, ORDINALS, PATTERNS, SHADES, VIEW, wordSet } from './vocabulary.js';

/** Axis, end, and the rank that the word alone gives: "left" none, "leftmost" the first. */
type Direction = readonly [SelectorAxis, Selector['end'], number | null];

/** Words of order with what each says. */
const DIRECTION_WORDS: ReadonlyArray<readonly [words: string, ...Direction]> = [
  ['left', 'x', 'min', null],
  ['leftmost leftest', 'x', 'min', 1],
  ['right', 'x', 'max', null],
  ['rightmost rightest', 'x', 'max', 1],
  ['middle center central mid centermost', 'x', 'middle', null],
  ['top upper higher', 'y', 'min', null],
  ['topmost uppermost highest', 'y', 'min', 1],
  ['bottom lower', 'y', 'max', null],
  ['bottommost lowermost lowest', 'y', 'max', 1],
  ['front foreground forefront closer nearer close near', 'depth', 'min', null],
  ['frontmost closest nearest', 'depth', 'min', 1],
  ['back background rear distance behind further farther far', 'depth', 'max', null],
  ['backmost rearmost farthest furthest', 'depth', 'max', 1],
  ['larger bigger', 'size', 'max', null],
  ['largest biggest fattest widest', 'size', 'max', 1],
  ['smaller', 'size', 'min', null],
  ['smallest tiniest littlest thinnest narrowest', 'size', 'min', 1],
  ['taller tall', 'height', 'max', null],
  ['tallest longest', 'height', 'max', 1],
  ['short shorter', 'height', 'min', null],
  ['shortest', 'height', 'min', 1],
];

export const DIRECTIONS: ReadonlyMap<string, Direction> = new Map(
  DIRECTION_WORDS.flatMap(([words, ...direction]) =>
    words.split(' ').map((word) => [word, direction] as const),
  ),
);

const wordsAlong = (axis: SelectorAxis): string =>
  [...DIRECTIONS].flatMap(([word, [of]]) => (of === axis ? word : [])).join('|');

/** Words of a class as alternatives of a pattern. */
const SIDES = wordsAlong('x');
const LEVELS = wordsAlong('y');
const DEPTHS =
  'front|foreground|forefront|frontmost|back|background|rear|distance|backmost|rearmost';
const SIZES =
  'largest|biggest|fattest|widest|thinnest|narrowest|larger|bigger|smallest|tiniest|littlest|smaller|tallest|taller|longest|shortest|shorter';

/** What stands before the words that a pattern is tried on. */
export interface Surroundings {
  /** The word before, or '' at the start and after a pause. */
  readonly before: string;
  /** True where the phrase at hand has its noun already: "man nearest ..." against "nearest man". */
  readonly afterNoun: boolean;
  /** True where any noun was seen before. */
  readonly named: boolean;
}

/** A selector as matched, before a free ordinal ("second ... from the left") is joined to its direction. */
export interface SelectorMatch {
  /** Words taken from the text. */
  readonly length: number;
  readonly words: string;
  readonly axis: SelectorAxis | null;
  readonly end: Selector['end'] | null;
  readonly rank: number | null;
  /** True for words that stand before a noun: "left", "the biggest"; false for "on the left". */
  readonly prenominal: boolean;
}

const RANK_WORDS = [...ORDINALS.keys()].join('|');
const COUNT_WORDS = [...NUMBERS.keys(), '\\d'].join('|');
const PREPOSITION = '(?:on|at|to|in|from|of|by|towards?|along)';
/** Words that make a side a superlative: "far left", "all the way to the right". */
const UTMOST =
  '(?:(?:very|far|extreme|extremely|furthest|farthest|most|absolute|all the way)(?: (?:to|on|at))?(?: the)? )';
const SIDE =
  '(?: hand(?= (?!of |in |on |with |is |,)\\S))?(?: side| part| half| corner| edge| end| area| section| row| column| portion)?';
const OF_VIEW = `(?: (?:of|in|on) (?:the |this )?(?:whole |entire )?${VIEW}(?= |$))?`;
const VIEWER =
  '(?:the )?(?:us|you|me|camera|viewer|photographer|lens|front|foreground|screen|reader|observer)';
const NOT_OF = '(?! of(?: |$))';
const OF_GROUP = `(?: of (?:the |these |those |all )*(?:group|bunch|pack|trio|pair|lot|them|all|others|(?:${COUNT_WORDS})(?= ,| in| on| at| with|$))(?= |$))?`;
/** "leftmost of the dogs": words that cannot tie one thing to another, as "left of" does. */
const UTMOST_OF = '(?<=most|est)(?= of (?:the |these |those |all )?)';

const sticky = (source: string) => new RegExp(`^(?:${source})(?= |$)`);

/** Words after "back", "front", "top" that make them a part of something. */
const PART_AFTER =
  /^(?:of|to|turned|facing|is|tire|tires|wheel|wheels|end|seat|leg|legs|paw|paws|foot|feet|door|pack|view|row seat|off)(?: |$)/;
const CAN_BE_PART = wordSet('right back top front bottom rear');
const OPENING = new Set(['', 'the', 'a', 'and', 'that', 'this', 'one', 'way']);
/** "in the left car": the side belongs to the car. */
const BEFORE_NOUN = /^(?:on|at|to|in|from|of|by) the \S+$/;
const POSITION_NEXT = /^(?:in|on|at) /;
const RIGHT_INTENSIFIES =
  /^(?:behind|next|beside|by|near|under|above|below|underneath|over|in front|in the middle|between|after|before)(?: |$)/;
const SELECTOR_NEXT = new RegExp(`^(?:${SIDES}|corner|row)(?: |$)`);

function fromMatch(
  match: RegExpExecArray,
  rank: number | null,
  prenominal: boolean,
): SelectorMatch {
  const direction = DIRECTIONS.get(match.groups?.dir ?? '');
  return {
    length: match[0].split(' ').length,
    words: match[0],
    axis: direction?.[0] ?? null,
    end: direction?.[1] ?? null,
    rank: rank ?? direction?.[2] ?? null,
    prenominal,
  };
}

/** Counted from the other end: from the right where no side is named. */
const fromLast = (match: RegExpExecArray, rank: number, prenominal: boolean): SelectorMatch =>
  match.groups?.dir === undefined
    ? { ...fromMatch(match, rank, prenominal), axis: 'x', end: 'max' }
    : fromMatch(match, rank, false);

const rankIn = ({ groups }: RegExpExecArray): number | null => {
  const word = groups?.rank ?? groups?.number ?? '';
  return ORDINALS.get(word) ?? NUMBERS.get(word) ?? (Number(word) || null);
};

/** "top" after an adjective is a garment, "back" after "her" or before "of" a part; they select nothing there. */
function isSide(match: RegExpExecArray, text: string, around: Surroundings): boolean {
  const { before, afterNoun } = around;
  const dir = match.groups?.dir ?? '';
  const rest = text.slice(match[0].length).trimStart();
  const bare = /^(?:the |a )?\S+$/.test(match[0]);
  if (/^from (?:the )?(?:back|front|rear)$/.test(match[0])) return false;
  // "the player on the right is wearing a cap", but "the top is red".
  const side = dir === 'right' && match.groups?.prep !== undefined;
  if (CAN_BE_PART.has(dir) && !side && PART_AFTER.test(rest)) return false;
  const described = COLOURS.has(before) || PATTERNS.has(before) || SHADES.has(before);
  if (dir === 'top' && (match[0].startsWith('a ') || described)) return false;
  if (dir === 'mid' && rest.startsWith('air')) return false;
  if (BEFORE_NOUN.test(match[0]) && startsWithNoun(rest)) return false;
  // "right behind", "right next to", "right in the corner": no direction.
  const intensifies =
    RIGHT_INTENSIFIES.test(rest) || (POSITION_NEXT.test(rest) && !afterNoun && before !== '');
  if (bare && dir === 'right' && intensifies) return false;
  return !(bare && /^(?:top|back)$/.test(dir)) || isOpening(rest, around);
}

const isOpening = (rest: string, { before, afterNoun }: Surroundings): boolean =>
  OPENING.has(before) || (afterNoun && rest === '') || SELECTOR_NEXT.test(rest);

function startsWithNoun(text: string): boolean {
  const word = /^\S*/.exec(text)?.[0] ?? '';
  return !COLOURS.has(word) && pointersOf(word).some(({ kind }) => kind !== 'worn');
}

/** Takes a selector from a form that matches; null where the words mean something else there. */
type Read = (match: RegExpExecArray, text: string, around: Surroundings) => SelectorMatch | null;

const ranked: Read = (match, _, { afterNoun }) => fromMatch(match, rankIn(match), !afterNoun);

/** All that can open a selector; of two that take as many words the first counts. */
const FORMS: ReadonlyArray<readonly [RegExp, Read]> = [
  // "second from the right", "2 from left", "third to the left"
  [
    sticky(
      `(?:the )?(?<rank>${RANK_WORDS}|${COUNT_WORDS})(?: one)? (?:in )?(?:from|to|on|in|at) (?:the )?(?:${UTMOST})*(?<dir>${SIDES}|${LEVELS}|${DEPTHS})${SIDE}${OF_VIEW}${NOT_OF}`,
    ),
    (match) => fromMatch(match, rankIn(match), false),
  ],
  // "left of center", "slightly to the right of the middle": a side of the view
  [
    sticky(
      `(?:(?:just|slightly|a little|a bit) )?(?:(?:to|on) )?(?:the )?(?<dir>left|right) of (?:the )?(?:center|middle)${OF_VIEW}(?= ,| (?:and|in|on|with|wearing|holding|who|that)|$)`,
    ),
    (match) => fromMatch(match, null, false),
  ],
  // "2nd left", "third largest", "second closest to the camera"
  [
    sticky(
      `(?:the )?(?<rank>${RANK_WORDS}) (?:most )?(?<dir>${SIDES}|${LEVELS}|${DEPTHS}|${SIZES}|closest|nearest|farthest|furthest)(?: away)?(?: (?:to|from) ${VIEWER})?${SIDE}${NOT_OF}`,
    ),
    ranked,
  ],
  // "left second"
  [sticky(`(?:the )?(?<dir>left|right|top|bottom) (?<rank>${RANK_WORDS})`), ranked],
  // "last on the right", "last"
  [
    sticky(
      `(?:the )?(?:very )?last(?: one)?(?: (?:on|to|at|in) (?:the )?(?<dir>left|right)${SIDE})?`,
    ),
    (match) => fromLast(match, 1, true),
  ],
  // "second to last", "third from the end", "next to last", "penultimate"
  [
    sticky(
      `(?:the )?(?:(?<rank>${RANK_WORDS})(?: one)? (?:(?:to|from|before)(?: the)? (?:very )?(?:last|end)|last)|next to last|last but one|penultimate)(?: one)?(?: (?:on|to|at|in) (?:the )?(?<dir>left|right)${SIDE})?`,
    ),
    (match, _, { afterNoun }) => fromLast(match, rankIn(match) ?? 2, !afterNoun),
  ],
  // "closest to us", "nearest the camera", "far from the viewer"
  [
    sticky(
      `(?:the )?(?<dir>closest|nearest|closer|nearer|close|near|farthest|furthest|farther|further|far)(?: up| away| back| out| off)?(?: (?:to|from))? ${VIEWER}`,
    ),
    (match) => fromMatch(match, null, false),
  ],
  // "on the far left side of the picture", "bottom", "in the very front"
  [
    sticky(
      `(?<prep>${PREPOSITION} )?(?:the |a )?(?<utmost>${UTMOST}*)(?<dir>${SIDES}|${LEVELS}|${DEPTHS})(?:${SIDE}${OF_VIEW}${OF_GROUP}${NOT_OF}|${UTMOST_OF})`,
    ),
    (match, text, around) =>
      isSide(match, text, around)
        ? fromMatch(match, match.groups?.utmost ? 1 : null, match.groups?.prep === undefined)
        : null,
  ],
  // "the largest", "tall man"; "short hair" is no size of the thing
  [
    sticky(
      `(?:the )?(?<dir>${SIZES}|tall|short(?! (?:hair|sleeve|skirt|pants|dress|jeans|coat|legs|stor|\\d)\\S*|$))`,
    ),
    (match) => fromMatch(match, null, true),
  ],
  // "nearest man" tells a choice, "man nearest the wall" a relation
  [
    sticky(
      '(?:the )?(?<dir>closest|nearest|closer|nearer|farthest|furthest|farther|further|far|close(?= [^,]))(?: away| back| out| off)?(?! (?:to|from|than|up|by|call|range)(?: |$))',
    ),
    (match, text, { afterNoun }) => {
      const dir = match.groups?.dir ?? '';
      const rest = text.slice(match[0].length).trim();
      if (dir === 'close' && afterNoun) return null;
      const tied = afterNoun && rest !== '' && !rest.startsWith(',');
      const related = tied && /^(?:closest|nearest|closer|nearer)$/.test(dir);
      return related ? null : fromMatch(match, null, true);
    },
  ],
  [
    sticky('(?<dir>behind)(?= ,|$)'),
    (match, _, { before }) => (before === 'from' ? null : fromMatch(match, null, false)),
  ],
  // "third person", "number 2": no direction
  [
    sticky(`(?:the )?(?<rank>${RANK_WORDS})|number (?<number>${COUNT_WORDS})`),
    (match) => fromMatch(match, rankIn(match), true),
  ],
];

/** Most words open no selector: one look tells. */
const ANY_SELECTOR = new RegExp(
  FORMS.map(([{ source }]) => source.replace(/\(\?<\w+>/g, '(?:')).join('|'),
);

/**
 * The selector that starts the text, or null. The text is lower-case words joined by single spaces, pauses as ` , `.
 * "second from the left , red" takes four words: x, min, rank 2.
 */
export function matchSelector(text: string, around: Surroundings): SelectorMatch | null {
  if (!ANY_SELECTOR.test(text)) return null;
  let best: SelectorMatch | null = null;
  for (const [form, read] of FORMS) {
    const match = form.exec(text);
    const found = match && read(match, text, around);
    if (found && (best === null || found.length > best.length)) best = found;
  }
  return best;
}

/** A selector of an expression, as far as it is known before ordinals are joined to directions. */
export type OpenSelector = Pick<SelectorMatch, 'axis' | 'end' | 'rank' | 'words'> & {
  readonly negated: boolean;
};

/**
 * Joins an ordinal without a direction to the next side ("second man from the left"); where there is none, the ordinal
 * counts from the left, as one reads, and says that this is assumed.
 */
export function joinOrdinals(matches: readonly OpenSelector[]): Selector[] {
  const selectors: Selector[] = [];
  let waiting: OpenSelector | null = null;
  for (const match of matches) {
    const { axis, end, rank, words, negated } = match;
    if (axis === null || end === null) {
      waiting ??= match;
      continue;
    }
    const own: Selector = { axis, end, rank, assumed: false, negated, words };
    if (waiting !== null && (rank ?? 1) === 1 && end !== 'middle') {
      selectors.push({ ...own, rank: waiting.rank ?? rank, words: `${waiting.words} ${words}` });
      waiting = null;
    } else selectors.push(own);
  }
  if (waiting === null) return selectors;
  const { rank, negated, words } = waiting;
  return [...selectors, { axis: 'x', end: 'min', rank, assumed: true, negated, words }];
}
