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

/** Where the groups of numbers start in a candidate's row; the first number is its share of belief. */
const BASE_AT = 1;
const FLAGS_AT = BASE_AT + FEATURE_NAMES.length;
const STANDING_AT = FLAGS_AT + NULLABLE.length;
const ORIGIN_AT = STANDING_AT + STANDING;
const SLOT_AT = ORIGIN_AT + 4;
const AGREEING_AT = SLOT_AT + TOOL_SLOTS + 1;
const POOLED_AT = AGREEING_AT + AGREEING;
/** Places that change in a mirrored photo: the centre, and the neighbours to either side. */
export const MIRRORED = {
  cx: BASE_AT + FEATURE_NAMES.indexOf('cx'),
  left: STANDING_AT,
  right: STANDING_AT + 1,
} as const;

/** What a box loses in log-odds for not being the best of its object. */
const DUPLICATE_LOSS = 1.5;

/** Whether a clue is known of any of `count` boxes, from the rows of {@link proposalRows}, whatever stands behind them. */
export function clueIsKnown(
  rows: Float32Array,
  count: number,
  clue: (typeof NULLABLE)[number],
): boolean {
  const flagAt = FLAGS_AT + NULLABLE.indexOf(clue);
  const width = rows.length / count;
  for (let row = 0; row < count; row++) if (rows[row * width + flagAt] === 0) return true;
  return false;
}

/** The rows of all proposals, [n, {@link CANDIDATE_FEATURES}]. None tells which one is the tool's answer. */
export function proposalRows(scene: LiteScene, proposals: readonly LiteProposal[]): Float32Array {
  const rows = new Float32Array(proposals.length * CANDIDATE_FEATURES);
  const standing = standingsIn(scene);
  const agreeing = agreementsIn(scene);
  for (const [at, proposal] of proposals.entries()) {
    const row = rows.subarray(at * CANDIDATE_FEATURES, (at + 1) * CANDIDATE_FEATURES);
    const thing = scene.thingOf(proposal.source, scene.blind);
    row[0] = priorOf(scene, proposal, thing);
    writeBase(row, scene, proposal);
    row.set(standing(proposal, thing), STANDING_AT);
    row.set(originOf(scene, proposal), ORIGIN_AT);
    row[SLOT_AT + slotOf(scene, proposal)] = 1;
    agreeing(row, proposal.boxXyxy);
    const values = pooledFeaturesOf(scene, proposal.boxXyxy);
    if (values) row.set(values, POOLED_AT);
    else row[POOLED_AT + POOLED] = 1;
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
function writeBase(
  row: Float32Array,
  scene: LiteScene,
  { source, boxXyxy, origin }: LiteProposal,
): void {
  const values = scene.featuresOf(source);
  for (let at = 0; at < values.length; at++) row[BASE_AT + at] = values[at] ?? 0;
  for (let at = 0; at < NULLABLE_AT.length; at++) {
    row[FLAGS_AT + at] = flag(values[NULLABLE_AT[at]!] === null);
  }
  if (origin === 'listed') return;
  const { cx, cy, width, height, size, aspect, borders } = boxGeometry(boxXyxy, scene.image);
  row.set([cx, cy, width, height, size, aspect, borders], MIRRORED.cx);
}

function originOf(scene: LiteScene, { source, origin }: LiteProposal): readonly number[] {
  return [
    flag(origin === 'tools'),
    flag(origin === 'pair'),
    flag(origin === 'duplicates'),
    flag(scene.grounders.has(scene.candidates[source]!.tool)),
  ];
}

/** The place of a box's tool among those that the refiner was trained with; the last one is that of all others. */
function slotOf({ candidates, tools }: LiteScene, { source }: LiteProposal): number {
  const known = tools.indexOf(candidates[source]!.tool);
  return known < 0 ? TOOL_SLOTS : Math.min(known, TOOL_SLOTS);
}

/**
 * Writes for each box its overlap with the first box of each tool but the one that is judged, and which tools answered.
 * {@link AGREEING} numbers.
 */
function agreementsIn(scene: LiteScene): (row: Float32Array, boxXyxy: BoxXyxy) => void {
  const slots = scene.tools.slice(0, TOOL_SLOTS);
  const firsts = scene.candidates.filter(
    ({ rank, tool }) => rank === 0 && tool !== scene.toolName && scene.grounders.has(tool),
  );
  const overlapsAt = AGREEING_AT + 2;
  const presentAt = overlapsAt + TOOL_SLOTS;
  return (row, boxXyxy) => {
    if (firsts.length === 0) return;
    let [sum, agree] = [0, 0];
    for (const { tool, boxXyxy: theirs } of firsts) {
      const overlap = iouXyxy(boxXyxy, theirs);
      sum += overlap;
      agree += flag(overlap > 0.5);
      const slot = slots.indexOf(tool);
      if (slot < 0) continue;
      row[overlapsAt + slot] = overlap;
      row[presentAt + slot] = 1;
    }
    row[AGREEING_AT] = sum / firsts.length;
    row[AGREEING_AT + 1] = agree / firsts.length;
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
