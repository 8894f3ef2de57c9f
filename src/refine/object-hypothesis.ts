import type { BoxXyxy, ImageSize } from '../core/box.js';
import { labelsDenied, meaningsOf } from '../language/denotation.js';
import type { Expression } from '../language/expression.js';
import { pointersOf } from '../language/lexicon.js';
import { CandidateTable } from './candidates.js';
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
const SAME_OBJECT_IOU = 0.6;
/** Objects of another kind are taken up to this number. */
const MAX_OBJECTS = 32;
/** Weight of a candidate whose tool tells no label, where the expression has a noun and others tell theirs. */
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
  const { existences, labels } = CandidateTable.of(candidates, image);
  const denoted = meaningsOf(expression, labels);
  const denied = labelsDenied(expression, labels);
  const unnamed = expression.head === null && denoted.size === 0;
  const detected = candidates.filter(
    ({ tool, label }) => !grounders.has(tool) && label !== undefined,
  );
  const named = detected.some(({ label }) => denoted.has(label as string));
  const unknown = !unnamed && detected.length > 0 && !named;
  // Where no box has a label or a score, the boxes are the things: doubt about each would only blur who is the second.
  const plain = labels.size === 0 && candidates.every(({ score }) => score === undefined);
  const unlabelled = plain ? 1 : WITHOUT_LABEL;
  const existenceOf = (at: number) => (plain ? 1 : existences[at]!);
  const values = candidates.map(({ label, tool }, at) => {
    const weight = label === undefined ? unlabelled : (denoted.get(label)?.weight ?? 0);
    if (label !== undefined && denied.has(label)) return 0;
    if (grounders.has(tool)) {
      if (isLandmark && weight < 1) return GROUNDED.landmark;
      return weight > 0 || unnamed || unknown ? GROUNDED.head : GROUNDED.otherLabel;
    }
    return (unnamed || unknown ? 1 : weight) * existenceOf(at);
  });
  return { values, naming: unnamed ? 'unnamed' : unknown ? 'unknown' : 'named' };
}

/**
 * Things of the kind that the expression names, best first. Candidates join the strongest thing they overlap by more than
 * {@link SAME_OBJECT_IOU}; candidates that cannot be of the kind are members of things, never things of their own. `isLandmark`: the
 * expression is a part of the one that the tools were asked.
 */
export function thingsOf(expression: Expression, proposals: Proposals, isLandmark = false): Kind {
  const { candidates, image } = proposals;
  const table = CandidateTable.of(candidates, image);
  const { values, naming } = chances(expression, proposals, isLandmark);
  const { existences } = table;
  const order = candidates
    .map((_, at) => at)
    .sort(
      (a, b) =>
        values[b]! - values[a]! ||
        existences[b]! - existences[a]! ||
        table.places[a]! - table.places[b]!,
    );
  const things: Array<{ boxXyxy: BoxXyxy; members: number[]; chance: number }> = [];
  for (const at of order) {
    const chance = values[at]!;
    const same = things.find(({ members }) => table.overlap(at, members[0]!) > SAME_OBJECT_IOU);
    if (same !== undefined) same.members.push(at);
    else if (chance > 0 || (!isLandmark && things.length < MAX_OBJECTS)) {
      things.push({ boxXyxy: candidates[at]!.boxXyxy, members: [at], chance });
    }
  }
  return { things, naming };
}

/**
 * False for a landmark of another kind than the thing itself where no box has a label: such boxes are things of one kind, and
 * the umbrella of "man left of the umbrella" is none of the men.
 */
export function mayBeShown(
  landmark: Pick<Expression, 'head'>,
  main: Pick<Expression, 'head'>,
  candidates: readonly Candidate[],
): boolean {
  if (landmark.head === null || candidates.some(({ label }) => label !== undefined)) return true;
  const own = main.head?.lemma ?? '';
  if (landmark.head.lemma === own) return true;
  const labels = new Set(pointersOf(own).map(({ label }) => label));
  return pointersOf(landmark.head.lemma).some(({ label }) => labels.has(label));
}
