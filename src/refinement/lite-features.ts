import type { FeatureMap } from '../detection/detection.js';
import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import { boxGeometry } from './box-geometry.js';
import { BoxMemo } from './box-memo.js';
import { FEATURE_NAMES } from './candidate-features.js';
import { flag } from './feature-flag.js';
import type { LiteProposal } from './lite-proposal.js';
import type { LiteScene } from './lite-scene.js';
import { pooledFeatures } from './pooled-features.js';
import type { Candidate } from './refiner.js';
import { LOG_FLOOR, logShare, STANDING, standingsIn } from './standing.js';
import type { ScoredThing } from './transparent-scorer.js';

/**
 * What the numbers mean and in which order they stand. A refiner answers only with the version it was trained on. What raises
 * it: a number more, less or elsewhere, here, in `lite-query.ts`, `lite-words.ts` or `lite-proposal.ts`; and whatever gives
 * many queries other numbers, such as a sort of clue, a kind of relation or a name that the language room learns. The
 * embedded refiner is trained anew then. Computed numbers on disk need no version: `io/code-trace.ts` tells them apart.
 */
export const FEATURE_VERSION = 3;

/** Tools that have a place of their own; all others share one. */
export const TOOL_SLOTS = 8;
/** Channels of the detector's feature map that are pooled; a map of another width counts as missing. */
const POOLED = 64;

/** Numbers of {@link candidateFeatures} that may be missing; each has a flag. */
const NULLABLE = [
  'score',
  'denotation',
  'place',
  'lean',
  'colour',
  'size',
  'relation',
  'agreement',
] as const;
const NULLABLE_AT = NULLABLE.map((name) => FEATURE_NAMES.indexOf(name));

const AGREEING = 2 + 2 * TOOL_SLOTS;

/**
 * Numbers a candidate: the natural log of its share of belief; those of {@link FEATURE_NAMES}, 0 where missing; a flag for
 * each that may be missing; how it stands among the things of its kind; where the box comes from; its tool; agreement with
 * other tools; pooled detector features and a flag.
 */
export const CANDIDATE_FEATURES =
  1 +
  FEATURE_NAMES.length +
  NULLABLE.length +
  STANDING +
  3 +
  1 +
  TOOL_SLOTS +
  1 +
  AGREEING +
  POOLED +
  1;

/** Numbers a candidate that rethink alone sees. */
export const TOOL_FEATURES = 7;

/** Place of the features of {@link FEATURE_NAMES} in a candidate's row. */
const BASE_AT = 1;
/** Places that change in a mirrored photo: the centre, and the neighbours to either side. */
export const MIRRORED = {
  cx: BASE_AT + FEATURE_NAMES.indexOf('cx'),
  left: BASE_AT + FEATURE_NAMES.length + NULLABLE.length,
  right: BASE_AT + FEATURE_NAMES.length + NULLABLE.length + 1,
} as const;

/** What a box loses in log-odds for not being the best of its object. */
const DUPLICATE_LOSS = 1.5;

/** Whether a clue is known of any of `count` boxes, from the rows of {@link proposalRows}, whatever stands behind them. */
export function clueIsKnown(
  rows: Float32Array,
  count: number,
  clue: (typeof NULLABLE)[number],
): boolean {
  const flagAt = BASE_AT + FEATURE_NAMES.length + NULLABLE.indexOf(clue);
  const width = rows.length / count;
  return Array.from({ length: count }, (_, row) => rows[row * width + flagAt]).includes(0);
}

/** The rows of all proposals, [n, {@link CANDIDATE_FEATURES}]. None tells which one is the tool's answer. */
export function proposalRows(scene: LiteScene, proposals: readonly LiteProposal[]): Float32Array {
  const rows = new Float32Array(proposals.length * CANDIDATE_FEATURES);
  const standing = standingsIn(scene);
  const agreeing = agreementsIn(scene);
  for (const [at, proposal] of proposals.entries()) {
    const row = rows.subarray(at * CANDIDATE_FEATURES, (at + 1) * CANDIDATE_FEATURES);
    const thing = scene.thingOf(proposal.source, scene.blind);
    const groups = [
      [priorOf(scene, proposal, thing)],
      baseNumbers(scene, proposal),
      standing(proposal, thing),
      originOf(scene, proposal),
      slotOf(scene, proposal),
      agreeing(proposal.boxXyxy),
    ];
    let place = 0;
    for (const numbers of groups) {
      row.set(numbers, place);
      place += numbers.length;
    }
    const values = pooledFeaturesOf(scene, proposal.boxXyxy);
    if (values) row.set(values, place);
    else row[place + POOLED] = 1;
  }
  return rows;
}

/** Log-odds that speak for a box before anything is learned: the share of its thing, less for a duplicate. */
function priorOf(
  { candidates }: LiteScene,
  { source, origin }: LiteProposal,
  thing: ScoredThing | undefined,
): number {
  if (thing === undefined || candidates.length === 0) return LOG_FLOOR - DUPLICATE_LOSS;
  const foremost = thing.clue.thing.members[0] === source && origin === 'listed';
  return logShare(thing.share) - (foremost ? 0 : DUPLICATE_LOSS);
}

/** The features that the transparent scorer knows, then their flags. A rebuilt box has its source's, but for geometry. */
function baseNumbers(scene: LiteScene, { source, boxXyxy, origin }: LiteProposal): number[] {
  const values = scene.featuresOf(source);
  if (origin !== 'listed') {
    const shape = boxGeometry(boxXyxy, scene.image);
    const geometry = [
      shape.cx,
      shape.cy,
      shape.width,
      shape.height,
      shape.size,
      shape.aspect,
      shape.borders,
    ];
    values.splice(FEATURE_NAMES.indexOf('cx'), geometry.length, ...geometry);
  }
  return [
    ...values.map((value) => value ?? 0),
    ...NULLABLE_AT.map((at) => flag(values[at] === null)),
  ];
}

function originOf(scene: LiteScene, { source, origin }: LiteProposal): readonly number[] {
  return [
    flag(origin === 'tools'),
    flag(origin === 'pair'),
    flag(origin === 'duplicates'),
    flag(scene.grounders.has(scene.candidates[source]!.tool)),
  ];
}

function slotOf({ candidates, tools }: LiteScene, { source }: LiteProposal): readonly number[] {
  const slots = new Array<number>(TOOL_SLOTS + 1).fill(0);
  const known = tools.slice(0, TOOL_SLOTS).indexOf(candidates[source]!.tool);
  slots[known < 0 ? TOOL_SLOTS : known] = 1;
  return slots;
}

/**
 * For each box its overlap with the first box of each tool but the one that is judged, and which tools answered.
 * {@link AGREEING} numbers.
 */
function agreementsIn(scene: LiteScene): (boxXyxy: BoxXyxy) => readonly number[] {
  const slots = scene.tools.slice(0, TOOL_SLOTS);
  const firsts = scene.candidates.filter(
    ({ rank, tool }) => rank === 0 && tool !== scene.toolName && scene.grounders.has(tool),
  );
  const alone = new Array<number>(AGREEING).fill(0);
  if (firsts.length === 0) return () => alone;
  return (boxXyxy) => {
    const overlaps = new Array<number>(TOOL_SLOTS).fill(0);
    const present = new Array<number>(TOOL_SLOTS).fill(0);
    let [sum, agree] = [0, 0];
    for (const { tool, boxXyxy: theirs } of firsts) {
      const overlap = iouXyxy(boxXyxy, theirs);
      sum += overlap;
      agree += flag(overlap > 0.5);
      const slot = slots.indexOf(tool);
      if (slot < 0) continue;
      overlaps[slot] = overlap;
      present[slot] = 1;
    }
    return [sum / firsts.length, agree / firsts.length, ...overlaps, ...present];
  };
}

const POOLED_BOXES = new BoxMemo<FeatureMap, Float32Array>();

/** Null where there is no map of the width that the refiner was trained with. */
function pooledFeaturesOf({ evidence, image }: LiteScene, box: BoxXyxy): Float32Array | null {
  const map = evidence?.featureMap;
  if (evidence === undefined || map?.channels !== POOLED) return null;
  return POOLED_BOXES.of(map, box, () => pooledFeatures(evidence, image, box)!);
}

/**
 * What rethink is told of the tool, [n, {@link TOOL_FEATURES}]: whether the box is the tool's answer; the log of the share of
 * belief after the tool has voted; overlap with the tool's answer; whether both show one thing; by how much the tool's
 * thing is the likelier one; whether the tool was asked the expression; whether there is an answer at all.
 */
export function toolRows(
  scene: LiteScene,
  proposals: readonly LiteProposal[],
  tool: Candidate | null,
): Float32Array {
  const toolAt = tool === null ? -1 : scene.candidates.indexOf(tool);
  const toolThing = toolAt < 0 ? undefined : scene.thingOf(toolAt, scene.heard);
  const toolShare = logShare(toolThing?.share ?? 0);
  const rows = new Float32Array(proposals.length * TOOL_FEATURES);
  for (const [at, proposal] of proposals.entries()) {
    const thing = scene.thingOf(proposal.source, scene.heard);
    const own = [
      flag(proposal.source === toolAt && proposal.origin === 'listed'),
      priorOf(scene, proposal, thing),
      tool === null ? 0 : iouXyxy(tool.boxXyxy, proposal.boxXyxy),
      flag(thing !== undefined && thing === toolThing),
      (toolShare - logShare(thing?.share ?? 0)) / 9,
      flag(scene.grounders.has(scene.toolName)),
      flag(tool !== null),
    ];
    rows.set(own, at * TOOL_FEATURES);
  }
  return rows;
}
