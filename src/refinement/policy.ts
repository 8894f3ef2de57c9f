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
import { constant, type Expression, parameter } from '../tensor/expression.js';
import { concat, gather, reshape, slice, stopGradient, transpose } from '../tensor/layout.js';
import { logSumExp, sumOver } from '../tensor/reduction.js';
import type { Dimension } from '../tensor/shape.js';
import { attention, linear, normalized, perceptron } from './layer.js';
import { PAIR_CHANNELS, pairGeometry } from './pair-geometry.js';
import type { PolicyInputs, PolicySettings } from './policy-inputs.js';

/** A masked choice: its log-probability is this low, so that its probability is 0. */
const MASKED = -1e4;
/** Log-odds of `none` before anything is learned, where candidates have priors. */
const NONE_PRIOR = -4;

export interface PolicyOutputs {
  /** [B, N + 1], log-probabilities: each candidate, then none. Never depends on `tool` or `actionMask`. */
  readonly think: Expression;
  /** [B, N + 2], log-probabilities: take candidate j, then keep the tool's answer, then none. */
  readonly rethink: Expression;
  /** [B, N + 2], log-odds that the action's box is the right one; `keep` has those of the tool's candidate. */
  readonly score: Expression;
}

/** States that noise may enter while training: after the words are read, and after the tool is told of. */
export type NoiseSite = 'read' | 'told';

/** Adds noise such as dropout to a state [B, N, width]; same shape out. */
export type Regularizer = (site: NoiseSite, x: Expression) => Expression;

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
  const seeing = (seen: Expression, count: number): Neighbours => ({
    pairs: concat([geometry, maskedPairs(inputs, seen)], 3),
    count,
  });
  const { thinkLayers, rethinkLayers } = settings;
  const read = regularize('read', readWords(settings, inputs));
  const thought = rounds(settings, 'think', read, seeing(inputs.thinkMask, thinkLayers));
  const belief = thinkHead(settings, inputs, thought);
  const told = regularize('told', tellTool(settings, inputs, thought, belief));
  const everyone = seeing(inputs.candidateMask, rethinkLayers);
  const reconsidered = rounds(settings, 'rethink', told, everyone);
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
  /** [B, N, N, channels]: {@link pairGeometry} and {@link maskedPairs}. */
  readonly pairs: Expression;
  readonly count: number;
}

/** Rounds of attention between candidates, biased by how their boxes lie. */
function rounds(
  settings: PolicySettings,
  name: string,
  start: Expression,
  { pairs, count }: Neighbours,
): Expression {
  const { heads } = settings;
  let state = start;
  for (let round = 0; round < count; round++) {
    const layer = `${name}.${round}`;
    const weight = parameter(`${layer}.geometry`, [PAIR_CHANNELS, heads], { limit: 0.5 });
    // The mask is a channel of weight 1: adding it to [B, heads, N, N] would cost a pass of its own.
    const passed = constant(new Array<number>(heads).fill(1), [1, heads]);
    const bias = transpose(matMul(pairs, concat([weight, passed], 0)), [0, 3, 1, 2]);
    const rows = normalized(`${layer}.norm`, state);
    const source = { memory: rows, bias, heads };
    state = add(state, attention(layer, rows, source));
    state = add(state, feedForward(settings, layer, state));
  }
  return normalized(`${name}.norm`, state);
}

/**
 * [B, N, N, 1]: 0 where candidate j is seen, else a number that no score outweighs. Padding weighs twice as much, so that it
 * stays out even where nothing is seen.
 */
function maskedPairs({ boxes, candidateMask }: PolicyInputs, seen: Expression): Expression {
  const [batch, rows] = seen.shape as readonly [Dimension, Dimension];
  const blank = multiply(slice(boxes, 2, 0, 1), 0);
  const padding = multiply(subtract(candidateMask, 1), -MASKED);
  const bias = add(masked(seen, multiply(seen, 0)), padding);
  return reshape(add(blank, reshape(bias, [batch, 1, rows])), [batch, rows, rows, 1]);
}

/** [B, N, D] to [B, D]: the mean over the candidates of the mask, 0 where there are none. */
function pooled(state: Expression, mask: Expression): Expression {
  const [batch, rows, width] = state.shape as readonly [Dimension, Dimension, Dimension];
  const weights = divide(mask, add(sumOver(mask, [1]), 1e-6));
  return reshape(matMul(reshape(weights, [batch, 1, rows]), state), [batch, width]);
}

/** [B, N, D] to [B, N]. */
function perCandidate(name: string, state: Expression, gain = 1): Expression {
  const [batch, rows] = state.shape as readonly [Dimension, Dimension];
  return reshape(linear(name, state, 1, gain), [batch, rows]);
}

/** With priors the network starts silent, so that the priors alone decide at first. */
function firstGain({ priors }: PolicySettings): number {
  return priors ? 0 : 1;
}

/** Log-odds of `none`, [B, 1], from a summary of all candidates. */
function noneLogit(name: string, settings: PolicySettings, summary: Expression): Expression {
  const own = perceptron(name, summary, settings.width, 1, firstGain(settings));
  return settings.priors ? add(own, NONE_PRIOR) : own;
}

/** Logits [B, N] with the log-odds that stand in one column of the features, times a learned scale. */
function withPrior(
  name: string,
  { priors }: PolicySettings,
  logits: Expression,
  features: Expression,
  column: number,
): Expression {
  if (!priors) return logits;
  const scale = parameter(`${name}.prior`, [1], { fill: 1 });
  const prior = reshape(slice(features, 2, column, column + 1), logits.shape);
  return add(logits, multiply(prior, scale));
}

/** Log-probabilities over choices, and the probability of each choice that is a candidate, [B, N]. */
interface Belief {
  readonly logProbabilities: Expression;
  readonly candidates: Expression;
}

function thinkHead(settings: PolicySettings, inputs: PolicyInputs, state: Expression): Belief {
  const mask = inputs.thinkMask;
  const none = noneLogit('think.none', settings, pooled(state, mask));
  const own = perCandidate('think.choice', state, firstGain(settings));
  const choices = masked(mask, withPrior('think', settings, own, inputs.candidates, 0));
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
  const own = perCandidate('rethink.choice', state, firstGain(settings));
  const choices = withPrior('rethink', settings, own, inputs.tool, 1);
  const rights = perCandidate('score.choice', state);
  const atTool = (values: Expression) =>
    reshape(ofTool(reshape(values, [batch, rows, 1])), [batch, 1]);
  const trust = perceptron(
    'rethink.keep',
    concat([toolState, everyone], 1),
    width,
    1,
    firstGain(settings),
  );
  const logits = concat(
    [choices, add(atTool(choices), trust), noneLogit('rethink.none', settings, everyone)],
    1,
  );
  const open = masked(inputs.actionMask, logits);
  return {
    rethink: subtract(open, logSumExp(open)),
    score: concat([rights, atTool(rights), perceptron('score.none', everyone, width, 1)], 1),
  };
}
