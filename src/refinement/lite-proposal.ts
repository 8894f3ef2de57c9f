import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import { fusedBox } from './box-fusion.js';
import { BoxMemo } from './box-memo.js';
import type { LiteScene } from './lite-scene.js';
import type { Candidate } from './refiner.js';
import type { Scores } from './transparent-scorer.js';

/** A box that the policy may take. */
export interface LiteProposal {
  /** Absolute pixels. */
  readonly boxXyxy: BoxXyxy;
  /** Index into the request's candidates: the box itself, or the one that it is rebuilt from. */
  readonly source: number;
  /** `listed`: some tool's own. `tools`: mean of tools that agree. `pair`: mean of two. `duplicates`: mean of one tool's. */
  readonly origin: 'listed' | 'tools' | 'pair' | 'duplicates';
  /** Whether the tool's answer took part in it, so that think may not see it. */
  readonly fromTool: boolean;
}

/** Where boxes are proposed from. */
type ProposalScene = Pick<LiteScene, 'candidates' | 'blind' | 'grounders' | 'table'>;

/** Most boxes that the policy weighs. */
export const PROPOSAL_LIMIT = 32;

/** Boxes closer than this (IoU) are one choice. */
const SAME_BOX_IOU = 0.95;
/** Two tools' boxes are averaged where they overlap this much (IoU). */
const PAIR_IOU = 0.5;
/** Boxes of one tool that overlap this much (IoU) may show one object. */
const DUPLICATE_IOU = 0.5;
/** Means of tools that are weighed. */
const MOST_MEANS = 10;
/** Things whose boxes are rebuilt from duplicates, best first. */
const REBUILT_THINGS = 4;

/**
 * The boxes that the policy weighs, at most {@link PROPOSAL_LIMIT}: the tool's answer, the first box of every tool, then
 * in turn the next box by belief (the best box of each thing before its duplicates) and the next by score; at the end boxes
 * rebuilt from those that agree, if they differ from all others. Belief is that without the tool's vote.
 */
export function liteProposals(
  { candidates, blind: scores, grounders, table }: ProposalScene,
  tool: Candidate | null,
): readonly LiteProposal[] {
  const toolAt = tool === null ? -1 : candidates.indexOf(tool);
  const rebuilt = rebuiltBoxes(candidates, tool, scores, grounders);
  const scene = { candidates, scores, byScore: table.byScore };
  const listed = listedFirst(scene, toolAt, PROPOSAL_LIMIT - rebuilt.length);
  const own = listed.map(
    (source): LiteProposal => ({
      boxXyxy: candidates[source]!.boxXyxy,
      source,
      origin: 'listed',
      fromTool: tool !== null && grounders.has(tool.tool) && candidates[source]!.tool === tool.tool,
    }),
  );
  const fresh: LiteProposal[] = [];
  for (const each of rebuilt) {
    const known = [...own, ...fresh].some(
      ({ boxXyxy }) => iouXyxy(boxXyxy, each.boxXyxy) > SAME_BOX_IOU,
    );
    if (!known) fresh.push(each);
  }
  return [...own, ...fresh];
}

interface ListedScene {
  readonly candidates: readonly Candidate[];
  readonly scores: Scores;
  /** See `CandidateTable.byScore`. */
  readonly byScore: Uint32Array;
}

function listedFirst(
  { candidates, scores, byScore }: ListedScene,
  toolAt: number,
  limit: number,
): readonly number[] {
  const believed = [
    ...scores.things.map(({ clue }) => clue.thing.members[0]!),
    ...scores.things.flatMap(({ clue }) => clue.thing.members.slice(1)),
  ];
  const firsts = candidates.flatMap(({ rank }, at) => (rank === 0 ? [at] : []));
  const chosen = new Set<number>([...(toolAt < 0 ? [] : [toolAt]), ...firsts]);
  for (let turn = 0; turn < candidates.length; turn++) {
    const next = believed[turn];
    if (next !== undefined) chosen.add(next);
    chosen.add(byScore[turn]!);
    if (chosen.size >= limit) break;
  }
  return [...chosen].slice(0, limit);
}

function rebuiltBoxes(
  candidates: readonly Candidate[],
  tool: Candidate | null,
  scores: Scores,
  grounders: ReadonlySet<string>,
): readonly LiteProposal[] {
  return grounders.size >= 2
    ? firstOf(meansOfTools(candidates, tool, scores, grounders), MOST_MEANS)
    : meansOfDuplicates(candidates, scores);
}

/** For each thing the mean of all tools that agree on it, then of each pair; no more than are asked for are worked out. */
function* meansOfTools(
  candidates: readonly Candidate[],
  tool: Candidate | null,
  scores: Scores,
  grounders: ReadonlySet<string>,
): Generator<LiteProposal> {
  const hidden = tool === null ? null : tool.tool;
  for (const { clue } of scores.things) {
    const source = clue.thing.members[0]!;
    const boxXyxy = fusedBox(clue.thing.boxXyxy, candidates);
    if (boxXyxy === null) continue;
    const fromTool = candidates.some(
      (each) => each.tool === hidden && iouXyxy(each.boxXyxy, clue.thing.boxXyxy) >= PAIR_IOU,
    );
    yield { boxXyxy, source, origin: 'tools', fromTool };
  }
  const firsts = candidates.flatMap(({ rank, tool: name }, at) =>
    rank === 0 && grounders.has(name) ? [at] : [],
  );
  for (const [place, one] of firsts.entries()) {
    for (const other of firsts.slice(place + 1)) {
      const [a, b] = [candidates[one]!, candidates[other]!];
      if (iouXyxy(a.boxXyxy, b.boxXyxy) < PAIR_IOU) continue;
      yield {
        boxXyxy: meanBox([a, b], () => 1),
        source: b.tool === hidden ? other : one,
        origin: 'pair',
        fromTool: a.tool === hidden || b.tool === hidden,
      };
    }
  }
}

function firstOf<T>(items: Iterable<T>, count: number): readonly T[] {
  const first: T[] = [];
  for (const item of items) {
    first.push(item);
    if (first.length === count) break;
  }
  return first;
}

/** For the likeliest things the mean of the boxes of the same label that overlap the best one, weighted by score. */
function meansOfDuplicates(
  candidates: readonly Candidate[],
  scores: Scores,
): readonly LiteProposal[] {
  return scores.things.slice(0, REBUILT_THINGS).flatMap(({ clue }): LiteProposal[] => {
    const source = clue.thing.members[0]!;
    const best = candidates[source]!;
    const boxXyxy = MEANS.of(candidates, best, () => meanOfDuplicates(best, candidates));
    return boxXyxy ? [{ boxXyxy, source, origin: 'duplicates', fromTool: false }] : [];
  });
}

/** By the list and its best candidate: queries of one photo find the same box again, and what was worked out for it. */
const MEANS = new BoxMemo<readonly Candidate[], BoxXyxy | null, Candidate>();

function meanOfDuplicates(best: Candidate, candidates: readonly Candidate[]): BoxXyxy | null {
  const alike = candidates.filter(
    ({ label, boxXyxy }) => label === best.label && iouXyxy(boxXyxy, best.boxXyxy) >= DUPLICATE_IOU,
  );
  return alike.length < 2 ? null : meanBox(alike, ({ score }) => score ?? 0.5);
}

function meanBox(parts: readonly Candidate[], weightOf: (part: Candidate) => number): BoxXyxy {
  const weights = parts.map((part) => Math.max(weightOf(part), 1e-3));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (side: keyof BoxXyxy) =>
    parts.reduce((sum, { boxXyxy }, at) => sum + boxXyxy[side] * weights[at]!, 0) / total;
  return { x1: mean('x1'), y1: mean('y1'), x2: mean('x2'), y2: mean('y2') };
}
