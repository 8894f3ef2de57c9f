import { iouXyxy } from '../core/box.js';
import { SAME_OBJECT_IOU } from '../core/iou.js';
import type { Attribute, Relation, Selector } from '../language/expression.js';
import { labelNames } from '../language/lexicon.js';
import { pluralOf, withArticle } from '../language/morphology.js';
import { AGES, postureOf } from '../language/vocabulary.js';
import { QUERY_COLUMNS, RELATIONS } from './columns.js';
import type { Cue } from './cue.js';
import { RANK_OF } from './geometry.js';
import type { Policy, PolicyRows } from './policy.js';
import type { Decision } from './refiner.js';
import { type Action, isShown, type Situation } from './situation.js';

/** What was decided, with the numbers that decided it. */
interface Decided {
  readonly policy: Policy;
  readonly rows: PolicyRows;
  readonly situation: Situation;
  /** Of the stage, [n]. */
  readonly logits: Float64Array;
  /** Null while thinking, which knows nothing of the tool's answer. */
  readonly decision: Decision | null;
  /** Null where nothing fits. */
  readonly choice: { readonly at: number } | null;
  /** Boxes of an answer that lists several; empty for a single box. */
  readonly set: readonly { readonly at: number }[];
}

/** What a cue adds to log-odds before it is said to decide. */
const DECISIVE = 0.5;
/** An object this likely keeps another from being the only one. */
const ALSO_THERE = 0.1;
/** Characters from which on less is told, and that no reason exceeds. */
const LONG = 160;
const MAX_LENGTH = 200;

/**
 * Why a box was answered, or nothing: one line of plain text, at most 200 characters. It names what was seen, the cues that
 * set the box apart from the next object, and the words that no cue could use. Its numbers are counts, ordinals, and
 * the tool's own score of a box that is faint or stands in.
 */
export function reasonOf(decided: Decided): string {
  const { corrections, promptWords } = decided.situation.expression;
  const tell = decided.choice === null ? noneReason : decided.set.length > 0 ? tellSet : tellBox;
  const unjudged = unusedWords(decided).map((each) => clip(each));
  const prompt = [...new Set(promptWords)].join(' ');
  const notes = [
    ...corrections.map(({ from, to }) => `"${clip(from)}" read as ${clip(to)}`),
    ...(prompt === '' ? [] : [`"${clip(prompt)}" left out`]),
  ];
  let text = '';
  // Fewer cues, words and notes where all of them would be long.
  for (let most = 3; most > 0; most--) {
    const more = unjudged.length - (most + 1);
    const words = unjudged.slice(0, most + 1).join(', ') + (more > 0 ? ` and ${more} more` : '');
    const judged = words === '' ? [] : [`not judged: ${words}`];
    text = [tell(decided, most), ...judged, ...notes.slice(0, most - 1)]
      .join('; ')
      .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ');
    if (text.length <= LONG) break;
  }
  return clip(text, MAX_LENGTH);
}

/** Words that no cue could use: with the noun where the box has no label, without it where the text says so. */
function unusedWords({ situation, choice, set }: Decided): readonly string[] {
  if (choice === null) return [];
  const { expression, knowledge, actions, singleBoxTools, candidates } = situation;
  const answered = actions[(set[0] ?? choice).at]!;
  const noun = expression.head?.phrase ?? '';
  const isTold = (word: string) => knowledge.kind === 'no-word' && word === noun;
  const words = situation.unjudged.filter((word) => !isTold(word));
  const isRead = singleBoxTools.has(candidates[answered.source]!.tool);
  const isNamed = noun === '' || isRead || seenAt(situation, answered).label !== undefined;
  return isNamed ? words : [...new Set([noun, ...words])];
}

function tellBox(decided: Decided, most: number): string {
  const { situation, choice, decision } = decided;
  const action = situation.actions[choice!.at]!;
  const { rival, cues } = decisiveCues(decided, action);
  const seen = seenAt(situation, action, rival);
  const told = cues.flatMap((tell) => tell(seen, decision)).slice(0, most);
  const texts = (isRanked: boolean) => [
    ...new Set(told.flatMap(({ text, form }) => ((form === 'ranked') === isRanked ? text : []))),
  ];
  const first = texts(true).join(' and ');
  const of = seen.count > 1 ? `of ${several(seen.noun, seen.count)}` : seen.noun;
  const why = [...(first === '' ? [] : [`${first} ${of}`]), ...texts(false)].join(', ');
  const what = boxWords(seen);
  const isNamed = what !== '' || first !== '';
  const isJudged = isNamed || told.some(({ form }) => form !== 'aside');
  const subject = isNamed ? what : isJudged ? clip(seen.label ?? 'box') : surest(seen);
  const joint = what.includes(':') ? '; ' : isJudged ? ': ' : ', ';
  return opening(seen, decision) + [subject, why].filter((part) => part !== '').join(joint);
}

/** How the answer differs from the tool's. */
function opening({ situation, label }: Seen, decision: Decision | null): string {
  const { tool, toolName } = situation.request;
  if (tool === null || (decision !== 'correct' && decision !== 'adjust')) return '';
  const whose = situation.toolRead ? `${clip(toolName)}'s` : "the detector's";
  // The label of a tool that was asked in words is a piece of the expression.
  const kind = clip((tool.label ?? 'box').replace(/^(?:the|an?) (?=.)/i, ''));
  if (decision === 'adjust') return `${whose} ${kind}, another box of it; `;
  return label === tool.label ? `another ${kind} than ${whose}; ` : `not ${whose} ${kind}; `;
}

/** The box by its own label, where it is faint or the noun does not plainly name it; else empty. */
function boxWords(seen: Seen): string {
  const { label, box, score, isFaint, likelier, situation } = seen;
  const { naming, meanings, expression } = situation;
  if (label === undefined) return '';
  const missing = standsInFor(seen);
  if (missing !== null) return `${withArticle(box)}${score && `${score},`} stands in: ${missing}`;
  if (isFaint) return `a faint ${box}${score}${likelier}`;
  if (naming === 'unnamed') return withArticle(box);
  const isNarrow = meanings.get(label)?.kind === 'hyponym' && label !== 'person';
  return isNarrow ? `${withArticle(box)} for ${clip(expression.head!.lemma)}` : '';
}

/** Why a box of a label that does not name the noun is answered; null where it does. */
function standsInFor({ label, situation }: Seen): string | null {
  const { meanings, expression, knowledge, table } = situation;
  const kind = meanings.get(label ?? '')?.kind;
  if (expression.head === null || (kind !== undefined && kind !== 'worn')) return null;
  const noun = clip(expression.head.lemma);
  if (knowledge.label === null || knowledge.kind === 'worn') return unknownNoun(noun, table.labels);
  return meanings.size > 0 ? `no ${noun} fits better` : `no ${noun} found`;
}

/** Of a box that no cue set apart, and that is not told to be faint. */
function surest({ label, box, cue, count, noun, situation }: Seen): string {
  const { meanings, cues } = situation;
  const kind = meanings.get(label ?? '')?.kind;
  const others = cues.filter((each) => each !== cue).map(({ object }) => object.chance);
  const most = Math.max(0, ...others);
  if ((kind === 'exact' || kind === 'synonym') && most <= ALSO_THERE) return `the only ${box}`;
  const isSurest = cue.object.chance > most;
  if (count === 1) return isSurest ? `the surest ${box}` : withArticle(box);
  return `${isSurest ? 'the surest' : 'one'} of ${several(noun, count)}`;
}

/** The next object, one of the kind where there is any, and the cues that set the box apart from it, the strongest first. */
function decisiveCues(
  { policy, rows, situation, logits, decision }: Decided,
  action: Action,
): { readonly rival?: Cue; readonly cues: readonly Tell[] } {
  const { actions } = situation;
  const isOfKind = (at: number) => actions[at]!.cue.object.chance > ALSO_THERE;
  const isNearer = (at: number, other: number) =>
    isOfKind(at) === isOfKind(other) ? logits[at]! > logits[other]! : isOfKind(at);
  let next = -1;
  for (const [at, { boxXyxy, cue }] of actions.entries()) {
    if (cue === action.cue || logits[at] === Number.NEGATIVE_INFINITY) continue;
    if (iouXyxy(boxXyxy, action.boxXyxy) > SAME_OBJECT_IOU) continue;
    if (next < 0 || isNearer(at, next)) next = at;
  }
  if (next < 0) return { cues: [] };
  const width = policy.columns.length;
  const own = actions.indexOf(action) * width;
  const gains = new Map<Tell, number>();
  for (const [column, { name, tool }] of policy.columns.entries()) {
    const tell = CUE_OF.get(tool === undefined ? name : name.slice(0, name.indexOf(':')));
    if (tell === undefined || (decision === null && rows.hidden.includes(column))) continue;
    const more = rows.boxes[own + column]! - rows.boxes[next * width + column]!;
    gains.set(tell, (gains.get(tell) ?? 0) + policy.boxes[column]! * more);
  }
  const cues = [...gains].filter(([, gain]) => gain > DECISIVE).sort(([, a], [, b]) => b - a);
  return { rival: actions[next]!.cue, cues: cues.map(([tell]) => tell) };
}

/** "2 of the 3 cups asked for were found", "3 cups, all but the leftmost". */
function tellSet({ situation, set }: Decided): string {
  const { quantity, exceptions } = situation.expression;
  const members = set.map(({ at }) => seenAt(situation, situation.actions[at]!));
  const first = members[0]!;
  const kind = members.filter(({ cue }) => cue.object.chance > 0);
  const count = kind.length;
  const asked = quantity.kind === 'count' ? quantity.n : 0;
  const faint = kind.filter(({ isFaint }) => isFaint).length;
  const left = exceptions.map(({ text }) => clip(definite(text))).join(' and ');
  const { excepted, cues } = situation;
  const isLeftOut = members.every(({ cue }) => (excepted[cues.indexOf(cue)] ?? 0) < 0.5);
  const missing = standsInFor(first);
  const verb = count === 1 ? 'was' : 'were';
  return [
    count < asked
      ? `${count} of the ${several(first.noun, asked)} asked for ${verb} found`
      : several(first.noun, count),
    ...(left === '' ? [] : [isLeftOut ? `all but ${left}` : `${left} among them`]),
    ...(faint === 0 ? [] : [`${faint} faint`]),
    ...(count === members.length ? [] : [`the other boxes show something else`]),
    ...(missing === null ? [] : [`${withArticle(first.box)} stands in: ${missing}`]),
  ].join(', ');
}

/** Why nothing fits: what speaks most against an answer. */
function noneReason({ policy, rows, situation, decision }: Decided): string {
  const { candidates, actions, cues, expression, naming } = situation;
  if (candidates.length === 0) return 'no box was proposed';
  if (decision === null && actions.every(({ ofTool }) => ofTool)) return 'no box to judge';
  let [tell, most] = [(_: Asked) => 'no box fits the words', DECISIVE];
  for (const [at, { name }] of QUERY_COLUMNS.entries()) {
    const against = AGAINST[name];
    const weight = policy.none[at]! * rows.query[at]!;
    if (against !== undefined && weight > most) [tell, most] = [against, weight];
  }
  const cue = naming === 'unknown' ? undefined : cues[0];
  const best = cue && seenAt(situation, { cue, source: cue.object.members[0]! });
  const noun = best?.label === undefined ? (expression.head?.lemma ?? 'object') : best.noun;
  return tell({ situation, noun: clip(noun), best });
}

/** An expression that nothing fits, and its likeliest object. */
interface Asked {
  readonly situation: Situation;
  readonly noun: string;
  readonly best: Seen | undefined;
}

/** "no giraffe found", or what speaks against the best one. */
function unfoundWords({ noun, best }: Asked): string {
  if (best === undefined || best.situation.naming !== 'named' || best.cue.object.chance === 0)
    return `no ${noun} found`;
  const { box, score, isFaint, likelier } = best;
  return isFaint || likelier !== ''
    ? `the surest ${box}${score && `${score},`} is${likelier.slice(1) || ' too faint'}`
    : `${withArticle(noun)} is unlikely here`;
}

function unknownWords({ situation: { expression, table } }: Asked): string {
  const { head, unknownWords: unknown } = expression;
  if (unknown.length > 0) return `not English: "${clip(unknown.join(' '), 40)}"`;
  return unknownNoun(clip(head?.lemma ?? 'it'), table.labels);
}

/** What each query column tells against an answer. */
const AGAINST: Readonly<Record<string, (asked: Asked) => string>> = {
  unfound: unfoundWords,
  'unfound-wider': unfoundWords,
  taken: unfoundWords,
  context: unfoundWords,
  'other-kind': unknownWords,
  'no-word': unknownWords,
  foreign: unknownWords,
  'off-colour': ({ situation, noun }) => {
    const colours = situation.expression.attributes.filter(
      ({ kind, part, negated }) => kind === 'colour' && part === 'whole' && !negated,
    );
    return `no ${noun} is ${colours.map(({ word }) => clip(word)).join(' and ') || 'of that colour'}`;
  },
  unreached: ({ situation, noun, best }) => {
    const rank = Math.max(...situation.expression.selectors.map((each) => each.rank ?? 0));
    const count = best?.count ?? 0;
    if (count >= rank) return `fewer than ${several(noun, rank)} are sure`;
    return `only ${several(noun, count)} found, not ${rank}`;
  },
};

/** Detectors of other labels than COCO's may have a word that they did not use on this photo. */
function unknownNoun(noun: string, labels: ReadonlySet<string>): string {
  const all = new Set(labelNames());
  const isCoco = [...labels].every((label) => all.has(label));
  return isCoco ? `the detector has no word for ${noun}` : `no box is named ${noun}`;
}

/** A box that is less likely to be an object of its label is faint: its score is told. */
const FAINT = 0.3;
/** Objects less likely than this are not counted. */
const COUNTED = 0.25;
/** A fit from which a word is said of a box as it stands. */
const TRUE = 0.5;
/** The same for clothes, which share their part of the box with skin and background. */
const WORN = 0.3;

/** Cut to so many characters. */
const clip = (text: string, most = 28): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).trimEnd()}…`;

/** "3 dogs" */
const several = (noun: string, count: number): string => `${count} ${clip(pluralOf(noun, count))}`;

/** With an article. */
const definite = (text: string): string =>
  /^(?:the|an?|this|that|his|her|their) /.test(text) ? text : `the ${text}`;

/** An object by one of its boxes, with the objects beside it. */
type Seen = ReturnType<typeof seenAt>;

/** @param rival the next object */
function seenAt(
  situation: Situation,
  { cue, source }: Pick<Action, 'cue' | 'source'>,
  rival?: Cue,
) {
  const { cues, candidates, table, meanings } = situation;
  const { members } = cue.object;
  const labelOf = (at: number) => candidates[at]!.label;
  // A tool without labels may show the same object as a box with one.
  const named = members.find((at) => meanings.has(labelOf(at) ?? ''));
  const own = labelOf(source) === undefined ? (named ?? source) : source;
  const { label, score } = candidates[own]!;
  const chanceOf = (at: number) => table.objectness[at]!;
  const likeliest = members
    .filter((at) => labelOf(at) !== undefined && !meanings.has(labelOf(at)!))
    .reduce((most, at) => (chanceOf(at) > chanceOf(most) ? at : most), own);
  return {
    situation,
    cue,
    rival,
    /** Number of objects that count as of the kind, this one among them. */
    count: cues.filter((each) => each === cue || each.object.chance > COUNTED).length,
    /** What the counted boxes show, singular. */
    noun: nounOf(situation, label),
    label,
    /** "dog box", or "box" where the tool tells no label. */
    box: label === undefined ? 'box' : `${clip(label)} box`,
    /** ", 0.09": the tool's score, where it tells one. */
    score: score === undefined ? '' : `, ${score.toFixed(2)}`,
    isFaint: label !== undefined && chanceOf(own) < FAINT,
    /** ", more likely a sheep": by a likelier label that does not mean the noun, of a box of the same object; else empty. */
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
type Tell = (seen: Seen, decision: Decision | null) => readonly Phrase[];

/** Columns that are told as one cue; the others, of the kind above all, show in what the box is called. */
const CUES: ReadonlyArray<readonly [columns: readonly string[], tell: Tell]> = [
  [
    ['place', 'place-of-answers', 'lean', 'lean-of-rank'],
    (seen) => seen.situation.expression.selectors.flatMap((each, at) => rankWords(seen, each, at)),
  ],
  [
    ['colour', 'worn-colour', 'size', 'look'],
    ({ situation, cue, rival }) =>
      situation.expression.attributes.flatMap((each, at) => {
        const fit = cue.attributes[at] ?? 0;
        return fit > (rival?.attributes[at] ?? 0) ? attributeWords(each, fit) : [];
      }),
  ],
  [
    RELATIONS.map(([name]) => name),
    (seen) =>
      seen.situation.expression.relations.flatMap((each, at) => {
        const fit = seen.cue.relations[at] ?? 0;
        return fit > (seen.rival?.relations[at] ?? 0) ? relationWords(seen, each, fit) : [];
      }),
  ],
  [
    ['excepted'],
    ({ situation }) =>
      situation.expression.exceptions.map(({ text }) => said(`not ${clip(definite(text))}`)),
  ],
  [['votes', 'agreement', 'overlaps', 'agrees'], voteWords],
  [
    ['tool', 'tool-unjudged', 'tool-object', 'reader', 'reader-object', 'reader-overlap'],
    ({ situation: { toolRead, request } }, decision) => {
      if (decision !== 'confirm') return [];
      const reader = `the answer of ${clip(request.toolName)}`;
      return [aside(toolRead ? reader : "the detector's own choice")];
    },
  ],
  [['box-words', 'area', 'central'], () => [said('its size and position suit the words')]],
  [['crop-words', 'crop-noun'], () => [said('its pixels suit the words')]],
];
/** What the column tells: one function for all columns of a cue. */
const CUE_OF: ReadonlyMap<string, Tell> = new Map(
  CUES.flatMap(([columns, tell]) => columns.map((name) => [name, tell] as const)),
);

/** The first rank, where it is counted from, and what only lies towards that end, by axis and end. */
const ENDS: Readonly<Record<string, readonly [most: string, from: string, towards?: string]>> = {
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
function rankWords({ cue, count }: Seen, selector: Selector, at: number): readonly Phrase[] {
  const { axis, end, rank, negated } = selector;
  const [most, from, towards] = ENDS[`${axis}.${end}`] ?? [];
  if (most === undefined) return [];
  const nth = rank === null || end === 'middle' ? 1 : rank;
  const text = nth === 1 ? most : `${ordinal(nth)} ${from}`;
  const isLikely = cue.rankChances[at]! > TRUE;
  if (negated) return isLikely ? [said(`not the ${text}`)] : [];
  if (isLikely && nth <= count && cue.object.chance > 0) return [{ text, form: 'ranked' }];
  return towards !== undefined && nth === 1 && cue.positionScores[at]! > TRUE
    ? [said(towards)]
    : [];
}

/** Of an attribute that the box has more of than the next object. Boxes show the age of animals by their size. */
function attributeWords(attribute: Attribute, fit: number): readonly Phrase[] {
  const { kind, part, word, value, owner, negated } = attribute;
  const isWorn = kind === 'colour' && part !== 'whole';
  const what = clip(isWorn ? `${word} ${owner ?? 'clothes'}` : word);
  if (fit <= (isWorn && !negated ? WORN : TRUE)) {
    return kind === 'colour' && !negated ? [said(`more ${what} than the next`)] : [];
  }
  if (negated) return [said(`${isWorn ? 'no' : 'not'} ${what}`)];
  if (kind === 'size') return [said(`${value === 'big' ? 'larger' : 'smaller'} than most`)];
  if (kind === 'colour' && !isWorn) return [said(`most of it is ${value}`)];
  return [said(!AGES.has(word) ? what : `${what} by its size`)];
}

/** Where no box shows the landmark, a posture or a side of the photo was judged. */
function relationWords(seen: Seen, relation: Relation, fit: number): readonly Phrase[] {
  const { kind, words, landmarks, negated } = relation;
  const not = negated ? 'not ' : '';
  if (!landmarks.some((landmark) => isShown(relation, landmark, seen.situation))) {
    const posture = postureOf(words) && `${clip(words.split(' ')[0]!)} by its shape`;
    const { axis, end } = RANK_OF[kind] ?? {};
    const text = posture ?? ENDS[`${axis}.${end}`]?.[2];
    return text === undefined || fit <= TRUE ? [] : [said(not + text)];
  }
  const names = landmarks.map(({ text }) => definite(clip(text))).join(' and ');
  const tie = `${clip(words === '' ? kind.replaceAll('-', ' ') : words)} ${names}`;
  if (fit > TRUE) return [said(not + tie)];
  return negated ? [] : [said(`comes closest to "${tie}"`)];
}

function voteWords({ situation: { firsts }, cue }: Seen): readonly Phrase[] {
  const { boxXyxy } = cue.object;
  const agreeing = firsts.filter((each) => iouXyxy(each.boxXyxy, boxXyxy) > SAME_OBJECT_IOU);
  if (agreeing.length === 0) return [];
  if (firsts.length === 1) return [aside(`the answer of ${clip(agreeing[0]!.tool)}`)];
  return [aside(`${agreeing.length} of ${firsts.length} tools agree`)];
}
