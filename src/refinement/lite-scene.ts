import type { ImageSize } from '../geometry/box.js';
import { type Expression, parseExpression } from '../language/expression.js';
import { candidateFeatures, type Feature } from './candidate-features.js';
import { CandidateTable } from './candidate-table.js';
import type { Scene } from './clue.js';
import { grounders } from './grounder.js';
import type { RefineRequest } from './refiner.js';
import {
  type ScoredThing,
  type Scores,
  scoreThings,
  thingByMember,
  withVotes,
} from './transparent-scorer.js';

/** A request as the transparent scorer sees it: what the lite refiner starts from. */
export interface LiteScene extends Scene {
  readonly expression: Expression;
  readonly image: ImageSize;
  readonly toolName: string;
  /** Tools that the refiner was trained with; the place in the list is a tool's slot. */
  readonly tools: readonly string[];
  /** Belief without the vote of the tool that is judged. */
  readonly blind: Scores;
  /** Belief after all tools have voted. */
  readonly heard: Scores;
  /** What holds of the candidates whatever the expression is. */
  readonly table: CandidateTable;
  /** See {@link candidateFeatures}. */
  readonly featuresOf: (candidate: number) => Feature[];
  /** The thing that a candidate shows; undefined for a box that cannot be of the kind. */
  thingOf(candidate: number, scores: Scores): ScoredThing | undefined;
}

export function liteScene(request: RefineRequest, tools: readonly string[]): LiteScene {
  const expression = parseExpression(request.query);
  const { candidates, image, evidence, toolName } = request;
  const asked = grounders(request.query, candidates);
  const scene: Scene = { candidates, image, grounders: asked, ...(evidence && { evidence }) };
  const byWords = scoreThings(expression, scene);
  const others = new Set([...asked].filter((tool) => tool !== toolName));
  const blind = withVotes(byWords, scene, others);
  const heard = withVotes(byWords, scene, asked);
  const places = new Map([blind, heard].map((scores) => [scores, thingByMember(scores)] as const));
  return {
    ...scene,
    expression,
    toolName,
    tools,
    blind,
    heard,
    table: CandidateTable.of(candidates, image),
    featuresOf: candidateFeatures(expression, scene, blind, others),
    thingOf: (candidate, scores) => places.get(scores)?.get(candidate),
  };
}
