import { parseFraction, printable, quoted, VgrError } from '../core/error.js';
import { nearestNames } from '../core/nearest-name.js';
import type { Printer } from '../core/terminal.js';
import { calibrationOf, type Detection } from '../detect/family.js';
import type { CutPrompt, PromptName, PromptTokenizer } from '../detect/prompt-tokenizer.js';
import { type Disagreement, disagreements } from '../detect/signature.js';
import {
  categoriesOf,
  type DetectorCard,
  isPrompted,
  type ModelCard,
  type PromptedCard,
} from '../formats/model-card.js';
import type { InferenceFlags } from './device.js';
import {
  findModel,
  furtherPath,
  readFurtherJson,
  readVerified,
  rememberModel,
  type StoredModel,
} from './model-store.js';
import type { DetectAsking, SessionPool } from './pool.js';
import type { Detector, OpenedPhoto, PromptAnswers } from './ports.js';

export interface DetectorOptions {
  /** 0..1 */
  readonly minScore: number;
  readonly maxDetections: number;
  /** In place of the card's, 0..1. */
  readonly nmsIou?: number;
  /**
   * Names of the labels that are wanted; all where absent. A detector that is asked in words looks for these in every photo, and
   * is a detector like any other then; without, it is asked expressions.
   */
  readonly classes?: readonly string[];
  /** Photos that one run may take together; a graph with a fixed batch dimension takes one. */
  readonly batchSize: number;
  /** Told how many of the prompts of one call are longer than the model reads. */
  readonly onCut?: (count: number) => void;
}

/** The detector in the pool, as the options want it. */
export function standingDetector(
  pool: SessionPool,
  { card, tokenizer }: StandingModel,
  { batchSize, onCut, ...wanted }: DetectorOptions,
): Detector {
  if (tokenizer && isPrompted(card)) {
    return promptedDetector(pool, card, tokenizer, { batchSize, onCut, ...wanted });
  }
  // Jobs share a batch when they share the asking, by identity.
  const asking: DetectAsking = {
    model: card.name,
    card,
    options: wanted,
    batchLimit: card.input.batch === 'any' ? batchSize : 1,
  };
  return {
    name: card.name,
    spec: card.input,
    calibration: calibrationOf(card),
    categories: categoriesOf(card),
    detect: ({ raster, size }) => pool.detect(asking, { raster, image: size }),
  };
}

/**
 * Expressions that one run of OWL-ViT takes. A run that has fewer is filled up, so that what an expression finds does not depend
 * on which others were there; the photo costs about a hundred times as much as one of them (ViT-B/32 at 768 x 768: 110 GFLOP
 * against 1.2).
 */
const EXPRESSIONS_A_RUN = 8;

/** Names that one run of OWL-ViT takes. */
const NAMES_A_RUN = 128;

/** A detector that is asked in words. */
function promptedDetector(
  pool: SessionPool,
  card: PromptedCard,
  tokenizer: PromptTokenizer,
  { batchSize, classes, onCut, ...wanted }: DetectorOptions,
): Detector {
  const asking: DetectAsking = { model: card.name, card, options: wanted, batchLimit: 1 };
  const { name, input, decoding } = card;
  const run = async (
    { raster, size: image }: OpenedPhoto,
    prompts: readonly CutPrompt[],
  ): Promise<PromptAnswers> => {
    // The pixels move to the worker; other prompts of the photo need them too.
    const copy = { ...raster, data: raster.data.slice() };
    const { answers, ms } = await pool.detect(asking, { raster: copy, image, prompts });
    return { answers: answers!, ms };
  };
  const noteCut = (prompts: readonly CutPrompt[]): void => {
    const count = prompts.filter(({ cut }) => cut).length;
    if (count > 0) onCut?.(count);
  };
  if (classes) {
    const categories = classes.map((each, index): PromptName => ({ id: index + 1, name: each }));
    const prompts = tokenizer.names(categories);
    noteCut(prompts);
    const runs = groupsOf(prompts, promptsARun(card, batchSize, NAMES_A_RUN));
    return {
      name,
      spec: input,
      calibration: decoding.calibration,
      categories,
      detect: async (photo) => {
        const found: Detection[] = [];
        let time = 0;
        for (const part of runs) {
          const { answers, ms } = await run(photo, part);
          found.push(...answers.flat());
          time += ms;
        }
        // Best first; equal scores by rising category, then in their order.
        found.sort((a, b) => b.score - a.score || a.categoryId - b.categoryId);
        const detections = found.slice(0, wanted.maxDetections);
        return { detections, raster: photo.raster, ms: time };
      },
    };
  }
  const perRun = promptsARun(card, batchSize, EXPRESSIONS_A_RUN);
  return {
    name,
    spec: input,
    categories: [],
    detect: () => Promise.reject(new VgrError('INTERNAL', `${name} is asked in words`)),
    prompted: {
      promptsARun: perRun,
      ask: async (photo, expressions) => {
        const prompts = expressions.map((text) => tokenizer.expression(text));
        const said = prompts.filter((prompt) => prompt !== undefined);
        noteCut(said);
        if (said.length === 0) return { answers: expressions.map(() => []), ms: 0 };
        // Prompts that share the photo's features are as many in every run.
        const count = card.family === 'grounding-dino' ? said.length : perRun;
        const filled = Array.from({ length: count }, (_, index) => said[index] ?? said.at(-1)!);
        const { answers, ms } = await run(photo, filled);
        const found = [...answers];
        return { answers: prompts.map((prompt) => (prompt ? found.shift()! : [])), ms };
      },
    },
  };
}

/** Where the photo goes in once for each prompt, prompts are the batch; else they share it. */
function promptsARun(card: PromptedCard, batchSize: number, shared: number): number {
  if (card.family === 'grounding-dino') return card.input.batch === 'any' ? batchSize : 1;
  return card.input.text.prompts === 'any' ? shared : card.input.text.prompts;
}

/** The items in groups of this length; the last may be shorter. */
export function groupsOf<Item>(items: readonly Item[], length: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, group) =>
    items.slice(group * length, (group + 1) * length),
  );
}

/** A detector whose graph stands in the pool. */
export interface StandingModel {
  readonly card: DetectorCard;
  /** Of a detector that is asked in words. */
  readonly tokenizer?: PromptTokenizer;
}

/** The same, read from the models at hand. */
export interface LoadedDetector extends StandingModel {
  /** Of the file that was loaded. */
  readonly sha256: string;
}

/**
 * Loads the model that `--detector` means, and holds its card against the graph.
 * @param inputSize longest side of a photo in place of the card's, pixels
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE; USAGE where the graph's sides are
 * not free
 */
export async function loadDetector(
  wanted: string,
  pool: SessionPool,
  inputSize?: number,
): Promise<LoadedDetector> {
  const model = await findModel(wanted);
  const { card, bytes, sha256 } = await readVerified(model);
  if (card.kind !== 'detector') {
    throw new VgrError(
      'CARD_INVALID',
      `${quoted(wanted)}: expected a detector, got a ${card.kind}`,
    );
  }
  const { signature } = await pool.load({ name: card.name, bytes });
  refuseDisagreements(card, disagreements(card, signature), 'FILE');
  await rememberModel(model, sha256, pool.device);
  return {
    card: inputSize === undefined ? card : resized(card, inputSize),
    sha256,
    tokenizer: isPrompted(card) ? await openTokenizer(model, card) : undefined,
  };
}

/**
 * @param added what `vgr models add` takes for such a model
 * @throws VgrError CARD_INVALID where a card and its graph differ
 */
export function refuseDisagreements(
  { name }: ModelCard,
  found: readonly Disagreement[],
  added: 'FILE' | 'FOLDER',
): void {
  if (found.length === 0) return;
  const text = found
    .map((one) => `${quoted(one.field)}: the card says ${one.card}, the graph has ${one.graph}`)
    .join('; ');
  throw new VgrError('CARD_INVALID', `model ${quoted(name)}: ${text}`, {
    hint: `correct the card, or let \`vgr models add ${added}\` write one`,
  });
}

/** The card with photos of another size. @throws VgrError USAGE */
function resized(card: DetectorCard, inputSize: number): DetectorCard {
  const { width, height, fit, multiple = 1 } = card.input;
  if (fit !== 'longer-side') {
    throw new VgrError(
      'USAGE',
      `--input-size: expected a detector that takes photos in their own shape, got ${quoted(card.name)} with photos of ${width} x ${height} (${fit})`,
      {
        hint: 'leave it out, or export the model with free height and width: `vgr models add FILE`',
      },
    );
  }
  const side = Math.ceil(inputSize / multiple) * multiple;
  return { ...card, input: { ...card.input, width: side, height: side } };
}

/** @throws VgrError MODEL_MISSING, MODEL_CORRUPT */
async function openTokenizer(model: StoredModel, card: PromptedCard): Promise<PromptTokenizer> {
  const { tokenizer, config } = card.input.text;
  const files = {
    tokenizer: await readFurtherJson(model, tokenizer),
    config: config === undefined ? {} : await readFurtherJson(model, config),
  };
  return makeTokenizer(files, card, furtherPath(model, tokenizer)!);
}

/** What the flags want of a detector, with the card's word where they say nothing. @throws VgrError USAGE */
export function wantedOf(
  flags: InferenceFlags,
  card: DetectorCard,
): Omit<DetectorOptions, 'batchSize' | 'onCut'> {
  const fraction = (flag: 'min-score' | 'nms'): number | undefined =>
    flags[flag] === undefined ? undefined : parseFraction(flag, flags[flag]);
  const nmsIou = fraction('nms');
  const parse = isPrompted(card) ? parsePrompts : parseClasses;
  const classes = flags.classes === undefined ? undefined : parse(flags.classes, card);
  return {
    minScore: fraction('min-score') ?? card.decoding.minScore,
    maxDetections: flags['max-detections'] ?? card.decoding.maxDetections,
    nmsIou,
    classes,
  };
}

/** `cat, remote control` as names to look for, each once. */
function parsePrompts(text: string): string[] {
  const names = new Map<string, string>();
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part !== '' && !names.has(part.toLowerCase())) names.set(part.toLowerCase(), part);
  }
  if (names.size > 0) return [...names.values()];
  throw new VgrError('USAGE', `--classes: expected names, got ${quoted(text)}`, {
    hint: 'names with commas between them: `--classes "cat,remote control"`',
  });
}

/** `person, dog` as the detector's own names, in its own order, so that two ways of writing are one setting. */
function parseClasses(text: string, card: DetectorCard): string[] {
  const names = [...new Set(categoriesOf(card).map(({ name }) => name))];
  const wanted = text.split(',').map((part) => part.trim().toLowerCase());
  for (const part of wanted) {
    if (names.some((name) => name.toLowerCase() === part)) continue;
    const nearest = nearestNames(part, names);
    throw new VgrError('USAGE', `--classes: ${quoted(card.name)} knows no label ${quoted(part)}`, {
      hint: `nearest: ${nearest.join(', ')}`,
    });
  }
  return names.filter((name) => wanted.includes(name.toLowerCase()));
}

/** A tokeniser as its files hold it. */
export interface TokenizerFiles {
  readonly tokenizer: object;
  /** Empty where the model has none. */
  readonly config: object;
}

/**
 * The tokeniser of a detector that is asked in words. The library is loaded for such detectors alone.
 * @param path of the tokeniser's file, for the message
 * @throws VgrError MODEL_CORRUPT
 */
export async function makeTokenizer(
  { tokenizer, config }: TokenizerFiles,
  { family, input }: Pick<PromptedCard, 'family' | 'input'>,
  path: string,
): Promise<PromptTokenizer> {
  const { PromptTokenizer } = await import('../detect/prompt-tokenizer.js');
  try {
    return new PromptTokenizer(tokenizer, config, input.text, family);
  } catch (cause) {
    const reason = printable((cause as Error).message).slice(0, 200);
    throw new VgrError('MODEL_CORRUPT', `${quoted(path)}: expected a tokeniser, got ${reason}`, {
      hint: 'it is the `tokenizer.json` of the model, as the Hugging Face hub keeps it',
      cause,
    });
  }
}

/** Counts prompts that are longer than a model reads, and tells of them once. */
export class CutPrompts {
  readonly #model: string;
  readonly #length: number;
  #count = 0;

  constructor({ name, input }: PromptedCard) {
    this.#model = name;
    this.#length = input.text.length;
  }

  readonly add = (count: number): void => {
    this.#count += count;
  };

  tell(printer: Printer): void {
    if (this.#count === 0) return;
    printer.note(
      `warning: ${this.#count} ${this.#count === 1 ? 'prompt is' : 'prompts are'} longer than the ${this.#length} tokens that ${this.#model} reads; the rest was cut off`,
    );
  }
}
