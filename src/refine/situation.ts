import { type BoxXyxy, iouXyxy } from '../core/box.js';
import { DUPLICATE_IOU, FUSED_IOU, SAME_OBJECT_IOU } from '../core/iou.js';
import {
  type Denotations,
  denotationsOf,
  headKnowledge,
  meaningsOf,
  tellsPurpose,
} from '../language/denotation.js';
import type { Attribute, Expression, HeadNoun, Relation } from '../language/expression.js';
import { isAnimate, isPerson, isWorn } from '../language/lexicon.js';
import { parseExpression } from '../language/parser.js';
import { AGES, postureOf, wordSet } from '../language/vocabulary.js';
import { candidateTable, type Scene, singleBoxTools } from './candidates.js';
import { type Cue, cuesOf } from './cue.js';
import type { Candidate, RefineRequest } from './refiner.js';

/** A box that can be the answer. */
export interface Action {
  /** Absolute pixels. */
  readonly boxXyxy: BoxXyxy;
  /** Index into the candidates: the box itself, or the best of those that it is the mean of. */
  readonly source: number;
  /** Whether it is the mean of boxes of several tools. */
  readonly fused: boolean;
  /** Whether it is there by the judged answer alone, or a judged tool that read the words has a part in it: hidden from think. */
  readonly ofTool: boolean;
  /** How the object in the box meets the expression. */
  readonly cue: Cue;
}

/** A request with everything that the columns are computed from. */
export interface Situation extends Laid {
  /** Content words of the expression that no cue could use, in the order of its parts, each once. */
  readonly unjudged: readonly string[];
  /** What an image-text encoder says of each box; absent where none is asked. */
  readonly crops?: CropMatches;
}

/** Log of the share of a box among all boxes in a softmax over matches, times their number: 0 where all match alike. */
export type CropMatches = ReadonlyMap<Action, { readonly words: number; readonly noun: number }>;

/** No more boxes are weighed: the work grows with their square. */
const MAX_ACTIONS = 40;

type Laid = Readonly<ReturnType<typeof laidOut>>;

/** Reads the expression and lays out what can be answered. */
function laidOut(request: RefineRequest) {
  const expression = parseExpression(request.query);
  const { candidates, imageSize, evidence, tool, toolName, listers = [] } = request;
  const readers = singleBoxTools(request.query, candidates);
  const scene: Scene = { candidates, imageSize, singleBoxTools: readers, listers, evidence };
  const { naming, cues } = cuesOf(expression, scene);
  const table = candidateTable(candidates, imageSize);
  const toolAt = tool === null ? -1 : candidates.indexOf(tool);
  const toolRead = readers.has(toolName);
  return {
    ...scene,
    request,
    expression,
    naming,
    /** What is known of the head noun. */
    knowledge: headKnowledge(expression),
    /** Labels of the candidates that the head noun may mean. */
    meanings: meaningsOf(expression, table.labels),
    /** Objects, the likeliest of the kind first. */
    cues,
    actions: actionsOf(candidates, cues, toolAt, toolRead ? toolName : null),
    table,
    /** Index of the tool's answer among the candidates; -1 where it has none. */
    toolAt,
    /** Whether the judged tool read the expression, and did not only list objects of its labels. */
    toolRead,
    /** Whether some tool lists objects of its labels. */
    lists: candidates.some((each) => !readers.has(each.tool)),
    /** The boxes of tools that read the expression, one of each; without the judged one's, which think must not see. */
    firsts: candidates.filter(
      ({ tool: name, rank, read }) =>
        name !== toolName && (readers.has(name) || (read === true && rank === 0)),
    ),
    /** Probability of each object to be excepted ("all cups but the red one"), parallel to `cues`; 0 without exceptions. */
    excepted: exceptedChances(expression, scene, cues),
  };
}

export function situationOf(request: RefineRequest): Situation {
  const laid = laidOut(request);
  return { ...laid, unjudged: unjudgedWords(laid) };
}

/**
 * Of each object the best box of each tool, and the tool's answer; where several tools show it, their mean. `judged`
 * is the tool that think must not see.
 */
function actionsOf(
  candidates: readonly Candidate[],
  cues: readonly Cue[],
  toolAt: number,
  judged: string | null,
): Action[] {
  const actions: Action[] = [];
  let seen = 0;
  const add = (action: Action): void => {
    actions.push(action);
    if (!action.ofTool) seen++;
  };
  for (const cue of cues) {
    const { boxXyxy: box, members } = cue.object;
    const tools = new Set<string>();
    for (const source of members) {
      const { tool, boxXyxy } = candidates[source]!;
      const isSpare = tools.has(tool) || seen >= MAX_ACTIONS;
      tools.add(tool);
      if (isSpare && source !== toolAt) continue;
      add({ boxXyxy, source, fused: false, ofTool: isSpare || tool === judged, cue });
    }
    const mean = tools.size < 2 ? null : fusedBox(box, candidates);
    if (mean === null) continue;
    const ofTool = judged !== null && tools.has(judged);
    const isKnown = actions.some(
      (each) => (ofTool || !each.ofTool) && iouXyxy(each.boxXyxy, mean) > DUPLICATE_IOU,
    );
    if (!isKnown) add({ boxXyxy: mean, source: members[0]!, fused: true, ofTool, cue });
  }
  return actions;
}

/** Weight in a mean of a box whose tool gives no score. */
const WITHOUT_SCORE = 0.5;

/**
 * The mean of the boxes that different tools give for the object in `box`, weighted by score (0.5 where there is none, at
 * least 0.001), each tool with its best-overlapping box. Null where fewer than two tools agree: boxes of one tool repeat its
 * error.
 */
function fusedBox(box: BoxXyxy, candidates: readonly Candidate[]): BoxXyxy | null {
  const ofTool = new Map<string, { candidate: Candidate; iou: number }>();
  for (const candidate of candidates) {
    const iou = iouXyxy(box, candidate.boxXyxy);
    if (iou >= FUSED_IOU && iou > (ofTool.get(candidate.tool)?.iou ?? 0)) {
      ofTool.set(candidate.tool, { candidate, iou });
    }
  }
  if (ofTool.size < 2) return null;
  const parts = [...ofTool.values()].map(({ candidate: { boxXyxy, score } }) => ({
    boxXyxy,
    weight: Math.max(score ?? WITHOUT_SCORE, 1e-3),
  }));
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (side: keyof BoxXyxy) =>
    parts.reduce((sum, { boxXyxy, weight }) => sum + boxXyxy[side] * weight, 0) / total;
  return { x1: mean('x1'), y1: mean('y1'), x2: mean('x2'), y2: mean('y2') };
}

/** What is excepted: of each exception the object that fits it best, or all that fit where it names several. */
function exceptedChances(
  { exceptions }: Expression,
  scene: Scene,
  cues: readonly Cue[],
): readonly number[] {
  const chances = cues.map(() => 0);
  for (const exception of exceptions) {
    const fits = cuesOf(exception, scene).cues.map((cue) => ({ cue, fit: fitOf(cue) }));
    const best = fits.reduce((most, { fit }) => Math.max(most, fit), 1e-9);
    for (const { cue, fit } of fits) {
      const at = cues.findIndex(
        ({ object }) => iouXyxy(object.boxXyxy, cue.object.boxXyxy) > SAME_OBJECT_IOU,
      );
      if (at >= 0) chances[at] = Math.max(chances[at]!, fit / best);
    }
  }
  return chances;
}

/** The product of all that is known of an object, 0..1. */
function fitOf({ object, rankChances, attributes, relations }: Cue): number {
  return [...rankChances, ...attributes, ...relations].reduce<number>(
    (product, fit) => (fit === null ? product : product * fit),
    object.chance,
  );
}

/**
 * The texts that crops are compared with: the expression, and the words for the object itself without its position and its
 * neighbours ("red car" of "the second red car left of the bus"); the expression twice where no noun is named.
 */
function encoderTexts({ text, head, attributes }: Expression): readonly string[] {
  if (head === null) return [text, text];
  const own = attributes.filter(({ owner, negated }) => owner === null && !negated);
  return [text, [...own.map(({ word }) => word), head.phrase].join(' ')];
}

/** Natural logs of shares below this say no more. */
const MIN_LOG = -5;

/** Matches of one text with all boxes, of their cosines with it. */
function matchesOf(cosines: Float32Array, scale: number): Float32Array {
  const top = cosines.reduce((most, cosine) => Math.max(most, cosine), -1);
  const total = cosines.reduce((sum, cosine) => sum + Math.exp(scale * (cosine - top)), 0);
  const mean = Math.log(total / cosines.length);
  return cosines.map((cosine) => Math.max(scale * (cosine - top) - mean, MIN_LOG));
}

/** The situation with what an image-text encoder says of each box, where the request brings one. @throws VgrError of the photo */
export async function withCrops(situation: Situation): Promise<Situation> {
  const { request, actions, expression } = situation;
  const { crops } = request;
  if (crops === undefined || actions.length === 0) return situation;
  const boxes = actions.map(({ boxXyxy }) => boxXyxy);
  const cosines = await crops.match(boxes, encoderTexts(expression));
  const [words, noun] = cosines.map((each) => matchesOf(each, crops.scale));
  const matches = actions.map(
    (action, at) => [action, { words: words![at]!, noun: noun![at]! }] as const,
  );
  return { ...situation, crops: new Map(matches) };
}

/** Nouns of which `person` says all. */
const ANY_PERSON = wordSet(
  'person human guy dude fellow folk everyone everybody someone somebody anyone anybody',
);

/** A sort of person that no label names: boxes of `person` do not tell a woman from a man, or a skier. */
function unjudgedPerson(head: HeadNoun | null, meanings: Denotations): readonly string[] {
  if (head === null || ANY_PERSON.has(head.lemma) || !isPerson(head.lemma)) return [];
  const named = [...meanings.values()].some(({ kind }) => kind !== 'hyponym');
  return named || meanings.size === 0 ? [] : [head.phrase];
}

/** "dark blue" is looked for as blue. */
const unjudgedShade = ({ kind, word }: Attribute): readonly string[] =>
  kind === 'colour' && word.includes(' ') ? [word.slice(0, word.lastIndexOf(' '))] : [];

const attributeWords = ({ word, owner }: Attribute): string =>
  owner === null ? word : `${word} ${owner}`;

/** Words of what is only a landmark or an exception, of which no cues are kept. */
function unjudgedBeside(beside: Expression, { table, evidence }: Laid): readonly string[] {
  const { head, attributes, relations, leftovers } = beside;
  const noun = head?.lemma ?? '';
  const isSeen = ({ kind, value, shade }: Attribute): boolean => {
    if (kind === 'size') return true;
    if (kind === 'colour' || shade !== null) return evidence !== undefined;
    if (!isAnimate(noun)) return false;
    return postureOf(value) !== null || (!isPerson(noun) && AGES.has(value));
  };
  return [
    ...unjudgedPerson(head, denotationsOf(beside, table.labels)),
    ...attributes.flatMap((each) => (isSeen(each) ? unjudgedShade(each) : [attributeWords(each)])),
    ...relations.flatMap((relation) => unjudgedRelation(relation, attributes)),
    ...leftovers,
  ];
}

/** Without what is worn and counts already by an attribute: "in a red shirt". */
function unjudgedRelation(
  { kind, words, landmarks }: Relation,
  attributes: readonly Attribute[],
): readonly string[] {
  const owners = kind === 'wearing' || kind === 'with' ? attributes : [];
  const isCounted = ({ head }: Expression) =>
    owners.some(({ owner }) => owner === (head?.lemma ?? null));
  const rest = landmarks.filter((landmark) => !isCounted(landmark));
  if (landmarks.length > 0 && rest.length === 0) return [];
  return [`${words} ${rest.map(({ text }) => text).join(' and ')}`.trim()];
}

/** Whether boxes show how objects stand to the landmark; else the fit is that of a posture, a side or a part's colour. */
export function isShown({ kind }: Relation, { head }: Expression, { table }: Laid): boolean {
  if (kind === 'other' || kind === 'facing') return false;
  if (head === null || table.labels.size === 0) return true;
  const named = { head, deniedKinds: [], exceptions: [] };
  return !isWorn(head.lemma) && denotationsOf(named, table.labels).size > 0;
}

/** Of a relation with a fit: landmarks that no box shows, and words of the others that no cue could use. */
const unjudgedWithin = (relation: Relation, situation: Laid): readonly string[] =>
  relation.landmarks.flatMap((landmark) => {
    if (isShown(relation, landmark, situation)) return unjudgedBeside(landmark, situation);
    const isPart = relation.kind === 'with' || relation.kind === 'of';
    return (isPart ? landmark.head?.phrase : undefined) ?? landmark.text;
  });

/** Content words of the expression that no cue could use, in the order of its parts, each once. */
function unjudgedWords(situation: Laid): readonly string[] {
  const { expression, cues, knowledge, meanings, naming } = situation;
  const { head, attributes, relations, leftovers, deniedKinds, exceptions } = expression;
  const cue = cues[0];
  const hasFit = (fit: number | null | undefined) => fit !== null && fit !== undefined;
  // A question without a noun is named by its other words: "What can I sit on?"
  const isPurpose = head === null && naming === 'named' ? tellsPurpose : () => false;
  const words = [
    ...(knowledge.kind === 'no-word' ? [head?.phrase ?? ''] : unjudgedPerson(head, meanings)),
    ...attributes.flatMap((each, at) =>
      hasFit(cue?.attributes[at]) ? unjudgedShade(each) : [attributeWords(each)],
    ),
    ...relations.flatMap((each, at) =>
      hasFit(cue?.relations[at])
        ? unjudgedWithin(each, situation)
        : unjudgedRelation(each, attributes),
    ),
    ...deniedKinds.flatMap((kind) =>
      ['named', 'wider'].includes(headKnowledge({ head: kind }).kind) ? [] : [`not ${kind.phrase}`],
    ),
    ...exceptions.flatMap((each) =>
      unjudgedBeside(each.head?.lemma === head?.lemma ? { ...each, head: null } : each, situation),
    ),
    ...leftovers.filter((word) => !isPurpose(word)),
  ];
  return [...new Set(words)].filter((each) => each !== '');
}
