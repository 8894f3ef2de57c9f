import { type BoxXyxy, iouXyxy } from '../core/box.js';
import { DUPLICATE_IOU, FUSED_IOU, SAME_OBJECT_IOU } from '../core/iou.js';
import {
  type Denotations,
  type HeadKnowledge,
  headKnowledge,
  meaningsOf,
} from '../language/denotation.js';
import type { Expression } from '../language/expression.js';
import { parseExpression } from '../language/parser.js';
import { CandidateTable, singleBoxTools } from './candidates.js';
import { type Cue, type Cues, cuesOf, type Scene } from './cue.js';
import type { Candidate, MatchScale, RefineRequest } from './refiner.js';

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
export interface Situation extends Scene {
  readonly request: RefineRequest;
  readonly expression: Expression;
  readonly naming: Cues['naming'];
  /** What is known of the head noun. */
  readonly knowledge: HeadKnowledge;
  /** Labels of the candidates that the head noun may mean. */
  readonly meanings: Denotations;
  /** Objects, the likeliest of the kind first. */
  readonly cues: readonly Cue[];
  readonly actions: readonly Action[];
  readonly table: CandidateTable;
  /** Index of the tool's answer among the candidates; -1 where it has none. */
  readonly toolAt: number;
  /** Whether the judged tool read the expression, and did not only list things of its labels. */
  readonly toolRead: boolean;
  /** Whether some tool lists things of its labels. */
  readonly lists: boolean;
  /** The boxes of tools that read the expression, one of each; without the judged one's, which think must not see. */
  readonly firsts: readonly Candidate[];
  /** Chance of each object to be excepted ("all cups but the red one"), parallel to `cues`; 0 without exceptions. */
  readonly excepted: readonly number[];
  /** What an image-text encoder says of each box; absent where none is asked. */
  readonly crops?: CropMatches;
}

/** Log of the share of a box among all boxes in a softmax over matches, times their number: 0 where all match alike. */
export type CropMatches = ReadonlyMap<Action, { readonly words: number; readonly noun: number }>;

/** No more boxes are weighed: the work grows with their square. */
const MAX_ACTIONS = 40;

/** Reads the expression and lays out what can be answered. */
export function situationOf(request: RefineRequest): Situation {
  const expression = parseExpression(request.query);
  const { candidates, imageSize, evidence, tool, toolName } = request;
  const readers = singleBoxTools(request.query, candidates);
  const scene: Scene = {
    candidates,
    imageSize,
    singleBoxTools: readers,
    ...(evidence && { evidence }),
  };
  const { naming, objects: cues } = cuesOf(expression, scene);
  const table = CandidateTable.of(candidates, imageSize);
  const toolAt = tool === null ? -1 : candidates.indexOf(tool);
  const toolRead = readers.has(toolName);
  return {
    ...scene,
    request,
    expression,
    naming,
    knowledge: headKnowledge(expression),
    meanings: meaningsOf(expression, table.labels),
    cues,
    actions: actionsOf(scene, cues, toolAt, toolRead ? toolName : null),
    table,
    toolAt,
    toolRead,
    lists: candidates.some((each) => !readers.has(each.tool)),
    firsts: candidates.filter(({ tool: name }) => readers.has(name) && name !== toolName),
    excepted: exceptedChances(expression, scene, cues),
  };
}

/**
 * Of each object the best box of each tool, and the tool's answer; where several tools show it, their mean. `judged`
 * is the tool that think must not see.
 */
function actionsOf(
  { candidates }: Scene,
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
    const firsts = new Map<string, number>();
    for (const source of cue.object.members) {
      const { tool, boxXyxy } = candidates[source]!;
      const isSpare = firsts.has(tool) || seen >= MAX_ACTIONS;
      if (!firsts.has(tool)) firsts.set(tool, source);
      if (isSpare && source !== toolAt) continue;
      add({ boxXyxy, source, fused: false, ofTool: isSpare || tool === judged, cue });
    }
    if (firsts.size < 2) continue;
    const mean = fusedBox(cue.object.boxXyxy, candidates);
    const ofTool = judged !== null && firsts.has(judged);
    const isKnown = (action: Action) =>
      (ofTool || !action.ofTool) && iouXyxy(action.boxXyxy, mean!) > DUPLICATE_IOU;
    if (mean === null || actions.some(isKnown)) continue;
    add({ boxXyxy: mean, source: cue.object.members[0]!, fused: true, ofTool, cue });
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
    const { objects } = cuesOf(exception, scene);
    const fits = objects.map((cue) => ({ cue, fit: fitOf(cue) }));
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
 * The texts that crops are held against: the expression, and the words for the thing itself without its place and its
 * neighbours ("red car" of "the second red car left of the bus"); the expression twice where no noun is named.
 */
function encoderTexts({ text, head, attributes }: Expression): readonly [string, string] {
  if (head === null) return [text, text];
  const own = attributes.filter(({ owner, negated }) => owner === null && !negated);
  return [text, [...own.map(({ word }) => word), head.phrase].join(' ')];
}

/** Natural logs of shares below this say no more. */
const MIN_LOG = -5;

/** The cosines of all boxes, two rows as by {@link encoderTexts}, as matches. */
function matchesOf(
  actions: readonly Action[],
  [words, noun]: readonly Float32Array[],
  { scale }: MatchScale,
): CropMatches {
  const logs = [words!, noun!].map((cosines) => {
    const top = cosines.reduce((most, cosine) => Math.max(most, cosine), -1);
    const total = cosines.reduce((sum, cosine) => sum + Math.exp(scale * (cosine - top)), 0);
    const mean = Math.log(total / cosines.length);
    return cosines.map((cosine) => Math.max(scale * (cosine - top) - mean, MIN_LOG));
  });
  return new Map(
    actions.map((action, at) => [action, { words: logs[0]![at]!, noun: logs[1]![at]! }]),
  );
}

/** The situation with what an image-text encoder says of each box, where the request brings one. @throws VgrError of the photo */
export async function withCrops(situation: Situation): Promise<Situation> {
  const { request, actions, expression } = situation;
  if (request.crops === undefined || actions.length === 0) return situation;
  const boxes = actions.map(({ boxXyxy }) => boxXyxy);
  const cosines = await request.crops.match(boxes, encoderTexts(expression));
  return { ...situation, crops: matchesOf(actions, cosines, request.crops) };
}

/** Where things of a label are mostly seen; labels in neither list tell nothing. */
const OUTDOORS = new Set(
  (
    'bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bird,horse,sheep,' +
    'cow,elephant,bear,zebra,giraffe,frisbee,skis,snowboard,kite,baseball bat,baseball glove,skateboard,surfboard,' +
    'tennis racket,sports ball'
  ).split(','),
);
const INDOORS = new Set(
  (
    'bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,' +
    'couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,' +
    'refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush'
  ).split(','),
);
/** Boxes that are less likely to be real say nothing of the place. */
const LIKELY = 0.3;

/**
 * How unlikely a thing of the kind named is in the place that the other boxes show, -1..1: near 1 for a giraffe among sinks
 * and ovens, near -1 for a cup among them, 0 where either is not known. Each box counts as far as it is likely to be real.
 */
export function contextOf({ candidates, table, meanings, knowledge }: Situation): number {
  const label = meanings.keys().next().value ?? knowledge.label;
  if (label === null || label === undefined) return 0;
  const side = OUTDOORS.has(label) ? 1 : INDOORS.has(label) ? -1 : 0;
  if (side === 0) return 0;
  let outdoors = 0;
  for (const [at, { label: other }] of candidates.entries()) {
    const chance = table.objectness[at]!;
    if (other === undefined || meanings.has(other) || chance < LIKELY) continue;
    if (OUTDOORS.has(other)) outdoors += chance;
    else if (INDOORS.has(other)) outdoors -= chance;
  }
  return -side * Math.tanh(outdoors / 2);
}
