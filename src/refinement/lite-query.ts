import type { Expression, RelationKind } from '../language/expression.js';
import type { Scene } from './clue.js';
import { flag } from './feature-flag.js';
import type { Scores } from './transparent-scorer.js';

const ENDS = [
  'x.min',
  'x.max',
  'x.middle',
  'y.min',
  'y.max',
  'size.min',
  'size.max',
  'height.max',
  'depth.min',
  'depth.max',
] as const;

const RELATIONS: readonly RelationKind[] = [
  'next-to',
  'left-of',
  'right-of',
  'above',
  'below',
  'on',
  'in',
  'behind',
  'in-front-of',
  'between',
  'holding',
  'wearing',
  'riding',
  'with',
];

/** Numbers a query. */
export const QUERY_FEATURES = 15 + ENDS.length + RELATIONS.length;

/** What the words ask for and how clear the scene is, [{@link QUERY_FEATURES}], each about 0..1. */
export function queryFeatures(expression: Expression, scene: Scene, scores: Scores): Float32Array {
  const { head, attributes, selectors, relations, leftovers, words } = expression;
  const [first, second] = scores.things;
  const asked = new Set(selectors.map(({ axis, end }) => `${axis}.${end}`));
  const kinds = new Set(relations.map(({ kind }) => kind));
  return Float32Array.from([
    flag(scores.naming === 'named'),
    flag(scores.naming === 'unnamed'),
    flag(scores.naming === 'unknown'),
    flag(head?.plural ?? false),
    flag(selectors.some(({ rank }) => rank !== null && rank > 1)),
    flag(selectors.some(({ assumed }) => assumed)),
    flag(attributes.some(({ kind }) => kind === 'colour')),
    flag(attributes.some(({ kind }) => kind === 'size')),
    Math.min(attributes.length / 4, 1),
    Math.min(relations.length / 3, 1),
    Math.min(leftovers.length / 4, 1),
    Math.min(words.length / 20, 1),
    flag(scene.evidence !== undefined),
    first?.share ?? 0,
    second?.share ?? 0,
    ...ENDS.map((end) => flag(asked.has(end))),
    ...RELATIONS.map((kind) => flag(kinds.has(kind))),
  ]);
}
