import type { RgbRaster } from '../core/raster.js';
import type { TaskName, WritingCard } from '../formats/model-card.js';
import type { TensorPort } from '../formats/onnx.js';
import { CardMismatch, type Detection, type NamedTensors, type Tensor } from './family.js';
import { type Beam, grown, placesOf } from './location-beam.js';
import { numbersOf, packRasters } from './packing.js';
import { finishProposals } from './proposal.js';
import type { Disagreement } from './signature.js';
import { onlyRows, rowsOf, type Scratch, stackedRows, zeros } from './tensor-rows.js';
import type { Graphs, RunGraph, Signatures, WritingFamily, WritingJob } from './writing.js';
import { type WritingPrompt, writingPrompt } from './writing-prompt.js';

/** What the model was trained to be asked. */
const REQUESTS: Readonly<Record<TaskName, (text: string) => string>> = {
  'phrase-grounding': (text) => `Locate the phrases in the caption: ${text}`,
  'open-vocabulary': (text) => `Locate ${text} in the image.`,
};

/** How location tokens are written. */
const location = (bin: number): string => `<loc_${bin}>`;

/**
 * Answers that are decoded together. The keys and values of one are 22 MB with Florence-2-base: 12 tables of 590 tokens by 768.
 */
const ROWS_A_RUN = 16;

/** Few, so that the threads share the expressions of one photo. */
const PROMPTS_A_RUN = 4;

/** One answer alone would be computed by other matrix kernels, which add up in another order. */
const MIN_BEAMS = 2;

/** The decoder's caches of keys and values: of what was written so far, and of the photo with the request. */
const OWN = '.decoder.';
const PAST = 'past_key_values.';
const PRESENT = 'present.';

/**
 * Florence-2: an encoder reads the photo's features and a request, a decoder writes the answer: a phrase and four location tokens
 * for the left, upper, right and lower side, in thousandths of the photo. The answer is bound to that form: the phrase is the
 * expression itself, and the right and lower side come after the left and upper one, so that there always is a box. The
 * best boxes are found by a beam over the location tokens; a box's score is the product of the probabilities of its four sides among
 * all places that they may have, each with the bins around it (a fiftieth of the photo).
 * @see Xiao et al., Florence-2: Advancing a Unified Representation for a Variety of Vision Tasks, arXiv 2311.06242
 */
export const florence2: WritingFamily = {
  promptsARun: PROMPTS_A_RUN,

  disagreements,

  places: (tokens) => placesOf(location, tokens),

  prompt(text, tokens, card) {
    const request = REQUESTS[card.decoding.task ?? 'phrase-grounding'];
    return writingPrompt(text, tokens, request, card.input.text.length);
  },

  encode(raster: RgbRaster, card: WritingCard, run: RunGraph): Promise<NamedTensors> {
    return run('photo', packRasters([raster], card), card.outputs.features);
  },

  async answer(job, graphs) {
    const { prompts, options } = job;
    const beams = Math.max(MIN_BEAMS, options.maxDetections);
    const most = graphs.mixesRows ? 1 : Math.max(1, Math.floor(ROWS_A_RUN / beams));
    const answers = new Map<WritingPrompt, readonly Detection[]>();
    const scratch: Scratch = new Map();
    for (const group of groupsOfOneShape(prompts, most)) {
      const found = await decodeTogether(group, beams, job, graphs, scratch);
      for (const [at, prompt] of group.entries()) answers.set(prompt, found[at]!);
    }
    return prompts.map((prompt) => answers.get(prompt)!);
  },
};

/**
 * Prompts of the same numbers of tokens: the decoder takes no mask for what was written so far, and without padding no answer
 * depends on the prompts beside it.
 */
function groupsOfOneShape(prompts: readonly WritingPrompt[], most: number): WritingPrompt[][] {
  const groups: WritingPrompt[][] = [];
  for (const prompt of prompts) {
    const group = groups.find(
      (one) =>
        one.length < most &&
        one[0]!.ids.length === prompt.ids.length &&
        one[0]!.answer.length === prompt.answer.length,
    );
    if (group) group.push(prompt);
    else groups.push([prompt]);
  }
  return groups;
}

/** Boxes of prompts of one shape. */
async function decodeTogether(
  prompts: readonly WritingPrompt[],
  beams: number,
  { features, image, places, card, options }: WritingJob,
  graphs: Graphs,
  scratch: Scratch,
): Promise<Detection[][]> {
  const { text } = card.input;
  const embedded = async (rows: readonly (readonly number[])[]): Promise<Tensor> => {
    const dims = [rows.length, rows[0]!.length];
    const ids: Tensor = { type: text.type, data: numbersOf(text.type, rows.flat()), dims };
    return onlyOutput(await graphs.run('embeddings', { [text.ids]: ids }), card, 'embeddings');
  };
  const states = joined(
    photoFeatures(features, card),
    await embedded(prompts.map(({ ids }) => ids)),
    card,
  );
  const [rows, length] = states.dims as [number, number, number];
  const mask: Tensor = {
    type: text.type,
    data: numbersOf(text.type, new Array<number>(rows * length).fill(1)),
    dims: [rows, length],
  };
  const encoded = onlyOutput(
    await graphs.run('encoder', { [text.mask]: mask, inputs_embeds: states }),
    card,
    'encoder',
  );
  const decoder = new Decoder(graphs, mask, encoded, card, scratch);
  let logits = await decoder.begin(await embedded(prompts.map(({ answer }) => answer)));
  let found: readonly Beam[] = prompts.map((_, prompt) => ({ prompt, bins: [], score: 1 }));
  for (let side = 0; side < 4; side++) {
    const next = grown(found, logits, places, beams);
    if (side < 3) {
      const written = next.map(({ bins }) => [places.first + bins.at(-1)!]);
      logits = await decoder.write(
        await embedded(written),
        next.map(({ parent }) => parent),
        next.map(({ prompt }) => prompt),
        side === 2,
      );
    }
    found = next;
  }
  const { width, height } = card.input;
  const middle = (bin: number, side: number): number => ((bin + 0.5) / places.bins) * side;
  return prompts.map(({ label }, at) => {
    const proposals = found
      .filter(({ prompt, score }) => prompt === at && score >= options.minScore)
      .map(({ bins: [x1, y1, x2, y2], score }) => ({
        boxXyxy: {
          x1: middle(x1!, width),
          y1: middle(y1!, height),
          x2: middle(x2!, width),
          y2: middle(y2!, height),
        },
        score,
        classIndex: 0,
      }));
    return finishProposals(proposals, image, card, options, [{ id: 1, name: label }]);
  });
}

/** The decoder with its caches. */
class Decoder {
  readonly #graphs: Graphs;
  readonly #card: WritingCard;
  readonly #ports: readonly TensorPort[];
  /** What does not change as the answer grows: the request with its caches, a row for each prompt. */
  #request: NamedTensors;
  /** The same with a row for each answer to these prompts. */
  #repeated: { readonly prompts: readonly number[]; readonly feeds: NamedTensors } | undefined;
  #own: NamedTensors = {};

  /**
   * @param encoded the requests as the encoder gives them, a row for each
   * @param scratch keys and values of the requests lie there, once for each answer
   */
  constructor(
    graphs: Graphs,
    mask: Tensor,
    encoded: Tensor,
    card: WritingCard,
    private readonly scratch: Scratch,
  ) {
    this.#graphs = graphs;
    this.#card = card;
    this.#ports = graphs.signatures.decoder!.inputs.filter(({ name }) => name.startsWith(PAST));
    this.#request = { encoder_attention_mask: mask, encoder_hidden_states: encoded };
  }

  /** @returns logits of what comes after the beginning, for each row */
  async begin(inputs: Tensor): Promise<Tensor> {
    const rows = inputs.dims[0]!;
    const empty = this.#ports.map(({ name, dims: [, heads, , width] }): [string, Tensor] => [
      name,
      zeros([rows, heads as number, 0, width as number]),
    ]);
    const feeds = { ...this.#request, ...Object.fromEntries(empty), inputs_embeds: inputs };
    const outputs = await this.#run(feeds, false);
    this.#request = {
      ...this.#request,
      ...this.#cachesOf(outputs, (name) => !name.includes(OWN)),
    };
    this.#own = this.#cachesOf(outputs, (name) => name.includes(OWN));
    return this.#lastLogits(outputs);
  }

  /**
   * @param inputs one further token a row
   * @param parents row of the last call that each row continues
   * @param prompts whose answer each row is
   */
  async write(
    inputs: Tensor,
    parents: readonly number[],
    prompts: readonly number[],
    isLast: boolean,
  ): Promise<Tensor> {
    if (String(prompts) !== String(this.#repeated?.prompts)) {
      this.#repeated = { prompts, feeds: onlyRows(this.#request, prompts, this.scratch) };
    }
    const feeds = {
      ...this.#repeated!.feeds,
      ...onlyRows(this.#own, parents),
      inputs_embeds: inputs,
    };
    const outputs = await this.#run(feeds, true, isLast ? ['logits'] : undefined);
    this.#own = this.#cachesOf(outputs, (name) => name.includes(OWN));
    return this.#lastLogits(outputs);
  }

  #run(feeds: NamedTensors, useCache: boolean, fetches?: readonly string[]): Promise<NamedTensors> {
    const flag: Tensor = { type: 'bool', data: Uint8Array.of(Number(useCache)), dims: [1] };
    // The later branch gives empty caches in place of those of the request, which stay as they are.
    const caches = this.#ports
      .filter(({ name }) => !useCache || name.includes(OWN))
      .map(({ name }) => name.replace(PAST, PRESENT));
    return this.#graphs.run(
      'decoder',
      { ...feeds, use_cache_branch: flag },
      fetches ?? ['logits', ...caches],
    );
  }

  #cachesOf(outputs: NamedTensors, isWanted: (name: string) => boolean): NamedTensors {
    const caches = Object.entries(outputs)
      .filter(([name]) => name.startsWith(PRESENT) && isWanted(name))
      .map(([name, tensor]): [string, Tensor] => [name.replace(PRESENT, PAST), tensor]);
    return Object.fromEntries(caches);
  }

  /** [rows, vocabulary] */
  #lastLogits({ logits }: NamedTensors): Tensor {
    if (!(logits?.data instanceof Float32Array) || logits.dims.length !== 3) {
      const got = logits ? `${logits.type} [${logits.dims}]` : 'nothing';
      throw new CardMismatch(`${this.#card.name}: expected logits of the decoder, got ${got}`);
    }
    const [rows, length, words] = logits.dims as [number, number, number];
    const last = Array.from({ length: rows }, (_, row) => row * length + length - 1);
    return rowsOf({ ...logits, dims: [rows * length, words] }, last);
  }
}

function photoFeatures(features: NamedTensors, card: WritingCard): Tensor {
  const tensor = features[card.outputs.features![0]!];
  if (tensor?.data instanceof Float32Array && tensor.dims.length === 3) return tensor;
  const got = tensor ? `${tensor.type} [${tensor.dims}]` : 'nothing';
  throw new CardMismatch(`${card.name}: expected features of the photo, got ${got}`);
}

/** The features of the photo before the tokens of each row. */
function joined(photo: Tensor, text: Tensor, { name }: WritingCard): Tensor {
  const [, places, width] = photo.dims as [number, number, number];
  if (text.dims[2] !== width) {
    throw new CardMismatch(
      `${name}: expected embeddings of ${width} numbers, as the photo's features have, got ${text.dims[2]}`,
    );
  }
  return stackedRows(photo, text, [text.dims[0]!, places + text.dims[1]!, width]);
}

function onlyOutput(outputs: NamedTensors, { name }: WritingCard, role: string): Tensor {
  const [tensor] = Object.values(outputs);
  if (tensor?.data instanceof Float32Array && tensor.dims.length === 3) return tensor;
  const got = tensor ? `${tensor.type} [${tensor.dims}]` : 'nothing';
  throw new CardMismatch(`${name}: expected states of ${role}, got ${got}`);
}

/** What each graph must take, beside its caches. */
function inputsOf({ input: { text } }: WritingCard): Readonly<Record<string, readonly string[]>> {
  return {
    embeddings: [text.ids],
    encoder: [text.mask, 'inputs_embeds'],
    decoder: [
      'encoder_attention_mask',
      'encoder_hidden_states',
      'inputs_embeds',
      'use_cache_branch',
    ],
  };
}

function disagreements(card: WritingCard, signatures: Signatures): Disagreement[] {
  const found: Disagreement[] = [];
  let width: number | undefined;
  for (const [role, names] of Object.entries(inputsOf(card))) {
    const { inputs, outputs } = signatures[role]!;
    const field = `graphs.${role}`;
    const there = inputs.map(({ name }) => name);
    const missing = names.filter((name) => !there.includes(name));
    if (missing.length > 0) {
      found.push({ field, graph: there.join(', '), card: missing.join(', ') });
    }
    // Where a graph tells how wide its states are, all others must agree.
    const states = [...inputs, ...(role === 'decoder' ? [] : outputs)].filter(
      ({ name, dims }) => dims.length === 3 && !name.startsWith(PAST),
    );
    for (const { name, dims } of states) {
      const own = dims[2];
      if (typeof own !== 'number' || own <= 0) continue;
      width ??= own;
      if (own === width) continue;
      found.push({ field, graph: `${name} of width ${own}`, card: `one model of width ${width}` });
    }
  }
  const caches = signatures.decoder!.inputs.filter(({ name }) => name.startsWith(PAST));
  const isKnown = ({ dims: [, heads, , size] }: TensorPort): boolean =>
    typeof heads === 'number' && heads > 0 && typeof size === 'number' && size > 0;
  if (caches.length === 0 || !caches.every(isKnown)) {
    const graph = caches.length === 0 ? 'none' : caches.map(({ name }) => name).join(', ');
    found.push({ field: 'graphs.decoder', graph, card: `${PAST}* of a known number of heads` });
  }
  return found;
}
