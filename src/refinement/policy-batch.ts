import type { NamedTensors, Tensor } from '../detection/tensor.js';
import { EXTRA_ACTIONS, type PolicySettings } from './policy-inputs.js';

/** One query as numbers: n candidates, w words. What a row holds is the business of whoever makes the features. */
export interface PolicyExample {
  /** [n, candidateFeatures] */
  readonly candidates: Float32Array;
  /** [n, 4]: centre x, centre y, width, height as shares of the photo. */
  readonly boxes: Float32Array;
  /** [n]: 1 where think may see the candidate. */
  readonly thinkMask: Uint8Array;
  /** [n, toolFeatures]; the first number is 1 at the tool's answer. */
  readonly tool: Float32Array;
  /** [n + 2]: 1 for each open action: take candidate j, keep, none. At least one. */
  readonly actionMask: Uint8Array;
  /** [w]: rows of the embedding. */
  readonly words: Int32Array;
  /** [w, wordFeatures] */
  readonly wordFeatures: Float32Array;
  /** [queryFeatures] */
  readonly query: Float32Array;
}

/** Sizes that a batch is padded to. */
export interface PaddedSizes {
  readonly batch: number;
  readonly candidates: number;
  readonly words: number;
}

/** Numbers of candidates that graphs are made for; beyond them, multiples of the last. */
const LADDER = [8, 16, 24, 32, 48, 64, 96, 128] as const;

/** The smallest size of the ladder that holds `count` candidates. */
export function candidateBucket(count: number): number {
  const largest = LADDER[LADDER.length - 1]!;
  return LADDER.find((size) => size >= count) ?? Math.ceil(count / largest) * largest;
}

/** Candidates of an example. */
export function candidateCount(example: PolicyExample): number {
  return example.thinkMask.length;
}

/** The smallest sizes that hold these examples; at least 1 each. */
function tightSizes(examples: readonly PolicyExample[]): PaddedSizes {
  return {
    batch: Math.max(1, examples.length),
    candidates: Math.max(1, ...examples.map(candidateCount)),
    words: Math.max(1, ...examples.map((example) => example.words.length)),
  };
}

/**
 * Examples side by side, as the policy's graph takes them; rows and columns beyond them are zeros.
 * @throws {RangeError} when an example does not fit the sizes, or has features of another length than the settings say
 */
export function packPolicyBatch(
  settings: PolicySettings,
  examples: readonly PolicyExample[],
  sizes: PaddedSizes = tightSizes(examples),
): NamedTensors {
  if (examples.length > sizes.batch) {
    throw new RangeError(`batch of ${sizes.batch}: got ${examples.length} examples`);
  }
  for (const example of examples) checkExample(settings, example, sizes);
  const { batch, candidates: n, words: w } = sizes;
  const rows = (read: (example: PolicyExample) => ArrayLike<number>, dims: readonly number[]) =>
    packed(examples.map(read), [batch, ...dims]);
  const words = new Int32Array(batch * w);
  for (const [row, example] of examples.entries()) words.set(example.words, row * w);
  return {
    candidates: rows((each) => each.candidates, [n, settings.candidateFeatures]),
    boxes: rows((each) => each.boxes, [n, 4]),
    candidate_mask: startingOnes(examples.map(candidateCount), [batch, n]),
    think_mask: rows((each) => each.thinkMask, [n]),
    tool: rows((each) => each.tool, [n, settings.toolFeatures]),
    action_mask: packActions(
      examples.map((each) => each.actionMask),
      sizes,
    ),
    words: { type: 'int32', data: words, dims: [batch, w] },
    word_mask: startingOnes(
      examples.map((each) => each.words.length),
      [batch, w],
    ),
    word_features: rows((each) => each.wordFeatures, [w, settings.wordFeatures]),
    query: rows((each) => each.query, [settings.queryFeatures]),
  };
}

/**
 * One number per choice of each example, [B, N + extra]: those of the candidates, zeros up to N, then those of the choices
 * that name no candidate: keep and none of rethink, or the one none of think.
 */
export function packActions(
  values: readonly ArrayLike<number>[],
  { batch, candidates }: PaddedSizes,
  extra: number = EXTRA_ACTIONS,
): Tensor {
  const width = candidates + extra;
  const data = new Float32Array(batch * width);
  for (const [row, each] of values.entries()) {
    const own = each.length - extra;
    for (let action = 0; action < each.length; action++) {
      const column = action < own ? action : candidates + action - own;
      data[row * width + column] = each[action]!;
    }
  }
  return { type: 'float32', data, dims: [batch, width] };
}

/** The numbers of one row of [B, N + extra] that belong to an example of n candidates: [n + extra]. */
export function unpackActions(
  tensor: Tensor,
  row: number,
  candidates: number,
  extra: number = EXTRA_ACTIONS,
): Float32Array {
  const width = tensor.dims[1]!;
  const all = (tensor.data as Float32Array).subarray(row * width, (row + 1) * width);
  const own = new Float32Array(candidates + extra);
  own.set(all.subarray(0, candidates));
  own.set(all.subarray(width - extra), candidates);
  return own;
}

/** Each example's values at the start of its own row of the batch. */
function packed(values: readonly ArrayLike<number>[], dims: readonly number[]): Tensor {
  const size = dims.slice(1).reduce((product, each) => product * each, 1);
  const data = new Float32Array(dims[0]! * size);
  for (const [row, each] of values.entries()) data.set(each, row * size);
  return { type: 'float32', data, dims };
}

/** So many ones at the start of each row of [B, width], zeros behind them. */
function startingOnes(counts: readonly number[], dims: readonly [number, number]): Tensor {
  const [batch, width] = dims;
  const data = new Float32Array(batch * width);
  for (const [row, count] of counts.entries()) data.fill(1, row * width, row * width + count);
  return { type: 'float32', data, dims };
}

function checkExample(settings: PolicySettings, example: PolicyExample, sizes: PaddedSizes): void {
  const n = candidateCount(example);
  const w = example.words.length;
  if (n > sizes.candidates || w > sizes.words) {
    const room = `${sizes.candidates} candidates and ${sizes.words} words`;
    throw new RangeError(`an example of ${n} candidates and ${w} words in a batch for ${room}`);
  }
  const expected: readonly (readonly [keyof PolicyExample, number])[] = [
    ['candidates', n * settings.candidateFeatures],
    ['boxes', n * 4],
    ['tool', n * settings.toolFeatures],
    ['actionMask', n + EXTRA_ACTIONS],
    ['wordFeatures', w * settings.wordFeatures],
    ['query', settings.queryFeatures],
  ];
  for (const [name, length] of expected) {
    const got = example[name].length;
    if (got !== length) throw new RangeError(`${name}: expected ${length} numbers, got ${got}`);
  }
  const stray = example.words.find((id) => id < 0 || id >= settings.vocabulary);
  if (stray !== undefined) {
    throw new RangeError(`words: expected rows below ${settings.vocabulary}, got ${stray}`);
  }
}
