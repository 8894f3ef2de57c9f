import { matMul } from '../tensor/contraction.js';
import {
  add,
  divide,
  exponential,
  greater,
  multiply,
  sigmoid,
  subtract,
  where,
} from '../tensor/elementwise.js';
import { constant, type Expression, input, parameter } from '../tensor/expression.js';
import { concat, gather, reshape, slice, stopGradient, transpose } from '../tensor/layout.js';
import { logSumExp, sumOver } from '../tensor/reduction.js';
import type { Dimension } from '../tensor/shape.js';
import { attention, linear, normalized, perceptron } from './layer.js';
import { PAIR_CHANNELS, pairGeometry } from './pair-geometry.js';

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

/** A masked choice: its log-probability is this low, so that its probability is 0. */
const MASKED = -1e4;

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

export interface PolicyOutputs {
  /** [B, N + 1], log-probabilities: each candidate, then none. Never depends on `tool` or `actionMask`. */
  readonly think: Expression;
  /** [B, N + 2], log-probabilities: take candidate j, then keep the tool's answer, then none. */
  readonly rethink: Expression;
  /** [B, N + 2], log-odds that the action's box is the right one; `keep` has those of the tool's candidate. */
  readonly score: Expression;
}

/** Where noise may enter while training, such as dropout: shape of x in, same shape out. */
export type Regularizer = (site: string, x: Expression) => Expression;

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

/**
 * The lite policy: candidates read the words of the expression, then each other, and think answers; then each candidate is
 * told which one is the tool's and how likely think holds it, candidates read each other again, and rethink answers. Any
 * order of the candidates gives the same answer for each, and padding changes nothing.
 */
export function policy(
  settings: PolicySettings,
  inputs: PolicyInputs,
  regularize: Regularizer = (_, x) => x,
): PolicyOutputs {
  const geometry = pairGeometry(inputs.boxes);
  const read = regularize('read', readWords(settings, inputs));
  const thought = rounds(settings, 'think', settings.thinkLayers, read, {
    boxes: inputs.boxes,
    geometry,
    mask: inputs.thinkMask,
  });
  const belief = thinkHead(settings, inputs, thought);
  const told = regularize('told', tellTool(settings, inputs, thought, belief));
  const reconsidered = rounds(settings, 'rethink', settings.rethinkLayers, told, {
    boxes: inputs.boxes,
    geometry,
    mask: inputs.candidateMask,
  });
  return { think: belief.logProbabilities, ...rethinkHead(settings, inputs, reconsidered) };
}

/** Probabilities in place of log-probabilities and log-odds, as the inference graph gives them. */
export function policyAnswers(outputs: PolicyOutputs): PolicyOutputs {
  return {
    think: exponential(outputs.think),
    rethink: exponential(outputs.rethink),
    score: sigmoid(outputs.score),
  };
}

/** [B, M] of 1 and 0 as what is added to attention scores: 0 or a number that no score outweighs. */
function keyBias(mask: Expression): Expression {
  const [batch, keys] = mask.shape as readonly [Dimension, Dimension];
  return reshape(masked(mask, multiply(mask, 0)), [batch, 1, 1, keys]);
}

function masked(mask: Expression, x: Expression): Expression {
  return where(greater(mask, 0.5), x, MASKED);
}

/** Each candidate's state after it has read the expression, [B, N, width]. */
function readWords(settings: PolicySettings, inputs: PolicyInputs): Expression {
  const { width, wordWidth, hidden, heads } = settings;
  const table = parameter('words.table', [settings.vocabulary, wordWidth], { limit: 0.1 });
  const embedded = concat([gather(table, inputs.words), inputs.wordFeatures], 2);
  const memory = perceptron('words', embedded, hidden, width);
  const query = linear('query', inputs.query, width);
  const [batch] = inputs.query.shape as readonly [Dimension];
  const seen = add(
    perceptron('candidates', inputs.candidates, hidden, width),
    reshape(query, [batch, 1, width]),
  );
  const source = {
    memory: normalized('words.norm', memory),
    bias: keyBias(inputs.wordMask),
    heads,
  };
  const read = add(seen, attention('read', normalized('read.norm', seen), source));
  return add(read, feedForward(settings, 'read', read));
}

function feedForward(settings: PolicySettings, name: string, x: Expression): Expression {
  return perceptron(
    `${name}.forward`,
    normalized(`${name}.forward.norm`, x),
    settings.hidden,
    settings.width,
  );
}

interface Neighbours {
  readonly boxes: Expression;
  readonly geometry: Expression;
  readonly mask: Expression;
}

/** Rounds of attention between candidates, biased by how their boxes lie; only candidates of the mask are looked at. */
function rounds(
  settings: PolicySettings,
  name: string,
  count: number,
  start: Expression,
  { boxes, geometry, mask }: Neighbours,
): Expression {
  const { heads } = settings;
  // The mask rides along as a channel of weight 1: adding it to [B, heads, N, N] would cost a pass of its own.
  const pairs = concat([geometry, maskedPairs(boxes, mask)], 3);
  let state = start;
  for (let round = 0; round < count; round++) {
    const layer = `${name}.${round}`;
    const weight = parameter(`${layer}.geometry`, [PAIR_CHANNELS, heads], { limit: 0.5 });
    const passed = constant(new Array<number>(heads).fill(1), [1, heads]);
    const bias = transpose(matMul(pairs, concat([weight, passed], 0)), [0, 3, 1, 2]);
    const rows = normalized(`${layer}.norm`, state);
    const source = { memory: rows, bias, heads };
    state = add(state, attention(layer, rows, source));
    state = add(state, feedForward(settings, layer, state));
  }
  return normalized(`${name}.norm`, state);
}

/** [B, N, N, 1]: 0 where candidate j is in the mask, else a number that no score outweighs. */
function maskedPairs(boxes: Expression, mask: Expression): Expression {
  const [batch, rows] = mask.shape as readonly [Dimension, Dimension];
  const blank = multiply(slice(boxes, 2, 0, 1), 0);
  const bias = reshape(masked(mask, multiply(mask, 0)), [batch, 1, rows]);
  return reshape(add(blank, bias), [batch, rows, rows, 1]);
}

/** [B, N, D] to [B, D]: the mean over the candidates of the mask, 0 where there are none. */
function pooled(state: Expression, mask: Expression): Expression {
  const [batch, rows, width] = state.shape as readonly [Dimension, Dimension, Dimension];
  const weights = divide(mask, add(sumOver(mask, [1]), 1e-6));
  return reshape(matMul(reshape(weights, [batch, 1, rows]), state), [batch, width]);
}

/** [B, N, D] to [B, N]. */
function perCandidate(name: string, state: Expression): Expression {
  const [batch, rows] = state.shape as readonly [Dimension, Dimension];
  return reshape(linear(name, state, 1), [batch, rows]);
}

/** Log-probabilities over choices, and the probability of each choice that is a candidate, [B, N]. */
interface Belief {
  readonly logProbabilities: Expression;
  readonly candidates: Expression;
}

function thinkHead(settings: PolicySettings, inputs: PolicyInputs, state: Expression): Belief {
  const mask = inputs.thinkMask;
  const none = perceptron('think.none', pooled(state, mask), settings.width, 1);
  const choices = masked(mask, perCandidate('think.choice', state));
  const all = concat([choices, none], 1);
  const total = logSumExp(all);
  return {
    logProbabilities: subtract(all, total),
    candidates: exponential(subtract(choices, total)),
  };
}

/** Adds to each candidate's state what the tool says of it and how likely think holds it. */
function tellTool(
  settings: PolicySettings,
  inputs: PolicyInputs,
  state: Expression,
  belief: Belief,
): Expression {
  const [batch, rows] = state.shape as readonly [Dimension, Dimension];
  // Think learns from its own loss alone: it must not bend to what rethink would like to hear.
  const held = reshape(stopGradient(belief.candidates), [batch, rows, 1]);
  const heard = concat([inputs.tool, held, state], 2);
  return add(state, perceptron('tell', heard, settings.hidden, settings.width));
}

function rethinkHead(
  settings: PolicySettings,
  inputs: PolicyInputs,
  state: Expression,
): Omit<PolicyOutputs, 'think'> {
  const { width } = settings;
  const [batch, rows] = state.shape as readonly [Dimension, Dimension];
  const everyone = pooled(state, inputs.candidateMask);
  const indicator = reshape(slice(inputs.tool, 2, 0, 1), [batch, 1, rows]);
  const ofTool = (perRow: Expression) => matMul(indicator, perRow);
  const toolState = reshape(ofTool(state), [batch, width]);
  const choices = perCandidate('rethink.choice', state);
  const rights = perCandidate('score.choice', state);
  const atTool = (values: Expression) =>
    reshape(ofTool(reshape(values, [batch, rows, 1])), [batch, 1]);
  const trust = perceptron('rethink.keep', concat([toolState, everyone], 1), width, 1);
  const logits = concat(
    [choices, add(atTool(choices), trust), perceptron('rethink.none', everyone, width, 1)],
    1,
  );
  const open = masked(inputs.actionMask, logits);
  return {
    rethink: subtract(open, logSumExp(open)),
    score: concat([rights, atTool(rights), perceptron('score.none', everyone, width, 1)], 1),
  };
}
