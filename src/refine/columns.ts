import { createHash } from 'node:crypto';
import { areaXyxy, iouXyxy } from '../core/box.js';
import { SAME_OBJECT_IOU } from '../core/iou.js';
import type { HeadKnowledge } from '../language/denotation.js';
import type { Attribute, RelationKind } from '../language/expression.js';
import { wordSet } from '../language/vocabulary.js';
import { boxWordsFit } from './box-words.js';
import { partShare, pooledChance } from './candidates.js';
import type { Cue } from './cue.js';
import type { Action, Situation } from './situation.js';

/**
 * What the policy knows of a query, as numbers with names. A name means one thing for good: a column that is computed
 * otherwise gets another name. Fits count as natural logs with a floor, so that one misread word rules nothing out.
 */
interface Column<Value> {
  readonly name: string;
  /** What it tells, for a person who reads `refiner.json`. */
  readonly says: string;
  /** The weight before anything was fitted; it stays where no training query shows the column. */
  readonly prior: number;
  readonly value: Value;
}

/** Of one box. `rethink`: tells of the judged tool's answer, so that think does not see it. */
export interface BoxColumn extends Column<(action: Action, situation: Situation) => number> {
  readonly stage: 'think' | 'rethink';
  /** The tool that it is about, for columns of a tool. */
  readonly tool?: string;
}

/** Of the whole query: whether anything fits, and how far an answer can be relied on. */
export interface QueryColumn extends Column<(situation: Situation) => number> {
  /** Serves the score alone; its weight in the decision whether anything fits stays the prior. */
  readonly scoreOnly?: true;
}

const ln = (fit: number, floor: number): number => Math.log(floor + Math.max(fit, 0));
const flag = (is: boolean): number => (is ? 1 : 0);

/** What a fit of 0 still counts for. */
const FLOOR = {
  kind: 1e-3,
  exists: 1e-2,
  place: 1e-3,
  lean: 0.05,
  attribute: 0.05,
  relation: 0.08,
};

const think = (
  name: string,
  prior: number,
  says: string,
  value: BoxColumn['value'],
): BoxColumn => ({ name, prior, says, value, stage: 'think' });
const rethink = (...column: Parameters<typeof think>): BoxColumn => ({
  ...think(...column),
  stage: 'rethink',
});

/** The logs of the fits that are known and count. */
const logSum = <Part>(
  fits: ReadonlyArray<number | null>,
  parts: readonly Part[],
  floor: number,
  counts: (part: Part) => boolean,
): number =>
  parts.reduce((sum, part, at) => {
    const fit = fits[at] ?? null;
    return fit === null || !counts(part) ? sum : sum + ln(fit, floor);
  }, 0);

const isColour = ({ kind, part }: Attribute): boolean => kind === 'colour' && part === 'whole';

/** Attributes that are judged alike share a column: its name, its prior weight, what it says, and which attributes. */
const ATTRIBUTES: ReadonlyArray<
  readonly [string, number, string, (attribute: Attribute) => boolean]
> = [
  ['colour', 1, 'share of its pixels in the colour asked for', isColour],
  [
    'worn-colour',
    1,
    'the same where the colour is of clothes or hair',
    (each) => each.kind === 'colour' && !isColour(each),
  ],
  ['size', 0.2, 'size among its kind', ({ kind }) => kind === 'size'],
  [
    'look',
    1,
    'posture, age or shade asked for',
    ({ kind }) => kind === 'other' || kind === 'pattern',
  ],
];

const attributeLog = (
  { attributes }: Cue,
  { expression }: Situation,
  counts: (attribute: Attribute) => boolean,
): number => logSum(attributes, expression.attributes, FLOOR.attribute, counts);

const rankLog = ({ cue }: Action): number =>
  cue.rankChances.reduce((sum, chance) => sum + ln(chance, FLOOR.place), 0);

/** Selectors that name a rank, or only lean towards a side. */
const positionLog = ({ cue }: Action, { expression }: Situation, isRanked: boolean): number =>
  logSum(
    cue.positionScores,
    expression.selectors,
    FLOOR.lean,
    ({ rank, negated }) => !negated && (rank !== null) === isRanked,
  );

/** Highest probability that the box shows an object of another label than those named; 0 where none is named. */
function rivalChance({ object }: Cue, situation: Situation): number {
  const { candidates, table, meanings } = situation;
  if (object.chance === 0 || meanings.size === 0) return 0;
  const chanceOf = (at: number): number => {
    const { label } = candidates[at]!;
    return label !== undefined && !meanings.has(label) ? table.objectness[at]! : 0;
  };
  return pooledChance(object.members, chanceOf, situation);
}

/** Whether some cue beside the noun can tell the objects apart. */
const isJudged = ({ attributes, relations }: Cue, { expression }: Situation): boolean =>
  expression.selectors.length > 0 || [...attributes, ...relations].some((fit) => fit !== null);

/** Number of the readers, without the judged one, whose box shows the same object. */
const votes = ({ boxXyxy }: Action, { firsts }: Situation): number =>
  firsts.filter((first) => iouXyxy(boxXyxy, first.boxXyxy) > SAME_OBJECT_IOU).length;

const isTool = ({ source, fused }: Action, { toolAt }: Situation): boolean =>
  source === toolAt && !fused;
const toolOverlap = ({ boxXyxy }: Action, { toolAt, candidates }: Situation): number =>
  toolAt < 0 ? 0 : iouXyxy(boxXyxy, candidates[toolAt]!.boxXyxy);

/** Relations that are judged alike share a column: its name, what it says, and which relations. */
export const RELATIONS: ReadonlyArray<readonly [string, string, readonly RelationKind[]]> = [
  ['beside', 'stands beside the landmark', ['next-to', 'other', 'facing']],
  ['side-of', 'lies to the left or right of the landmark', ['left-of', 'right-of']],
  ['above-below', 'lies above or below the landmark', ['above', 'below']],
  ['on', 'stands on the landmark', ['on']],
  ['inside', 'lies inside the landmark or is part of it', ['in', 'of']],
  ['behind-before', 'stands behind or in front of the landmark', ['behind', 'in-front-of']],
  ['carried', 'holds, wears, rides or has the landmark', ['holding', 'wearing', 'with', 'riding']],
  ['between', 'lies between the landmarks', ['between']],
  ['far-from', 'lies farther from the landmark than others', ['far-from']],
];

const OWN_COLUMNS: readonly BoxColumn[] = [
  think('kind', 1, 'chance that it is a real object of the kind named', ({ cue }) =>
    ln(cue.object.chance, FLOOR.kind),
  ),
  think('exists', 0, 'chance that it is a real object of its own label', ({ source }, { table }) =>
    ln(table.objectness[source]!, FLOOR.exists),
  ),
  think('named', 0, 'its label can mean the noun', ({ cue }) => flag(cue.object.chance > 0)),
  think('rival', 1, 'chance of another label', (action, all) => -rivalChance(action.cue, all)),
  think('place', 1, 'chance to hold the place asked for among its kind', (action, { lists }) =>
    lists ? rankLog(action) : 0,
  ),
  think('place-of-answers', 0.15, 'the same among boxes that are answers', (action, { lists }) =>
    lists ? 0 : rankLog(action),
  ),
  think('lean', 0.5, 'how far it lies towards the side asked for', (action, situation) =>
    positionLog(action, situation, false),
  ),
  think('lean-of-rank', 0.5, 'the same where a rank is asked for', (action, situation) =>
    positionLog(action, situation, true),
  ),
  ...ATTRIBUTES.map(([name, prior, says, counts]) =>
    think(name, prior, says, ({ cue }, situation) => attributeLog(cue, situation, counts)),
  ),
  ...RELATIONS.map(([name, says, kinds]) =>
    think(name, 1.5, says, ({ cue }, { expression }) =>
      logSum(cue.relations, expression.relations, FLOOR.relation, (each) =>
        kinds.includes(each.kind),
      ),
    ),
  ),
  think('excepted', 3, 'chance that the words except it', ({ cue }, { cues, excepted }) => {
    const chance = excepted[cues.indexOf(cue)] ?? 0;
    return chance === 0 ? 0 : ln(1 - chance, 0.02);
  }),
  think('votes', 1.5, 'number of other tools that read the words and answer it', votes),
  think('box-words', 0.7, 'how its place and shape suit the words', ({ boxXyxy }, situation) =>
    boxWordsFit(situation.expression.words, boxXyxy, situation.imageSize),
  ),
  think(
    'area',
    0,
    'share of the photo: people speak of what is large',
    ({ boxXyxy }, { imageSize }) =>
      Math.log(Math.max(areaXyxy(boxXyxy) / Math.max(1, imageSize.width * imageSize.height), 1e-4)),
  ),
  think(
    'central',
    0,
    'nearness to the middle of the photo',
    ({ boxXyxy: b }, { imageSize }) =>
      -Math.hypot((b.x1 + b.x2) / imageSize.width - 1, (b.y1 + b.y2) / imageSize.height - 1),
  ),
  think(
    'part',
    0,
    'share of it inside a larger box of its label',
    ({ source }, { candidates }) => -partShare(candidates[source]!, candidates),
  ),
  think('fused', 0, 'it is the mean of boxes of several tools', ({ fused }) => flag(fused)),
  think(
    'agreement',
    0,
    'mean overlap with the first boxes of readers',
    ({ boxXyxy }, { firsts }) => {
      const sum = firsts.reduce((most, first) => most + iouXyxy(first.boxXyxy, boxXyxy), 0);
      return sum / Math.max(1, firsts.length);
    },
  ),
  think('person', 0.5, 'a person, where nothing is named', ({ source }, { naming, candidates }) =>
    flag(naming === 'unnamed' && candidates[source]!.label === 'person'),
  ),
  ...(['words', 'noun'] as const).map((text) =>
    think(
      `crop-${text}`,
      0.5,
      `match of its pixels with the ${text}`,
      (action, { crops }) => crops?.get(action)?.[text] ?? 0,
    ),
  ),
  rethink('tool', 0, 'it is the answer of a detector', (action, situation) =>
    flag(isTool(action, situation) && !situation.toolRead),
  ),
  rethink('tool-unjudged', 0.5, 'the same, where no cue tells objects apart', (action, all) =>
    flag(isTool(action, all) && !all.toolRead && !isJudged(action.cue, all)),
  ),
  rethink('tool-object', 0.1, 'it shows the same object as that answer', (action, situation) =>
    flag(!situation.toolRead && toolOverlap(action, situation) > SAME_OBJECT_IOU),
  ),
  rethink('reader', 1, 'it is the answer of a tool that read the words', (action, situation) =>
    flag(isTool(action, situation) && situation.toolRead),
  ),
  rethink('reader-object', 1, 'it shows the same object as that answer', (action, situation) =>
    flag(situation.toolRead && toolOverlap(action, situation) > SAME_OBJECT_IOU),
  ),
  rethink('reader-overlap', 0.5, 'its overlap with that answer', (action, situation) =>
    situation.toolRead ? toolOverlap(action, situation) : 0,
  ),
];

/** Columns that tell how well a box meets the words beside the noun, but for its rank among others. */
export const WORD_COLUMNS: readonly string[] = [
  ...['lean', 'lean-of-rank'],
  ...ATTRIBUTES.map(([name]) => name),
  ...RELATIONS.map(([name]) => name),
  'excepted',
];

/** What is learned of a single tool: how far its boxes, and those that overlap them, can be relied on. */
function columnsOf(tool: string): readonly BoxColumn[] {
  const overlap = ({ boxXyxy }: Action, { firsts }: Situation): number => {
    const first = firsts.find((each) => each.tool === tool);
    return first === undefined ? 0 : iouXyxy(boxXyxy, first.boxXyxy);
  };
  const own = (name: string, says: string, value: BoxColumn['value']): BoxColumn => ({
    ...think(`${name}:${tool}`, 0, says, value),
    tool,
  });
  return [
    own('from', 'it is a box of the tool', ({ source, fused }, { candidates }) =>
      flag(!fused && candidates[source]!.tool === tool),
    ),
    own('overlaps', 'its overlap with the first box of the tool', overlap),
    own('agrees', 'it shows the same object as that box', (action, situation) =>
      flag(overlap(action, situation) > SAME_OBJECT_IOU),
    ),
  ];
}

/** The columns of a box, with those of the named tools. */
export const boxColumns = (tools: readonly string[]): readonly BoxColumn[] => [
  ...OWN_COLUMNS,
  ...tools.flatMap(columnsOf),
];

const query = (
  name: string,
  prior: number,
  says: string,
  value: QueryColumn['value'],
): QueryColumn => ({ name, says, prior, value });

const isKnown = ({ knowledge }: Situation, ...kinds: readonly HeadKnowledge['kind'][]): boolean =>
  kinds.includes(knowledge.kind);

/** Whether what the labels name was looked for: some tool lists boxes with labels. */
const isSought = ({ lists, table }: Situation): boolean => lists && table.labels.size > 0;

/** How surely nothing of the kind was found: 0 where it was, 6.9 where no box is of it. */
function unfound({ cues, naming }: Situation): number {
  const found = cues.reduce((most, { object }) => Math.max(most, object.chance), 0);
  return -ln(naming === 'named' ? found : 0, FLOOR.kind);
}

const isLikely = ({ object }: Cue): boolean => object.chance > 0.1;

/** How badly the best of the likely objects fits: 0 where one fits well, or there is none. */
function worstOfBest({ cues }: Situation, fitLog: (cue: Cue) => number): number {
  const likely = cues.filter(isLikely);
  if (likely.length === 0) return 0;
  return -likely.reduce((most, cue) => Math.max(most, fitLog(cue)), -Infinity);
}

/** Where objects of a label are mostly seen; labels in neither list tell nothing. */
const OUTDOORS = wordSet(
  'bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bird,horse,sheep,' +
    'cow,elephant,bear,zebra,giraffe,frisbee,skis,snowboard,kite,baseball bat,baseball glove,skateboard,surfboard,' +
    'tennis racket,sports ball',
  ',',
);
const INDOORS = wordSet(
  'bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,' +
    'couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,' +
    'refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush',
  ',',
);
/** Boxes that are less likely to be real say nothing of the scene. */
const LIKELY = 0.3;

/**
 * How unlikely an object of the kind named is in the scene that the other boxes show, -1..1: near 1 for a giraffe among sinks
 * and ovens, near -1 for a cup among them, 0 where either is not known. Each box counts as far as it is likely to be real.
 */
function contextOf({ candidates, table, meanings, knowledge, listers }: Situation): number {
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
  // Several detectors box each thing several times.
  return -side * Math.tanh(outdoors / (2 * Math.max(1, listers.length)));
}

export const QUERY_COLUMNS: readonly QueryColumn[] = [
  query('always', -5, 'the same for every query', () => 1),
  query('unfound', 1, 'how surely nothing of the kind named was found', (situation) =>
    isSought(situation) && isKnown(situation, 'named', 'narrower') ? unfound(situation) : 0,
  ),
  query(
    'unfound-wider',
    0.6,
    'the same where the noun is a garment, or holds several labels',
    (situation) =>
      isSought(situation) && isKnown(situation, 'wider', 'worn') ? unfound(situation) : 0,
  ),
  query('taken', 0.4, 'chance that its likeliest object is of another label', (situation) =>
    situation.cues[0] && situation.lists ? rivalChance(situation.cues[0], situation) : 0,
  ),
  query('context', 0.3, 'how unlikely it is beside what else was found', contextOf),
  query('worn', 0, 'the noun is a garment or a part of the body', (situation) =>
    flag(isKnown(situation, 'worn')),
  ),
  query('other-kind', 2, 'the noun is English, and no label means it', (situation) =>
    flag(isSought(situation) && isKnown(situation, 'other-kind')),
  ),
  query('no-word', 3, 'the noun is no English word', (situation) =>
    flag(isKnown(situation, 'no-word')),
  ),
  query(
    'foreign',
    8,
    'share of the words that are not English',
    ({ expression }) => expression.unknownWords.length / Math.max(1, expression.words.length),
  ),
  query('unnamed', 0, 'nothing is named', (situation) => flag(isKnown(situation, 'unnamed'))),
  query('reader', -3, 'some tool read the words and answers a box', ({ singleBoxTools }) =>
    flag(singleBoxTools.size > 0),
  ),
  query('unlabelled', -3, 'no box has a label', ({ table }) => flag(table.labels.size === 0)),
  query('off-colour', 0.8, 'how little the best likely object has of the colour', (situation) =>
    worstOfBest(situation, (cue) => attributeLog(cue, situation, isColour)),
  ),
  query('unreached', 3, 'how surely there are too few objects', ({ expression, cues, lists }) =>
    expression.selectors.reduce((sum, { rank }, at) => {
      // Tools that read the words box the answer, not the objects that it is counted among.
      if (rank === null || rank < 2 || !lists) return sum;
      // Behind three cups any box would be the fourth, but is no cup.
      const chances = cues.filter(isLikely).map(({ rankChances }) => rankChances[at]!);
      return chances.length === 0 ? sum : sum - ln(Math.max(...chances), 0.01);
    }, 0),
  ),
  {
    ...query('unjudged', 0, 'words that no cue could use, at most 4', (situation) =>
      Math.min(situation.unjudged.length, 4),
    ),
    scoreOnly: true,
  },
];

/** Of all names, so that numbers of other columns are refused: sha256, 16 digits. */
export const COLUMNS_VERSION = createHash('sha256')
  .update([...boxColumns(['*']), ...QUERY_COLUMNS].map(({ name }) => name).join('\n'))
  .digest('hex')
  .slice(0, 16);
