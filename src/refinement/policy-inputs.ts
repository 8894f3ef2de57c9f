import { type Expression, input } from '../tensor/expression.js';
import type { Dimension } from '../tensor/shape.js';

/** Sizes of the network. */
export interface PolicySettings {
  /** Numbers a candidate, missing-value flags among them. None may tell which candidate is the tool's answer. */
  readonly candidateFeatures: number;
  /** Numbers a candidate that rethink alone sees; the first is 1 at the tool's answer and 0 elsewhere. */
  readonly toolFeatures: number;
  /** Numbers a query. */
  readonly queryFeatures: number;
  /** Numbers a word beside its embedding, such as its role in the expression. */
  readonly wordFeatures: number;
  /** Rows of the embedding: known words and hashed buckets. */
  readonly vocabulary: number;
  readonly wordWidth: number;
  /** Size of a candidate's state; a multiple of `heads`. */
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
  /** Rounds of attention between candidates before think answers, and again before rethink does. */
  readonly thinkLayers: number;
  readonly rethinkLayers: number;
  /**
   * Whether candidates come with log-odds that speak for them before anything is learned: the first of a candidate's
   * features for think, the second of its tool features for rethink. They are added to what the network says, scaled.
   */
  readonly priors?: boolean | undefined;
}

/** Sizes of one batch; names stand for sizes known at run time. */
export interface BatchSizes {
  readonly batch: Dimension;
  readonly candidates: Dimension;
  readonly words: Dimension;
}

/** A graph that takes any batch. */
export const OPEN_SIZES: BatchSizes = { batch: 'batch', candidates: 'candidates', words: 'words' };

/** Actions beyond those that name a candidate: keep the tool's answer, and nothing fits. */
export const EXTRA_ACTIONS = 2;

export interface PolicyInputs {
  /** [B, N, candidateFeatures] */
  readonly candidates: Expression;
  /** [B, N, 4]: centre x, centre y, width, height as shares of the photo. */
  readonly boxes: Expression;
  /** [B, N]: 1 for a candidate, 0 for padding. */
  readonly candidateMask: Expression;
  /** [B, N]: 1 for a candidate that think may see; a box made from the tool's answer is none. */
  readonly thinkMask: Expression;
  /** [B, N, toolFeatures] */
  readonly tool: Expression;
  /** [B, N + 2]: 1 for each action open to rethink, in the order of {@link PolicyOutputs.rethink}. */
  readonly actionMask: Expression;
  /** [B, W], int32: rows of the embedding. */
  readonly words: Expression;
  /** [B, W]: 1 for a word, 0 for padding. */
  readonly wordMask: Expression;
  /** [B, W, wordFeatures] */
  readonly wordFeatures: Expression;
  /** [B, queryFeatures] */
  readonly query: Expression;
}

/** Named as in the ONNX file. */
export function policyInputs(settings: PolicySettings, sizes: BatchSizes): PolicyInputs {
  const { batch, candidates: n, words: w } = sizes;
  const actions = typeof n === 'number' ? n + EXTRA_ACTIONS : `${n}+${EXTRA_ACTIONS}`;
  return {
    candidates: input('candidates', [batch, n, settings.candidateFeatures]),
    boxes: input('boxes', [batch, n, 4]),
    candidateMask: input('candidate_mask', [batch, n]),
    thinkMask: input('think_mask', [batch, n]),
    tool: input('tool', [batch, n, settings.toolFeatures]),
    actionMask: input('action_mask', [batch, actions]),
    words: input('words', [batch, w], 'int32'),
    wordMask: input('word_mask', [batch, w]),
    wordFeatures: input('word_features', [batch, w, settings.wordFeatures]),
    query: input('query', [batch, settings.queryFeatures]),
  };
}
