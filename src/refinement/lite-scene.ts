import { candidateFeatures, type Feature } from './candidate-features.js';
import { CandidateTable } from './candidate-table.js';
import type { RefineRequest } from './refiner.js';
import { type ScoredScene, scoredScene } from './scored-scene.js';
import { type ScoredThing, type Scores, thingByMember } from './transparent-scorer.js';

/** What the lite refiner starts from: a scored request with the numbers of its candidates. */
export interface LiteScene extends ScoredScene {
  readonly toolName: string;
  /** Tools that the refiner was trained with; the place in the list is a tool's slot. */
  readonly tools: readonly string[];
  /** What holds of the candidates whatever the expression is. */
  readonly table: CandidateTable;
  /** See {@link candidateFeatures}. */
  readonly featuresOf: (candidate: number) => Feature[];
  /** The thing that a candidate shows; undefined for a box that cannot be of the kind. */
  thingOf(candidate: number, scores: Scores): ScoredThing | undefined;
}

export function liteScene(request: RefineRequest, tools: readonly string[]): LiteScene {
  const scene = scoredScene(request);
  const { expression, candidates, image, blind, others } = scene;
  return {
    ...scene,
    toolName: request.toolName,
    tools,
    table: CandidateTable.of(candidates, image),
    featuresOf: candidateFeatures(expression, scene, blind, others),
    thingOf: (candidate, scores) => thingByMember(scores).get(candidate),
  };
}
