import type { BoxXyxy, ImageSize } from '../core/box.js';
import { MERGED_OBJECT_IOU } from '../core/iou.js';
import { labelsDenied, meaningsOf } from '../language/denotation.js';
import type { Expression } from '../language/expression.js';
import { pointersOf } from '../language/lexicon.js';
import { CandidateTable } from './candidates.js';
import type { Candidate } from './refiner.js';

/** One object of the photo, told from its duplicates, as a possible thing of the kind that an expression names. */
export interface ObjectHypothesis {
  /** Of the candidate that speaks best for it. Absolute pixels. */
  readonly boxXyxy: BoxXyxy;
  /** Indexes into the request's candidates: the best first, then those that show the same object. */
  readonly members: readonly number[];
  /** Chance that the object is there and is of the kind, 0..1. */
  readonly chance: number;
}

/** All things of one kind, and how well the kind was known. */
export interface Kind {
  readonly objects: readonly ObjectHypothesis[];
  /**
   * `named`: the detector knows the noun. `unnamed`: the expression names nothing ("far left"). `unknown`: it names
   * something that no candidate's label covers; every object counts then.
   */
  readonly naming: 'named' | 'unnamed' | 'unknown';
}

/** Objects of another kind are taken up to this number. */
const MAX_OBJECTS = 32;
/** Weight of a candidate whose tool tells no label, where the expression has a noun and others tell theirs. */
const WITHOUT_LABEL = 0.7;
/** Chance that the box of a tool that has read the expression shows a thing of the kind that the expression names. */
const GROUNDED = { head: 0.5, otherLabel: 0.15, landmark: 0.1 };

/** Where things are looked for. */
export interface Proposals {
  readonly imageSize: ImageSize;
  readonly candidates: readonly Candidate[];
  /** Tools that were asked the whole expression, not for things of a kind. */
  readonly singleBoxTools: ReadonlySet<string>;
}

/** Chance of each candidate to be a thing of the kind; parallel to the candidates. */
function chances(
  expression: Expression,
  { candidates, imageSize, singleBoxTools }: Proposals,
  isLandmark: boolean,
): { values: number[]; naming: Kind['naming'] } {
  const { objectness, labels } = CandidateTable.of(candidates, imageSize);
  const denoted = meaningsOf(expression, labels);
  const denied = labelsDenied(expression, labels);
  const unnamed = expression.head === null && denoted.size === 0;
  const detected = candidates.filter(
    ({ tool, label }) => !singleBoxTools.has(tool) && label !== undefined,
  );
  const named = detected.some(({ label }) => denoted.has(label as string));
  const unknown = !unnamed && detected.length > 0 && !named;
  // Where no box has a label or a score, the boxes are the things: doubt about each would only blur who is the second.
  const plain = labels.size === 0 && candidates.every(({ score }) => score === undefined);
  const unlabelled = plain ? 1 : WITHOUT_LABEL;
  const existenceOf = (at: number) => (plain ? 1 : objectness[at]!);
  const values = candidates.map(({ label, tool }, at) => {
    const weight = label === undefined ? unlabelled : (denoted.get(label)?.weight ?? 0);
    if (label !== undefined && denied.has(label)) return 0;
    if (singleBoxTools.has(tool)) {
      if (isLandmark && weight < 1) return GROUNDED.landmark;
      return weight > 0 || unnamed || unknown ? GROUNDED.head : GROUNDED.otherLabel;
    }
    return (unnamed || unknown ? 1 : weight) * existenceOf(at);
  });
  return { values, naming: unnamed ? 'unnamed' : unknown ? 'unknown' : 'named' };
}

/**
 * Things of the kind that the expression names, best first. Candidates join the strongest thing they overlap by more than
 * {@link MERGED_OBJECT_IOU}; candidates that cannot be of the kind are members of things, never things of their own. `isLandmark`: the
 * expression is a part of the one that the tools were asked.
 */
export function objectsOf(expression: Expression, proposals: Proposals, isLandmark = false): Kind {
  const { candidates, imageSize } = proposals;
  const table = CandidateTable.of(candidates, imageSize);
  const { values, naming } = chances(expression, proposals, isLandmark);
  const { objectness } = table;
  const order = candidates
    .map((_, at) => at)
    .sort(
      (a, b) =>
        values[b]! - values[a]! ||
        objectness[b]! - objectness[a]! ||
        table.sortIndexes[a]! - table.sortIndexes[b]!,
    );
  const objects: Array<{ boxXyxy: BoxXyxy; members: number[]; chance: number }> = [];
  for (const at of order) {
    const chance = values[at]!;
    const same = objects.find(({ members }) => table.overlap(at, members[0]!) > MERGED_OBJECT_IOU);
    if (same !== undefined) same.members.push(at);
    else if (chance > 0 || (!isLandmark && objects.length < MAX_OBJECTS)) {
      objects.push({ boxXyxy: candidates[at]!.boxXyxy, members: [at], chance });
    }
  }
  return { objects, naming };
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
