import type { ImageSize } from '../geometry/box.js';
import { parseExpression } from '../language/expression.js';
import { mirrorExpression } from '../language/mirror.js';
import { besideRows, ENCODER_FEATURES, encoderRows, encoderTexts } from './encoder-features.js';
import { flag } from './feature-flag.js';
import {
  CANDIDATE_FEATURES,
  MIRRORED,
  proposalRows,
  TOOL_FEATURES,
  toolRows,
} from './lite-features.js';
import { type LiteProposal, liteProposals } from './lite-proposal.js';
import { QUERY_FEATURES, queryFeatures } from './lite-query.js';
import { type LiteScene, liteScene } from './lite-scene.js';
import { liteWords, type Vocabulary, WORD_FEATURE_NAMES } from './lite-words.js';
import type { PolicyExample } from './policy-batch.js';
import { EXTRA_ACTIONS, type PolicySettings } from './policy-inputs.js';
import type { RefineRequest } from './refiner.js';

/** Sizes of the network that are free to choose; the others follow from the features. */
export interface LiteSizes {
  readonly wordWidth: number;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
  readonly thinkLayers: number;
  readonly rethinkLayers: number;
}

/** @param crops whether candidates come with the numbers of an image-text encoder */
export function litePolicySettings(
  sizes: LiteSizes,
  vocabulary: Vocabulary,
  crops = false,
): PolicySettings {
  return {
    candidateFeatures: CANDIDATE_FEATURES + (crops ? ENCODER_FEATURES : 0),
    toolFeatures: TOOL_FEATURES,
    queryFeatures: QUERY_FEATURES,
    wordFeatures: WORD_FEATURE_NAMES.length,
    vocabulary: vocabulary.size,
    priors: true,
    ...sizes,
  };
}

/** An example without the rows of its words, which depend on the vocabulary. */
export type WordlessExample = Omit<PolicyExample, 'words' | 'wordFeatures'>;

/** One request as the policy takes it, with what its actions mean. */
export interface LiteDraft {
  readonly example: WordlessExample;
  readonly proposals: readonly LiteProposal[];
  readonly scene: LiteScene;
}

/** The numbers of a request. `tools`: those that the refiner was trained with, by slot. */
export function liteDraft(request: RefineRequest, tools: readonly string[]): LiteDraft {
  const scene = liteScene(request, tools);
  const { tool, image } = request;
  const proposals = liteProposals(scene, tool);
  return {
    scene,
    proposals,
    example: {
      candidates: proposalRows(scene, proposals),
      boxes: unitBoxes(proposals, image),
      thinkMask: new Uint8Array(proposals.map(({ fromTool }) => flag(!fromTool))),
      tool: toolRows(scene, proposals, tool),
      actionMask: actionMask(proposals.length, tool !== null),
      query: queryFeatures(scene.expression, scene, scene.blind),
    },
  };
}

/**
 * The same with what an image-text encoder says of each box; without a photo to look at the numbers are marked as missing.
 * @throws VgrError of the photo
 */
export async function withCrops(draft: LiteDraft, { crops }: RefineRequest): Promise<LiteDraft> {
  const { example, proposals, scene } = draft;
  const boxes = proposals.map(({ boxXyxy }) => boxXyxy);
  const cosines =
    boxes.length === 0 ? [] : await crops?.match(boxes, encoderTexts(scene.expression));
  const rows = encoderRows(cosines, crops, example.thinkMask);
  const candidates = besideRows(example.candidates, rows, proposals.length);
  return { ...draft, example: { ...example, candidates } };
}

/** The same with the rows of its words. */
export function withWordRows(
  example: WordlessExample,
  query: string,
  vocabulary: Vocabulary,
): PolicyExample {
  return { ...example, ...liteWords(parseExpression(query), vocabulary) };
}

/** Takes and keeps are open where there is something to take or keep; none is open always. */
function actionMask(count: number, hasTool: boolean): Uint8Array {
  const mask = new Uint8Array(count + EXTRA_ACTIONS).fill(1);
  if (!hasTool) mask[count] = 0;
  return mask;
}

/** [n, 4]: centre x, centre y, width, height as shares of the photo. */
function unitBoxes(proposals: readonly LiteProposal[], { width, height }: ImageSize): Float32Array {
  const boxes = new Float32Array(proposals.length * 4);
  for (const [at, { boxXyxy: box }] of proposals.entries()) {
    boxes[at * 4] = (box.x1 + box.x2) / 2 / width;
    boxes[at * 4 + 1] = (box.y1 + box.y2) / 2 / height;
    boxes[at * 4 + 2] = (box.x2 - box.x1) / width;
    boxes[at * 4 + 3] = (box.y2 - box.y1) / height;
  }
  return boxes;
}

/**
 * The example of the mirrored photo, for the words of {@link mirrorExpression}: centres and neighbours change sides, all
 * else is as it was, what an encoder says of the crops too. `query` features tell sides and must be those of the mirrored words.
 */
export function mirroredExample(example: WordlessExample, query: Float32Array): WordlessExample {
  const candidates = example.candidates.slice();
  const width = candidates.length / Math.max(example.thinkMask.length, 1);
  for (let row = 0; row < candidates.length; row += width) {
    const { cx, left, right } = MIRRORED;
    candidates[row + cx] = 1 - candidates[row + cx]!;
    const before = candidates[row + left]!;
    candidates[row + left] = candidates[row + right]!;
    candidates[row + right] = before;
  }
  const boxes = example.boxes.map((value, at) => (at % 4 === 0 ? 1 - value : value));
  return { ...example, candidates, boxes, query };
}

/** Features of the mirrored words in the same scene. */
export function mirroredQuery({ scene }: LiteDraft): { text: string; features: Float32Array } {
  const text = mirrorExpression(scene.expression.text);
  return { text, features: queryFeatures(parseExpression(text), scene, scene.blind) };
}
