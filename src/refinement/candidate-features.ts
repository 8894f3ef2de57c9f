import { meaningsOf } from '../language/denotation.js';
import type { Expression } from '../language/expression.js';
import { agreement } from './agreement.js';
import { boxGeometry } from './box-geometry.js';
import { CandidateTable } from './candidate-table.js';
import type { Clue, Scene } from './clue.js';
import type { Candidate } from './refiner.js';
import { type Scores, thingByMember } from './transparent-scorer.js';

/** A number in [-1, 1], nearly always in [0, 1]; null where nothing is known. */
export type Feature = number | null;

/** Numbers of one candidate, in this order. None tells which candidate is the tool's answer. */
export const FEATURE_NAMES = [
  /** The tool's confidence; missing where it gives none. */
  'score',
  /** 1 / (1 + place in its tool's list). */
  'listed',
  /** Chance that the box is a real thing of its label. */
  'existence',
  /** How well the label names the head noun; missing without a noun or a label. */
  'denotation',
  /** Chance that its object is of the kind that the expression names. */
  'kind',
  /** 1 for the best box of its object, 0 for a duplicate. */
  'foremost',
  /** Share of the box inside a larger box of the same label. */
  'part',
  /** Product over the selectors of the chance to hold the place asked for. */
  'place',
  /** Least lean towards the ends that selectors name. */
  'lean',
  /** Mean fit of the colours and shades asked for. */
  'colour',
  /** Mean fit of the size words. */
  'size',
  /** Least fit of the relations that boxes show. */
  'relation',
  /** Share of belief that the transparent scorer gives its object. */
  'belief',
  /** Share of the voting tools that chose its object. */
  'agreement',
  'cx',
  'cy',
  'width',
  'height',
  'extent',
  'aspect',
  'borders',
] as const;

const mean = (values: readonly number[]): Feature =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
const least = (values: readonly number[]): Feature =>
  values.length === 0 ? null : Math.min(...values);
const known = (values: ReadonlyArray<Feature>): number[] =>
  values.filter((value): value is number => value !== null);

/** Place, lean, colour, size, relation of a thing. */
function clueFeatures(expression: Expression, clue: Clue | undefined): Feature[] {
  if (clue === undefined) return [null, null, null, null, null];
  const fits = (size: boolean) =>
    known(clue.attributes.filter((_, at) => (expression.attributes[at]?.kind === 'size') === size));
  const place =
    clue.places.length === 0 ? null : clue.places.reduce((all, chance) => all * chance, 1);
  return [
    place,
    least(known(clue.leans)),
    mean(fits(false)),
    mean(fits(true)),
    least(known(clue.relations)),
  ];
}

/**
 * The features of a candidate by its place in `scene.candidates`, in the order of {@link FEATURE_NAMES}. `scores` are those of
 * `scoreThings` for the same scene; `voters` must not hold the tool whose answer is judged.
 */
export function candidateFeatures(
  expression: Expression,
  scene: Scene,
  scores: Scores,
  voters: ReadonlySet<string>,
): (candidate: number) => Feature[] {
  const { candidates, image } = scene;
  const things = thingByMember(scores);
  const table = CandidateTable.of(candidates, image);
  const denoted = meaningsOf(expression, table.labels);
  const unnamed = expression.head === null && denoted.size === 0;
  const denotation = ({ label }: Candidate): Feature =>
    label === undefined || unnamed ? null : (denoted.get(label)?.weight ?? 0);

  return (at) => {
    const candidate = candidates[at]!;
    const thing = things.get(at);
    const shape = boxGeometry(candidate.boxXyxy, image);
    return [
      candidate.score ?? null,
      1 / (1 + candidate.rank),
      table.existences[at]!,
      denotation(candidate),
      thing?.clue.thing.chance ?? 0,
      thing?.clue.thing.members[0] === at ? 1 : 0,
      table.partShare(at),
      ...clueFeatures(expression, thing?.clue),
      thing?.share ?? 0,
      agreement(candidate.boxXyxy, candidates, voters),
      shape.cx,
      shape.cy,
      shape.width,
      shape.height,
      shape.size,
      shape.aspect,
      shape.borders,
    ];
  };
}
