import type { BoxXyxy } from '../geometry/box.js';
import { CORRECT_IOU, iouXyxy } from '../geometry/overlap.js';
import type { Belief, Policy, PolicyRows } from './policy.js';
import { memberChance, wordOdds } from './score.js';

/** IoU of boxes by pair, [n, n]. */
export function overlapTable(boxes: readonly BoxXyxy[]): Float32Array {
  const count = boxes.length;
  const table = new Float32Array(count * count);
  for (let one = 0; one < count; one++) {
    table[one * count + one] = 1;
    for (let other = 0; other < one; other++) {
      const overlap = iouXyxy(boxes[one]!, boxes[other]!);
      table[one * count + other] = overlap;
      table[other * count + one] = overlap;
    }
  }
  return table;
}

/** The box that is answered. */
export interface Choice {
  /** Index of the box. */
  readonly at: number;
  /** Belief in all boxes that show the same object, 0..1. */
  readonly mass: number;
}

/**
 * Whether anything fits, then which object, by the belief in all boxes that show it, then its box, by the overlap to be
 * expected with the right one. Null where the belief that nothing fits is above the threshold.
 * @param overlaps see {@link overlapTable}
 * @see Kumar, Byrne 2004, "Minimum Bayes-Risk Decoding for Statistical Machine Translation"
 */
export function chooseBox(
  { boxes, none }: Belief,
  overlaps: Float32Array,
  threshold: number,
): Choice | null {
  const count = boxes.length;
  if (count === 0 || none > threshold) return null;
  let [object, mass] = [0, -1];
  for (let box = 0; box < count; box++) {
    let sum = 0;
    for (let other = 0; other < count; other++) {
      if (overlaps[box * count + other]! > CORRECT_IOU) sum += boxes[other]!;
    }
    if (sum > mass) [object, mass] = [box, sum];
  }
  let [at, most] = [object, -1];
  for (let box = 0; box < count; box++) {
    if (overlaps[object * count + box]! <= CORRECT_IOU) continue;
    let worth = 0;
    for (let other = 0; other < count; other++) {
      const overlap = overlaps[box * count + other]!;
      worth += boxes[other]! * (overlap > CORRECT_IOU ? 1 + overlap : overlap);
    }
    if (worth > most) [at, most] = [box, worth];
  }
  return { at, mass };
}

/** A box that is asked for by number belongs to the set with at least this chance. */
const MIN_COUNTED = 0.05;

/** A box of a set with the chance that it belongs to it, 0..1. */
export interface Member {
  readonly at: number;
  readonly chance: number;
}

/**
 * All boxes that likely belong to what several are asked for, the likeliest first, one of each object. With a number, that
 * many, if there are so many objects at all.
 * @param weights of `members` in the numbers of the policy
 */
export function chooseSet(
  policy: Policy,
  rows: PolicyRows,
  overlaps: Float32Array,
  weights: Readonly<Record<string, number>>,
  count: number | null,
): readonly Member[] {
  const words = wordOdds(policy, rows);
  const all = Array.from(words, (_, at) => ({
    at,
    chance: memberChance(policy, rows, words, at, weights),
  })).sort((a, b) => b.chance - a.chance || a.at - b.at);
  const chosen: Member[] = [];
  for (const member of all) {
    if (member.chance <= (count === null ? 0.5 : MIN_COUNTED) || chosen.length === count) break;
    const taken = chosen.some(({ at }) => overlaps[at * words.length + member.at]! > CORRECT_IOU);
    if (!taken) chosen.push(member);
  }
  return chosen;
}
