import type { BoxXyxy, ImageSize } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import { meaningsOf } from '../language/denotation.js';
import type { Expression } from '../language/expression.js';
import { existence } from './existence.js';
import type { Candidate } from './refiner.js';

/** One object of the photo, told from its duplicates, as a possible thing of the kind that an expression names. */
export interface Thing {
  /** Of the candidate that speaks best for it. Absolute pixels. */
  readonly boxXyxy: BoxXyxy;
  /** Indexes into the request's candidates: the best first, then those that show the same object. */
  readonly members: readonly number[];
  /** Chance that the object is there and is of the kind, 0..1. */
  readonly chance: number;
}

/** All things of one kind, and how well the kind was known. */
export interface Kind {
  readonly things: readonly Thing[];
  /**
   * `named`: the detector knows the noun. `unnamed`: the expression names nothing ("far left"). `unknown`: it names
   * something that no candidate's label covers; every object counts then.
   */
  readonly naming: 'named' | 'unnamed' | 'unknown';
}

/** Boxes that overlap more are one object. */
const SAME_OBJECT_IOU = 0.65;
/** Weight of a candidate whose tool tells no label, where the expression has a noun. */
const WITHOUT_LABEL = 0.7;
/** Chance that the box of a tool that has read the expression shows a thing of the kind that the expression names. */
const GROUNDED = { head: 0.5, otherLabel: 0.15, landmark: 0.1 };

/** Where things are looked for. */
export interface Proposals {
  readonly image: ImageSize;
  readonly candidates: readonly Candidate[];
  /** Tools that were asked the whole expression, not for things of a kind. */
  readonly grounders: ReadonlySet<string>;
}

/** Chance of each candidate to be a thing of the kind; parallel to the candidates. */
function chances(
  expression: Expression,
  { candidates, image, grounders }: Proposals,
  isLandmark: boolean,
): { values: number[]; naming: Kind['naming'] } {
  const labels = new Set(candidates.flatMap(({ label }) => (label === undefined ? [] : [label])));
  const denoted = meaningsOf(expression, labels);
  const unnamed = expression.head === null && denoted.size === 0;
  const detected = candidates.filter(
    ({ tool, label }) => !grounders.has(tool) && label !== undefined,
  );
  const named = detected.some(({ label }) => denoted.has(label as string));
  const unknown = !unnamed && detected.length > 0 && !named;
  const values = candidates.map((candidate) => {
    const { label, tool } = candidate;
    const weight = label === undefined ? WITHOUT_LABEL : (denoted.get(label)?.weight ?? 0);
    if (grounders.has(tool)) {
      if (isLandmark && weight < 1) return GROUNDED.landmark;
      return weight > 0 || unnamed || unknown ? GROUNDED.head : GROUNDED.otherLabel;
    }
    return (unnamed || unknown ? 1 : weight) * existence(candidate, image);
  });
  return { values, naming: unnamed ? 'unnamed' : unknown ? 'unknown' : 'named' };
}

/**
 * Things of the kind that the expression names, best first. Candidates join the strongest thing they overlap by more than
 * 0.65 (IoU); candidates that cannot be of the kind are members of things, never things of their own. `isLandmark`: the
 * expression is a part of the one that the tools were asked.
 */
export function thingsOf(expression: Expression, proposals: Proposals, isLandmark = false): Kind {
  const { candidates } = proposals;
  const { values, naming } = chances(expression, proposals, isLandmark);
  const order = candidates
    .map((_, at) => at)
    .sort((a, b) => (values[b] as number) - (values[a] as number) || byPlace(candidates, a, b));
  const things: Array<{ boxXyxy: BoxXyxy; members: number[]; chance: number }> = [];
  for (const at of order) {
    const { boxXyxy } = candidates[at] as Candidate;
    const chance = values[at] as number;
    const same = things.find((thing) => iouXyxy(thing.boxXyxy, boxXyxy) > SAME_OBJECT_IOU);
    if (same !== undefined) same.members.push(at);
    else if (chance > 0) things.push({ boxXyxy, members: [at], chance });
  }
  return { things, naming };
}

/** A total order that no shuffling of candidates changes, for those of equal chance. */
function byPlace(candidates: readonly Candidate[], a: number, b: number): number {
  const key = (at: number) => {
    const { boxXyxy, tool, rank } = candidates[at] as Candidate;
    return [boxXyxy.y1, boxXyxy.y2, boxXyxy.x2 - boxXyxy.x1, boxXyxy.x1, tool, rank] as const;
  };
  const [left, right] = [key(a), key(b)];
  for (let at = 0; at < left.length; at++) {
    if (left[at] === right[at]) continue;
    return (left[at] as number | string) < (right[at] as number | string) ? -1 : 1;
  }
  return 0;
}
