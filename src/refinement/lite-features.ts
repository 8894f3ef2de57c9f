import type { FeatureMap } from '../detection/detection.js';
import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import { boxGeometry } from './box-geometry.js';
import { BoxMemo } from './box-memo.js';
import { FEATURE_NAMES, type Feature } from './candidate-features.js';
import type { LiteProposal } from './lite-proposal.js';
import type { LiteScene } from './lite-scene.js';
import { pooledFeatures } from './pooled-features.js';
import type { Candidate } from './refiner.js';
import type { ScoredThing } from './transparent-scorer.js';

/** What the numbers mean and in which order they stand. A refiner answers only with the version it was trained on. */
export const FEATURE_VERSION = 2;

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

const STANDING = 16;
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

/** Lowest natural log of a share that counts. */
const LOG_FLOOR = -9;
/** What a box loses in log-odds for not being the best of its object. */
const DUPLICATE_LOSS = 1.5;

const flag = (holds: boolean): number => (holds ? 1 : 0);
const logShare = (share: number): number => Math.max(Math.log(Math.max(share, 1e-9)), LOG_FLOOR);
const logit = (score: number): number => {
  const p = Math.min(Math.max(score, 1e-3), 1 - 1e-3);
  return Math.log(p / (1 - p)) / 5;
};

/** The rows of all proposals, [n, {@link CANDIDATE_FEATURES}]. None tells which one is the tool's answer. */
export function proposalRows(scene: LiteScene, proposals: readonly LiteProposal[]): Float32Array {
  const rows = new Float32Array(proposals.length * CANDIDATE_FEATURES);
  for (const [at, proposal] of proposals.entries()) {
    const end = (at + 1) * CANDIDATE_FEATURES;
    rows.set(listedNumbers(scene, proposal), at * CANDIDATE_FEATURES);
    const values = pooledFeaturesOf(scene, proposal.boxXyxy);
    if (values) rows.set(values, end - POOLED - 1);
    else rows[end - 1] = 1;
  }
  return rows;
}

/** All numbers of a row before the pooled features. */
function listedNumbers(scene: LiteScene, proposal: LiteProposal): number[] {
  const candidate = scene.candidates[proposal.source]!;
  const thing = scene.thingOf(proposal.source, scene.blind);
  return [
    priorOf(scene, proposal, thing),
    ...baseNumbers(scene, proposal),
    ...standing(scene, proposal, thing),
    flag(proposal.origin === 'tools'),
    flag(proposal.origin === 'pair'),
    flag(proposal.origin === 'duplicates'),
    flag(scene.grounders.has(candidate.tool)),
    ...slotOf(candidate.tool, scene.tools),
    ...agreeing(scene, proposal),
  ];
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
  const values: Feature[] = [...scene.features[source]!];
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

/** How a thing stands among all of its kind: likely neighbours to each side, rank, duplicates. {@link STANDING} numbers. */
function standing(
  scene: LiteScene,
  { boxXyxy, source }: LiteProposal,
  thing: ScoredThing | undefined,
): number[] {
  const { blind, candidates } = scene;
  const candidate = candidates[source]!;
  const others = blind.things.filter((other) => other !== thing);
  const [cx, cy] = [boxXyxy.x1 + boxXyxy.x2, boxXyxy.y1 + boxXyxy.y2];
  const count = (holds: (other: BoxXyxy) => boolean) =>
    Math.tanh(
      others.reduce(
        (sum, { clue }) => sum + (holds(clue.thing.boxXyxy) ? clue.thing.chance : 0),
        0,
      ) / 2,
    );
  const area = (box: BoxXyxy) => (box.x2 - box.x1) * (box.y2 - box.y1);
  const rank = thing === undefined ? blind.things.length : blind.things.indexOf(thing);
  const top = blind.things[0];
  const likeliest = blind.things.reduce(
    (most, { clue }) => Math.max(most, clue.thing.chance),
    1e-6,
  );
  const alike = candidates.filter((other) => iouXyxy(other.boxXyxy, boxXyxy) > 0.5);
  const scores = alike.map(({ score }) => score ?? 0);
  return [
    count((other) => other.x1 + other.x2 < cx),
    count((other) => other.x1 + other.x2 > cx),
    count((other) => other.y1 + other.y2 < cy),
    count((other) => other.y1 + other.y2 > cy),
    count((other) => area(other) > area(boxXyxy)),
    count((other) => area(other) < area(boxXyxy)),
    1 / (1 + rank),
    flag(rank === 0),
    logShare(thing?.share ?? 0) / 9,
    (logShare(thing?.share ?? 0) - logShare(top?.share ?? 1)) / 9,
    (thing?.clue.thing.chance ?? 0) / likeliest,
    candidate.score === undefined ? 0 : logit(candidate.score),
    Math.tanh(alike.length / 4),
    Math.tanh(scores.reduce((sum, score) => sum + score, 0)),
    flag(scores.every((score) => score <= (candidate.score ?? 0))),
    flag(candidate.label === 'person'),
  ];
}

function slotOf(tool: string, tools: readonly string[]): number[] {
  const slots = new Array<number>(TOOL_SLOTS + 1).fill(0);
  const known = tools.slice(0, TOOL_SLOTS).indexOf(tool);
  slots[known < 0 ? TOOL_SLOTS : known] = 1;
  return slots;
}

/** Overlap with the first box of each tool but the one that is judged, and which tools answered. {@link AGREEING} numbers. */
function agreeing(scene: LiteScene, { boxXyxy }: LiteProposal): number[] {
  const firsts = scene.candidates.filter(
    ({ rank, tool }) => rank === 0 && tool !== scene.toolName && scene.grounders.has(tool),
  );
  const overlaps = new Array<number>(TOOL_SLOTS).fill(0);
  const present = new Array<number>(TOOL_SLOTS).fill(0);
  let [sum, agree] = [0, 0];
  for (const { tool, boxXyxy: theirs } of firsts) {
    const overlap = iouXyxy(boxXyxy, theirs);
    sum += overlap;
    agree += flag(overlap > 0.5);
    const slot = scene.tools.slice(0, TOOL_SLOTS).indexOf(tool);
    if (slot < 0) continue;
    overlaps[slot] = overlap;
    present[slot] = 1;
  }
  const count = Math.max(firsts.length, 1);
  return [sum / count, agree / count, ...overlaps, ...present];
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
