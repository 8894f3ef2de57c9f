import type { Selector, SelectorAxis } from './expression.js';
import { pointersOf } from './lexicon.js';
import { COLOURS, NUMBERS, ORDINALS, PATTERNS, SHADES, VIEW } from './vocabulary.js';

/** Axis, end, and the rank that the word alone gives: "left" none, "leftmost" the first. */
type Direction = readonly [SelectorAxis, Selector['end'], number | null];

/** What each word of order says. */
export const DIRECTIONS: Readonly<Record<string, Direction>> = {
  left: ['x', 'min', null],
  leftmost: ['x', 'min', 1],
  leftest: ['x', 'min', 1],
  right: ['x', 'max', null],
  rightmost: ['x', 'max', 1],
  rightest: ['x', 'max', 1],
  top: ['y', 'min', null],
  upper: ['y', 'min', null],
  higher: ['y', 'min', null],
  topmost: ['y', 'min', 1],
  uppermost: ['y', 'min', 1],
  highest: ['y', 'min', 1],
  bottom: ['y', 'max', null],
  lower: ['y', 'max', null],
  bottommost: ['y', 'max', 1],
  lowermost: ['y', 'max', 1],
  lowest: ['y', 'max', 1],
  middle: ['x', 'middle', null],
  center: ['x', 'middle', null],
  central: ['x', 'middle', null],
  mid: ['x', 'middle', null],
  centermost: ['x', 'middle', null],
  front: ['depth', 'min', null],
  foreground: ['depth', 'min', null],
  forefront: ['depth', 'min', null],
  frontmost: ['depth', 'min', 1],
  back: ['depth', 'max', null],
  background: ['depth', 'max', null],
  rear: ['depth', 'max', null],
  distance: ['depth', 'max', null],
  backmost: ['depth', 'max', 1],
  rearmost: ['depth', 'max', 1],
  behind: ['depth', 'max', null],
  closest: ['depth', 'min', 1],
  nearest: ['depth', 'min', 1],
  closer: ['depth', 'min', null],
  nearer: ['depth', 'min', null],
  close: ['depth', 'min', null],
  near: ['depth', 'min', null],
  farthest: ['depth', 'max', 1],
  furthest: ['depth', 'max', 1],
  further: ['depth', 'max', null],
  farther: ['depth', 'max', null],
  far: ['depth', 'max', null],
  largest: ['size', 'max', 1],
  biggest: ['size', 'max', 1],
  fattest: ['size', 'max', 1],
  widest: ['size', 'max', 1],
  larger: ['size', 'max', null],
  bigger: ['size', 'max', null],
  smallest: ['size', 'min', 1],
  tiniest: ['size', 'min', 1],
  littlest: ['size', 'min', 1],
  thinnest: ['size', 'min', 1],
  narrowest: ['size', 'min', 1],
  smaller: ['size', 'min', null],
  tallest: ['height', 'max', 1],
  taller: ['height', 'max', null],
  longest: ['height', 'max', 1],
  shortest: ['height', 'min', 1],
  tall: ['height', 'max', null],
  short: ['height', 'min', null],
  shorter: ['height', 'min', null],
};

/** The same words by class, as alternatives of a pattern. */
const PLACES =
  'left|leftmost|leftest|right|rightmost|rightest|middle|center|central|mid|centermost';
const LEVELS =
  'top|upper|higher|topmost|uppermost|highest|bottom|lower|bottommost|lowermost|lowest';
const DEPTHS =
  'front|foreground|forefront|frontmost|back|background|rear|distance|backmost|rearmost';
const SIZES =
  'largest|biggest|fattest|widest|thinnest|narrowest|larger|bigger|smallest|tiniest|littlest|smaller|tallest|taller|longest|shortest|shorter';

/** What stands before the place where a pattern is tried. */
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
/** Words that make a lean a superlative: "far left", "all the way to the right". */
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

/** "on the far left side of the picture", "bottom", "in the very front". */
const LEAN = sticky(
  `(?<prep>${PREPOSITION} )?(?:the |a )?(?<utmost>${UTMOST}*)(?<dir>${PLACES}|${LEVELS}|${DEPTHS})(?:${SIDE}${OF_VIEW}${OF_GROUP}${NOT_OF}|${UTMOST_OF})`,
);
/** "left of center", "slightly to the right of the middle": a side of the view. */
const OFF_CENTRE = sticky(
  `(?:(?:just|slightly|a little|a bit) )?(?:(?:to|on) )?(?:the )?(?<dir>left|right) of (?:the )?(?:center|middle)${OF_VIEW}(?= ,| (?:and|in|on|with|wearing|holding|who|that)|$)`,
);
/** "second from the right", "2 from left", "third to the left". */
const COUNTED_FROM = sticky(
  `(?:the )?(?<rank>${RANK_WORDS}|${COUNT_WORDS})(?: one)? (?:in )?(?:from|to|on|in|at) (?:the )?(?:${UTMOST})*(?<dir>${PLACES}|${LEVELS}|${DEPTHS})${SIDE}${OF_VIEW}${NOT_OF}`,
);
/** "2nd left", "third largest", "second closest to the camera". */
const RANKED = sticky(
  `(?:the )?(?<rank>${RANK_WORDS}) (?:most )?(?<dir>${PLACES}|${LEVELS}|${DEPTHS}|${SIZES}|closest|nearest|farthest|furthest)(?: away)?(?: (?:to|from) ${VIEWER})?${SIDE}${NOT_OF}`,
);
/** "left second". */
const RANK_AFTER = sticky(`(?:the )?(?<dir>left|right|top|bottom) (?<rank>${RANK_WORDS})`);
/** "last on the right", "last". */
const LAST = sticky(
  `(?:the )?(?:very )?last(?: one)?(?: (?:on|to|at|in) (?:the )?(?<dir>left|right)${SIDE})?`,
);
/** "second to last", "third from the end", "next to last", "penultimate": counted from the other end. */
const FROM_LAST = sticky(
  `(?:the )?(?:(?<rank>${RANK_WORDS})(?: one)? (?:(?:to|from|before)(?: the)? (?:very )?(?:last|end)|last)|next to last|last but one|penultimate)(?: one)?(?: (?:on|to|at|in) (?:the )?(?<dir>left|right)${SIDE})?`,
);
/** "third person", "number 2": no direction. */
const ORDINAL = sticky(`(?:the )?(?<rank>${RANK_WORDS})|number (?<number>${COUNT_WORDS})`);
/** "the largest", "tall man"; "short hair" is no size of the thing. */
const SIZE = sticky(
  `(?:the )?(?<dir>${SIZES}|tall|short(?! (?:hair|sleeve|skirt|pants|dress|jeans|coat|legs|stor|\\d)\\S*|$))`,
);
/** "closest to us", "nearest the camera", "far from the viewer". */
const SEEN_FROM = sticky(
  `(?:the )?(?<dir>closest|nearest|closer|nearer|close|near|farthest|furthest|farther|further|far)(?: up| away| back| out| off)?(?: (?:to|from))? ${VIEWER}`,
);
const NEAR_OR_FAR = sticky(
  '(?:the )?(?<dir>closest|nearest|closer|nearer|farthest|furthest|farther|further|far|close(?= [^,]))(?: away| back| out| off)?(?! (?:to|from|than|up|by|call|range)(?: |$))',
);
const BEHIND = sticky('(?<dir>behind)');

/** Words after "back", "front", "top" that make them a part of something. */
const PART_AFTER =
  /^(?:of|to|turned|facing|is|tire|tires|wheel|wheels|end|seat|leg|legs|paw|paws|foot|feet|door|pack|view|row seat|off)(?: |$)/;
const OPENING = new Set(['', 'the', 'a', 'and', 'that', 'this', 'one', 'way']);

function fromMatch(
  match: RegExpExecArray,
  rank: number | null,
  prenominal: boolean,
): SelectorMatch {
  const direction = DIRECTIONS[match.groups?.dir ?? ''];
  return {
    length: match[0].split(' ').length,
    words: match[0],
    axis: direction?.[0] ?? null,
    end: direction?.[1] ?? null,
    rank: rank ?? direction?.[2] ?? null,
    prenominal,
  };
}

const rankOf = (word: string | undefined): number | null =>
  ORDINALS.get(word ?? '') ?? NUMBERS.get(word ?? '') ?? (Number(word) || null);

/** "top" after an adjective is a garment, "back" after "her" or before "of" a part; they select nothing there. */
function leanStands(match: RegExpExecArray, text: string, around: Surroundings): boolean {
  const dir = match.groups?.dir ?? '';
  const rest = text.slice(match[0].length).trimStart();
  const bare = /^(?:the |a )?\S+$/.test(match[0]);
  const opening = bare && /^(?:top|back)$/.test(dir);
  if (/^from (?:the )?(?:back|front|rear)$/.test(match[0])) return false;
  // "the player on the right is wearing a cap", but "the top is red".
  const side = dir === 'right' && match.groups?.prep !== undefined;
  if (CAN_BE_PART.has(dir) && !side && PART_AFTER.test(rest)) return false;
  if (dir === 'top' && (match[0].startsWith('a ') || describes(around.before))) return false;
  if (dir === 'mid' && rest.startsWith('air')) return false;
  if (BEFORE_NOUN.test(match[0]) && startsWithThing(rest)) return false;
  if (bare && dir === 'right' && intensifies(rest, around)) return false;
  return !opening || isOpening(rest, around);
}

/** "right behind", "right next to", "right in the corner": no direction. */
function intensifies(rest: string, { before, afterNoun }: Surroundings): boolean {
  return RIGHT_INTENSIFIES.test(rest) || (NEXT_PLACE.test(rest) && !afterNoun && before !== '');
}

function isOpening(rest: string, { before, afterNoun }: Surroundings): boolean {
  return OPENING.has(before) || (afterNoun && rest === '') || SELECTOR_NEXT.test(rest);
}

function startsWithThing(text: string): boolean {
  const word = /^\S*/.exec(text)?.[0] ?? '';
  return !COLOURS.has(word) && pointersOf(word).some(({ kind }) => kind !== 'worn');
}

const CAN_BE_PART = new Set(['right', 'back', 'top', 'front', 'bottom', 'rear']);
/** "in the left car": the side belongs to the car. */
const BEFORE_NOUN = /^(?:on|at|to|in|from|of|by) the \S+$/;
const describes = (word: string) => COLOURS.has(word) || PATTERNS.has(word) || SHADES.has(word);
const NEXT_PLACE = /^(?:in|on|at) /;
const RIGHT_INTENSIFIES =
  /^(?:behind|next|beside|by|near|under|above|below|underneath|over|in front|in the middle|between|after|before)(?: |$)/;
const SELECTOR_NEXT = new RegExp(`^(?:${PLACES}|corner|row)(?: |$)`);

type Use = (match: RegExpExecArray, text: string, around: Surroundings) => SelectorMatch | null;

const ranked: Use = (match, _, { afterNoun }) =>
  fromMatch(match, rankOf(match.groups?.rank), !afterNoun);

const nearOrFar: Use = (match, text, { afterNoun }) => {
  const dir = match.groups?.dir ?? '';
  const rest = text.slice(match[0].length).trim();
  if (dir === 'close' && afterNoun) return null;
  // "man nearest the wall" tells a relation, "nearest man" a choice.
  const tied = afterNoun && rest !== '' && !rest.startsWith(',');
  return tied && /^(?:closest|nearest|closer|nearer)$/.test(dir)
    ? null
    : fromMatch(match, null, true);
};

/** All that can open a selector; of two that take as many words the first counts. */
const FORMS: ReadonlyArray<readonly [RegExp, Use]> = [
  [COUNTED_FROM, (match) => fromMatch(match, rankOf(match.groups?.rank), false)],
  [OFF_CENTRE, (match) => fromMatch(match, null, false)],
  [RANKED, ranked],
  [RANK_AFTER, ranked],
  [
    LAST,
    (match) =>
      match.groups?.dir === undefined
        ? { ...fromMatch(match, 1, true), axis: 'x', end: 'max' }
        : fromMatch(match, 1, false),
  ],
  [
    FROM_LAST,
    (match, _, { afterNoun }) => {
      const rank = rankOf(match.groups?.rank) ?? 2;
      if (match.groups?.dir !== undefined) return fromMatch(match, rank, false);
      return { ...fromMatch(match, rank, !afterNoun), axis: 'x', end: 'max' };
    },
  ],
  [SEEN_FROM, (match) => fromMatch(match, null, false)],
  [
    LEAN,
    (match, text, around) =>
      leanStands(match, text, around)
        ? fromMatch(match, match.groups?.utmost ? 1 : null, match.groups?.prep === undefined)
        : null,
  ],
  [SIZE, (match) => fromMatch(match, null, true)],
  [NEAR_OR_FAR, nearOrFar],
  [
    BEHIND,
    (match, text, { before }) =>
      /^behind(?: ,|$)/.test(text) && before !== 'from' ? fromMatch(match, null, false) : null,
  ],
  [ORDINAL, (match) => fromMatch(match, rankOf(match.groups?.rank ?? match.groups?.number), true)],
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
  for (const [form, use] of FORMS) {
    const match = form.exec(text);
    const found = match && use(match, text, around);
    if (found && (best === null || found.length > best.length)) best = found;
  }
  return best;
}

/**
 * Joins an ordinal without a direction to the next lean ("second man from the left"); where there is none, the ordinal
 * counts from the left, as one reads, and says that this is assumed.
 */
export function joinOrdinals(
  matches: ReadonlyArray<SelectorMatch & { readonly negated: boolean }>,
): Selector[] {
  const selectors: Selector[] = [];
  let waiting: (SelectorMatch & { readonly negated: boolean }) | null = null;
  for (const match of matches) {
    if (match.axis === null || match.end === null) {
      waiting = waiting ?? match;
      continue;
    }
    const ordinal = (match.rank ?? 1) === 1 && match.end !== 'middle' ? waiting : null;
    if (ordinal !== null) waiting = null;
    selectors.push({
      axis: match.axis,
      end: match.end,
      rank: ordinal?.rank ?? match.rank,
      assumed: false,
      negated: match.negated,
      words: ordinal === null ? match.words : `${ordinal.words} ${match.words}`,
    });
  }
  if (waiting !== null) {
    selectors.push({
      axis: 'x',
      end: 'min',
      rank: waiting.rank,
      assumed: true,
      negated: waiting.negated,
      words: waiting.words,
    });
  }
  return selectors;
}
