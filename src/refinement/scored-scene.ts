import { type Expression, parseExpression } from '../language/expression.js';
import type { Scene } from './clue.js';
import { grounders } from './grounder.js';
import type { RefineRequest } from './refiner.js';
import { type Scores, scoreThings, withVotes } from './transparent-scorer.js';

/** A request as the transparent scorer sees it. */
export interface ScoredScene extends Scene {
  readonly expression: Expression;
  /** Tools that have read the expression, but for the one that is judged. */
  readonly others: ReadonlySet<string>;
  /** Belief without the vote of the tool that is judged. */
  readonly blind: Scores;
  /** Belief after all tools have voted. */
  readonly heard: Scores;
}

export function scoredScene(request: RefineRequest): ScoredScene {
  const expression = parseExpression(request.query);
  const { candidates, image, evidence, toolName } = request;
  const asked = grounders(request.query, candidates);
  const scene: Scene = { candidates, image, grounders: asked, ...(evidence && { evidence }) };
  const byWords = scoreThings(expression, scene);
  const others = new Set([...asked].filter((tool) => tool !== toolName));
  const blind = withVotes(byWords, scene, others);
  const heard = withVotes(byWords, scene, asked);
  return { ...scene, expression, others, blind, heard };
}
