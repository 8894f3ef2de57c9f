import { CORRECT_IOU, iouXyxy } from '../geometry/overlap.js';
import type { Attribute, Relation, Selector } from '../language/expression.js';
import { pluralOf, withArticle } from '../language/morphology.js';
import { ageOf, postureOf } from '../language/stature.js';
import type { Clue } from './clue.js';
import { isShown, RELATIONS } from './columns.js';
import type { Decision } from './refiner.js';
import { ORDER_OF } from './relation-fit.js';
import type { Action, Situation } from './situation.js';

/** A box that is less likely to be a thing of its label is told with its score. */
const FAINT = 0.3;
/** Objects less likely than this are not counted. */
const COUNTED = 0.25;
/** A fit from which a word is said of a box as it stands. */
const TRUE = 0.5;
/** The same for clothes, which share their part of the box with skin and background. */
const WORN = 0.3;

/** Cut to so many characters. */
export const clip = (text: string, most = 28): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).trimEnd()}…`;

/** "3 dogs" */
export const several = (noun: string, count: number): string =>
  `${count} ${clip(pluralOf(noun, count))}`;

/** With an article. */
export const definite = (text: string): string =>
  /^(?:the|an?|this|that|his|her|their) /.test(text) ? text : `the ${text}`;

/** An object by one of its boxes, with the objects beside it. */
export interface Seen extends Situation {
  readonly clue: Clue;
  /** Of the next object; undefined where there is none. */
  readonly rival: Clue | undefined;
  /** Number of objects that count as of the kind, this one among them. */
  readonly count: number;
  /** What the counted boxes show, singular. */
  readonly noun: string;
  readonly label: string | undefined;
  /** "dog box", or "box" where the tool tells no label. */
  readonly box: string;
  /** ", 0.09": the tool's score, where it tells one. */
  readonly score: string;
  readonly isFaint: boolean;
  /** ", more likely a sheep": by a likelier label that does not mean the noun, of a box of the same object; else empty. */
  readonly likelier: string;
}

/** @param rival the next object */
export function seenAt(
  situation: Situation,
  { clue, source }: Pick<Action, 'clue' | 'source'>,
  rival?: Clue,
): Seen {
  const { clues, candidates, table, meanings } = situation;
  const { members } = clue.thing;
  const labelOf = (at: number) => candidates[at]!.label;
  // A tool without labels may show the same object as a box with one.
  const named = members.find((at) => meanings.has(labelOf(at) ?? ''));
  const own = labelOf(source) === undefined ? (named ?? source) : source;
  const { label, score } = candidates[own]!;
  const chanceOf = (at: number) => table.existences[at]!;
  const likeliest = members
    .filter((at) => labelOf(at) !== undefined && !meanings.has(labelOf(at)!))
    .reduce((most, at) => (chanceOf(at) > chanceOf(most) ? at : most), own);
  return {
    ...situation,
    clue,
    rival,
    count: clues.filter((each) => each === clue || each.thing.chance > COUNTED).length,
    noun: nounOf(situation, label),
    label,
    box: label === undefined ? 'box' : `${clip(label)} box`,
    score: score === undefined ? '' : `, ${score.toFixed(2)}`,
    isFaint: label !== undefined && chanceOf(own) < FAINT,
    likelier: likeliest === own ? '' : `, more likely ${withArticle(clip(labelOf(likeliest)!))}`,
  };
}

/** What boxes of a label are counted as: the noun where it covers them, else the label. */
function nounOf({ naming, expression, meanings }: Situation, label: string | undefined): string {
  if (label === undefined) return 'box';
  const kind = meanings.get(label)?.kind;
  if (label === 'person' && kind !== undefined && kind !== 'hypernym') return label;
  if (naming !== 'named' || expression.head === null) return 'object';
  return kind === 'hyponym' || kind === 'worn' ? label : expression.head.lemma;
}

/** `ranked`: among all of the kind, "leftmost" of how many. `aside`: who else answers the box, whatever it shows. */
interface Phrase {
  readonly text: string;
  readonly form: 'ranked' | 'plain' | 'aside';
}

const said = (text: string): Phrase => ({ text, form: 'plain' });
const aside = (text: string): Phrase => ({ text, form: 'aside' });

/** What a cue says of the box, as far as it is true. */
export type Tell = (seen: Seen, decision: Decision | null) => readonly Phrase[];

/** Columns that are told as one cue; the others, of the kind above all, show in what the box is called. */
const CUES: ReadonlyArray<readonly [columns: readonly string[], tell: Tell]> = [
  [
    ['place', 'place-of-answers', 'lean', 'lean-of-rank'],
    (seen) => seen.expression.selectors.flatMap((each, at) => placeWords(seen, each, at)),
  ],
  [
    ['colour', 'worn-colour', 'size', 'look'],
    ({ expression, clue, rival }) =>
      expression.attributes.flatMap((each, at) => {
        const fit = clue.attributes[at] ?? 0;
        return fit > (rival?.attributes[at] ?? 0) ? attributeWords(each, fit) : [];
      }),
  ],
  [
    RELATIONS.map(([name]) => name),
    (seen) =>
      seen.expression.relations.flatMap((each, at) => {
        const fit = seen.clue.relations[at] ?? 0;
        return fit > (seen.rival?.relations[at] ?? 0) ? relationWords(seen, each, fit) : [];
      }),
  ],
  [
    ['excepted'],
    ({ expression }) =>
      expression.exceptions.map(({ text }) => said(`not ${clip(definite(text))}`)),
  ],
  [['votes', 'agreement', 'overlaps', 'agrees'], voteWords],
  [
    ['tool', 'tool-unjudged', 'tool-object', 'reader', 'reader-object', 'reader-overlap'],
    ({ toolRead, request }, decision) => {
      if (decision !== 'confirm') return [];
      const reader = `the answer of ${clip(request.toolName)}`;
      return [aside(toolRead ? reader : "the detector's own choice")];
    },
  ],
  [['box-words', 'area', 'central'], () => [said('its size and position suit the words')]],
  [['crop-words', 'crop-noun'], () => [said('its pixels suit the words')]],
];
/** What the column tells: one function for all columns of a cue. */
export const CUE_OF: ReadonlyMap<string, Tell> = new Map(
  CUES.flatMap(([columns, tell]) => columns.map((name) => [name, tell] as const)),
);

/** The first place, where it is counted from, and what only lies towards it, by axis and end. */
const ENDS: Readonly<Record<string, readonly [most: string, from: string, lean?: string]>> = {
  'x.min': ['leftmost', 'from the left', 'towards the left'],
  'x.max': ['rightmost', 'from the right', 'towards the right'],
  'x.middle': ['most central', '', 'towards the middle'],
  'y.min': ['topmost', 'from the top', 'towards the top'],
  'y.max': ['bottommost', 'from the bottom', 'towards the bottom'],
  'y.middle': ['most central', '', 'towards the middle'],
  'size.min': ['smallest', 'smallest'],
  'size.max': ['largest', 'largest'],
  'height.min': ['shortest', 'shortest'],
  'height.max': ['tallest', 'tallest'],
  'depth.min': ['nearest', 'from the front', 'rather near'],
  'depth.max': ['farthest', 'from the back', 'rather far'],
};
const ORDINALS = new Intl.PluralRules('en', { type: 'ordinal' });
const ORDINAL_ENDINGS: Readonly<Record<string, string>> = { one: 'st', two: 'nd', few: 'rd' };
const ordinal = (n: number): string => `${n}${ORDINAL_ENDINGS[ORDINALS.select(n)] ?? 'th'}`;

/** "leftmost", "2nd from the right", "3rd largest"; only "towards the right" where the rank is not sure. */
function placeWords({ clue, count }: Seen, selector: Selector, at: number): readonly Phrase[] {
  const { axis, end, rank, negated } = selector;
  const [most, from, lean] = ENDS[`${axis}.${end}`] ?? [];
  if (most === undefined) return [];
  const place = rank === null || end === 'middle' ? 1 : rank;
  const text = place === 1 ? most : `${ordinal(place)} ${from}`;
  const isHeld = clue.places[at]! > TRUE;
  if (negated) return isHeld ? [said(`not the ${text}`)] : [];
  if (isHeld && place <= count && clue.thing.chance > 0) return [{ text, form: 'ranked' }];
  return lean !== undefined && place === 1 && clue.leans[at]! > TRUE ? [said(lean)] : [];
}

/** Of an attribute that the box has more of than the next object. Boxes show the age of animals by their size. */
function attributeWords(attribute: Attribute, fit: number): readonly Phrase[] {
  const { kind, part, word, value, bearer, negated } = attribute;
  const isWorn = kind === 'colour' && part !== 'whole';
  const what = clip(isWorn ? `${word} ${bearer ?? 'clothes'}` : word);
  if (fit <= (isWorn && !negated ? WORN : TRUE)) {
    return kind === 'colour' && !negated ? [said(`more ${what} than the next`)] : [];
  }
  if (negated) return [said(`${isWorn ? 'no' : 'not'} ${what}`)];
  if (kind === 'size') return [said(`${value === 'big' ? 'larger' : 'smaller'} than most`)];
  if (kind === 'colour' && !isWorn) return [said(`most of it is ${value}`)];
  return [said(ageOf(word) === null ? what : `${what} by its size`)];
}

/** Where no box shows the landmark, a posture or a side of the photo was judged. */
function relationWords(seen: Seen, relation: Relation, fit: number): readonly Phrase[] {
  const { kind, words, landmarks, negated } = relation;
  const not = negated ? 'not ' : '';
  if (!landmarks.some((landmark) => isShown(relation, landmark, seen))) {
    const posture = postureOf(words) && `${clip(words.split(' ')[0]!)} by its shape`;
    const { axis, end } = ORDER_OF[kind] ?? {};
    const text = posture ?? ENDS[`${axis}.${end}`]?.[2];
    return text === undefined || fit <= TRUE ? [] : [said(not + text)];
  }
  const names = landmarks.map(({ text }) => definite(clip(text))).join(' and ');
  const tie = `${clip(words === '' ? kind.replaceAll('-', ' ') : words)} ${names}`;
  if (fit > TRUE) return [said(not + tie)];
  return negated ? [] : [said(`comes closest to "${tie}"`)];
}

function voteWords({ firsts, clue }: Seen): readonly Phrase[] {
  const { boxXyxy } = clue.thing;
  const agreeing = firsts.filter((each) => iouXyxy(each.boxXyxy, boxXyxy) > CORRECT_IOU);
  if (agreeing.length === 0) return [];
  if (firsts.length === 1) return [aside(`the answer of ${clip(agreeing[0]!.tool)}`)];
  return [aside(`${agreeing.length} of ${firsts.length} tools agree`)];
}
