import type { BoxXyxy } from '../geometry/box.js';
import { crowdAt } from './crowd.js';
import { flag } from './feature-flag.js';
import type { LiteProposal } from './lite-proposal.js';
import type { LiteScene } from './lite-scene.js';
import type { ScoredThing } from './transparent-scorer.js';

/** Numbers of {@link standingsIn} a box. */
export const STANDING = 16;

/** Lowest natural log of a share that counts. */
export const LOG_FLOOR = -9;

/** Natural log of a share of belief, -9..0. */
export const logShare = (share: number): number =>
  Math.max(Math.log(Math.max(share, 1e-9)), LOG_FLOOR);

const logit = (score: number): number => {
  const p = Math.min(Math.max(score, 1e-3), 1 - 1e-3);
  return Math.log(p / (1 - p)) / 5;
};

/** How a box, with the thing that it shows, stands among all of its kind. {@link STANDING} numbers within -1..1. */
export type StandingOf = (
  proposal: LiteProposal,
  thing: ScoredThing | undefined,
) => readonly number[];

/** Likely neighbours to each side, larger and smaller ones, rank, share of belief, duplicates. */
export function standingsIn({ blind, candidates, table }: LiteScene): StandingOf {
  const { things } = blind;
  const likeliest = things.reduce((most, { clue }) => Math.max(most, clue.thing.chance), 1e-6);
  const placed = things.map((of): PlacedThing => {
    const { boxXyxy, chance } = of.clue.thing;
    return { of, chance, ...placeOf(boxXyxy) };
  });
  const topShare = logShare(things[0]?.share ?? 1);
  return ({ boxXyxy, source, origin }, thing) => {
    const candidate = candidates[source]!;
    const rank = thing === undefined ? things.length : things.indexOf(thing);
    const share = logShare(thing?.share ?? 0);
    const crowd = origin === 'listed' ? table.crowd(source) : crowdAt(boxXyxy, candidates);
    return [
      ...neighbours(boxXyxy, thing, placed).map((chances) => Math.tanh(chances / 2)),
      1 / (1 + rank),
      flag(rank === 0),
      share / 9,
      (share - topShare) / 9,
      (thing?.clue.thing.chance ?? 0) / likeliest,
      candidate.score === undefined ? 0 : logit(candidate.score),
      Math.tanh(crowd.count / 4),
      Math.tanh(crowd.scores),
      flag(crowd.highest <= (candidate.score ?? 0)),
      flag(candidate.label === 'person'),
    ];
  };
}

/** Sums of the chances of other things: left, right, above, below, larger, smaller. */
function neighbours(
  box: BoxXyxy,
  thing: ScoredThing | undefined,
  things: readonly PlacedThing[],
): readonly number[] {
  let [left, right, above, below, larger, smaller] = [0, 0, 0, 0, 0, 0];
  const own = placeOf(box);
  for (const other of things) {
    if (other.of === thing) continue;
    const { chance } = other;
    if (other.x < own.x) left += chance;
    else if (other.x > own.x) right += chance;
    if (other.y < own.y) above += chance;
    else if (other.y > own.y) below += chance;
    if (other.area > own.area) larger += chance;
    else if (other.area < own.area) smaller += chance;
  }
  return [left, right, above, below, larger, smaller];
}

/** Twice the centre, pixels, and the area, square pixels. */
interface Place {
  readonly x: number;
  readonly y: number;
  readonly area: number;
}

interface PlacedThing extends Place {
  readonly of: ScoredThing;
  readonly chance: number;
}

function placeOf({ x1, y1, x2, y2 }: BoxXyxy): Place {
  return { x: x1 + x2, y: y1 + y2, area: (x2 - x1) * (y2 - y1) };
}
