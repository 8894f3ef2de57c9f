import { CORRECT_IOU, iouXyxy } from '../geometry/overlap.js';
import { labelNames } from '../language/lexicon.js';
import { withArticle } from '../language/morphology.js';
import type { Clue } from './clue.js';
import { QUERY_COLUMNS, unjudgedWords } from './columns.js';
import { CUE_OF, clip, definite, type Seen, seenAt, several, type Tell } from './cue-words.js';
import { logitsOf, type Policy, type PolicyRows } from './policy.js';
import type { Decision } from './refiner.js';
import type { Action, Situation } from './situation.js';

/** What was decided, with the numbers that decided it. */
interface Decided {
  readonly policy: Policy;
  readonly rows: PolicyRows;
  readonly situation: Situation;
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
/** Characters. */
const LONG = 160;
const LONGEST = 200;

/**
 * Why a box was answered, or nothing: one line of plain text, at most 200 characters. It names what was seen, the cues that
 * set the box apart from the next object, and the words that nothing was held against. Its numbers are counts, ordinals, and
 * the tool's own score of a box that is faint or stands in.
 */
export function reasonOf(decided: Decided): string {
  const { mended, promptWords } = decided.situation.expression;
  const tell = decided.choice === null ? noneReason : decided.set.length > 0 ? tellSet : tellBox;
  const unjudged = unusedWords(decided).map((each) => clip(each));
  const prompt = [...new Set(promptWords)].join(' ');
  const notes = [
    ...mended.map(({ from, to }) => `"${clip(from)}" read as ${clip(to)}`),
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
  return clip(text, LONGEST);
}

/** Words that nothing was held against: with the noun where the box has no label, without it where the text says so. */
function unusedWords({ situation, choice, set }: Decided): readonly string[] {
  if (choice === null) return [];
  const { expression, knowledge, actions, grounders, candidates } = situation;
  const answered = actions[(set[0] ?? choice).at]!;
  const noun = expression.head?.phrase ?? '';
  const isTold = (word: string) => knowledge.kind === 'no-word' && word === noun;
  const words = unjudgedWords(situation).filter((word) => !isTold(word));
  const isRead = grounders.has(candidates[answered.source]!.tool);
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
function opening({ request, label, toolRead }: Seen, decision: Decision | null): string {
  const { tool, toolName } = request;
  if (tool === null || (decision !== 'correct' && decision !== 'adjust')) return '';
  const whose = toolRead ? `${clip(toolName)}'s` : "the detector's";
  const kind = clip(tool.label ?? 'box');
  if (decision === 'adjust') return `${whose} ${kind}, another box of it; `;
  return label === tool.label ? `another ${kind} than ${whose}; ` : `not ${whose} ${kind}; `;
}

/** The box by its own label, where it is faint or the noun does not plainly name it; else empty. */
function boxWords(seen: Seen): string {
  const { label, box, score, isFaint, likelier, naming, meanings, expression } = seen;
  if (label === undefined) return '';
  const standing = standsInFor(seen);
  if (standing !== null) return `${withArticle(box)}${score && `${score},`} stands in: ${standing}`;
  if (isFaint) return `a faint ${box}${score}${likelier}`;
  if (naming === 'unnamed') return withArticle(box);
  const isNarrow = meanings.get(label)?.kind === 'hyponym' && label !== 'person';
  return isNarrow ? `${withArticle(box)} for ${clip(expression.head!.lemma)}` : '';
}

/** Why a box of a label that does not name the noun is answered; null where it does. */
function standsInFor({ label, meanings, expression, knowledge, table }: Seen): string | null {
  const kind = meanings.get(label ?? '')?.kind;
  if (expression.head === null || (kind !== undefined && kind !== 'worn')) return null;
  const noun = clip(expression.head.lemma);
  if (knowledge.label === null || knowledge.kind === 'worn') return unknownNoun(noun, table.labels);
  return meanings.size > 0 ? `no ${noun} fits better` : `no ${noun} found`;
}

/** Of a box that no cue set apart. Whoever is faint was told so before. */
function surest({ label, box, clue, clues, count, meanings, noun }: Seen): string {
  const kind = meanings.get(label ?? '')?.kind;
  const others = clues.filter((each) => each !== clue).map(({ thing }) => thing.chance);
  const most = Math.max(0, ...others);
  if ((kind === 'exact' || kind === 'synonym') && most <= ALSO_THERE) return `the only ${box}`;
  const isSurest = clue.thing.chance > most;
  if (count === 1) return isSurest ? `the surest ${box}` : withArticle(box);
  return `${isSurest ? 'the surest' : 'one'} of ${several(noun, count)}`;
}

/** The next object, one of the kind where there is any, and the cues that set the box apart from it, the strongest first. */
function decisiveCues(
  { policy, rows, situation, decision }: Decided,
  action: Action,
): { readonly rival?: Clue; readonly cues: readonly Tell[] } {
  const { actions } = situation;
  const logits = logitsOf(policy, rows, decision === null ? 'think' : 'rethink');
  const isOther = ({ boxXyxy, clue }: Action): boolean =>
    clue !== action.clue && iouXyxy(boxXyxy, action.boxXyxy) <= CORRECT_IOU;
  const [next] = actions
    .map((each, at) => ({ ...each, at, ofKind: Number(each.clue.thing.chance > ALSO_THERE) }))
    .filter((each) => logits[each.at]! > Number.NEGATIVE_INFINITY && isOther(each))
    .sort((a, b) => b.ofKind - a.ofKind || logits[b.at]! - logits[a.at]!);
  if (next === undefined) return { cues: [] };
  const width = policy.columns.length;
  const own = actions.indexOf(action) * width;
  const gains = new Map<Tell, number>();
  for (const [column, { name }] of policy.columns.entries()) {
    const tell = CUE_OF.get(name.split(':')[0]!);
    if (tell === undefined || (decision === null && rows.hidden.includes(column))) continue;
    const more = rows.boxes[own + column]! - rows.boxes[next.at * width + column]!;
    gains.set(tell, (gains.get(tell) ?? 0) + policy.boxes[column]! * more);
  }
  const cues = [...gains].filter(([, gain]) => gain > DECISIVE).sort(([, a], [, b]) => b - a);
  return { rival: next.clue, cues: cues.map(([tell]) => tell) };
}

/** "2 of the 3 cups asked for were found", "3 cups, all but the leftmost". */
function tellSet({ situation, set }: Decided): string {
  const { quantity, exceptions } = situation.expression;
  const members = set.map(({ at }) => seenAt(situation, situation.actions[at]!));
  const first = members[0]!;
  const kind = members.filter(({ clue }) => clue.thing.chance > 0);
  const count = kind.length;
  const asked = quantity.kind === 'count' ? quantity.n : 0;
  const faint = kind.filter(({ isFaint }) => isFaint).length;
  const left = exceptions.map(({ text }) => clip(definite(text))).join(' and ');
  const { excepted, clues } = situation;
  const isLeftOut = members.every(({ clue }) => (excepted[clues.indexOf(clue)] ?? 0) < 0.5);
  const standing = standsInFor(first);
  const verb = count === 1 ? 'was' : 'were';
  return [
    count < asked
      ? `${count} of the ${several(first.noun, asked)} asked for ${verb} found`
      : several(first.noun, count),
    ...(left === '' ? [] : [isLeftOut ? `all but ${left}` : `${left} among them`]),
    ...(faint === 0 ? [] : [`${faint} faint`]),
    ...(count === members.length ? [] : [`the other boxes show something else`]),
    ...(standing === null ? [] : [`${withArticle(first.box)} stands in: ${standing}`]),
  ].join(', ');
}

/** Why nothing fits: what speaks most against an answer. */
function noneReason({ policy, rows, situation, decision }: Decided): string {
  const { candidates, actions, clues, expression, naming } = situation;
  if (candidates.length === 0) return 'no box was proposed';
  if (decision === null && actions.every(({ ofTool }) => ofTool)) return 'no box to judge';
  let [tell, most] = [(_: Asked) => 'no box fits the words', DECISIVE];
  for (const [at, { name }] of QUERY_COLUMNS.entries()) {
    const against = AGAINST[name];
    const weight = policy.none[at]! * rows.query[at]!;
    if (against !== undefined && weight > most) [tell, most] = [against, weight];
  }
  const clue = naming === 'unknown' ? undefined : clues[0];
  const best = clue && seenAt(situation, { clue, source: clue.thing.members[0]! });
  const noun = best?.label === undefined ? (expression.head?.lemma ?? 'object') : best.noun;
  return tell({ situation, noun: clip(noun), best });
}

/** What nothing fits, and its likeliest object. */
interface Asked {
  readonly situation: Situation;
  readonly noun: string;
  readonly best: Seen | undefined;
}

/** "no giraffe found", or what speaks against the best one. */
function unfoundWords({ noun, best }: Asked): string {
  if (best === undefined || best.naming !== 'named' || best.clue.thing.chance === 0)
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
