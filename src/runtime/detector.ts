import leven from 'leven';
import { printable, quoted, VgrError } from '../core/error.js';
import { nearestNames } from '../core/nearest-name.js';
import { calibrationOf, type DecodeOptions, type Detection } from '../detect/family.js';
import type { CutPrompt, PromptTokenizer } from '../detect/prompt-tokenizer.js';
import { type Disagreement, disagreements, type GraphSignature } from '../detect/signature.js';
import {
  categoriesOf,
  type DetectorCard,
  isPrompted,
  isScoring,
  isWriting,
  type ModelCard,
  type ScoringCard,
  type TaskName,
  WRITING_FAMILIES,
  type WritingCard,
} from '../formats/model-card.js';
import type { DecodedPhoto } from '../photos/decode.js';
import type { DetectorFlags } from './device.js';
import {
  findModel,
  jsonObject,
  ofKind,
  readFurther,
  readVerified,
  rememberModel,
  type StoredModel,
} from './model-store.js';
import type { DetectAsking, SessionPool } from './pool.js';
import type { Detector, DetectorOptions } from './ports.js';

/** A detector whose graph is in the pool. */
export function pooledDetector(
  pool: SessionPool,
  { card, tokenizer, writing }: PooledModel,
  options: DetectorOptions,
): Detector {
  if (writing && isWriting(card)) return writing.detector(pool, card, options);
  if (tokenizer && isScoring(card)) return promptedDetector(pool, card, tokenizer, options);
  const { batchSize, onCut: _, ...wanted } = options;
  // Jobs share a batch when they share the asking, by identity.
  const asking: DetectAsking = {
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
 * Expressions in one run of OWL-ViT. A run with fewer is filled up, so that the boxes of an expression do not depend on the others;
 * the photo costs about a hundred times as much as one of them (ViT-B/32 at 768 x 768: 110 GFLOP against 1.2).
 */
const EXPRESSIONS_A_RUN = 8;

/** Names in one run of OWL-ViT. */
const NAMES_A_RUN = 128;

function promptedDetector(
  pool: SessionPool,
  card: ScoringCard,
  tokenizer: PromptTokenizer,
  { batchSize, classes, onCut, ...wanted }: DetectorOptions,
): Detector {
  const { name, input, decoding } = card;
  const asking: DetectAsking = { card, options: wanted, batchLimit: 1 };
  const run = async ({ raster, size: image }: DecodedPhoto, prompts: readonly CutPrompt[]) => {
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
    const categories = classes.map((name, index) => ({ id: index + 1, name }));
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
    detect: () => Promise.reject(new VgrError('INTERNAL', `${name} needs prompts`)),
    prompted: {
      promptsARun: perRun,
      ask: async (photo, expressions) => {
        const prompts = expressions.map((text) => tokenizer.expression(text));
        const said = prompts.filter((prompt) => prompt !== undefined);
        noteCut(said);
        if (said.length === 0) return { answers: expressions.map(() => []), ms: 0 };
        // Runs that share the photo's features always have the same number of prompts.
        const count = card.family === 'grounding-dino' ? said.length : perRun;
        const filled = Array.from({ length: count }, (_, index) => said[index] ?? said.at(-1)!);
        const { answers, ms } = await run(photo, filled);
        const found = [...answers];
        return { answers: prompts.map((prompt) => (prompt ? found.shift()! : [])), ms };
      },
    },
  };
}

/** Grounding DINO takes the photo once for each prompt, so prompts are its batch; the others share one photo. */
function promptsARun(card: ScoringCard, batchSize: number, shared: number): number {
  if (card.family === 'grounding-dino') return card.input.batch === 'any' ? batchSize : 1;
  return card.input.text.prompts === 'any' ? shared : card.input.text.prompts;
}

/** The items in groups of this length; the last may be shorter. */
export function groupsOf<Item>(items: readonly Item[], length: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, group) =>
    items.slice(group * length, (group + 1) * length),
  );
}

/** A detector whose graph is in the pool. */
export interface PooledModel {
  readonly card: DetectorCard;
  /** Of a prompted detector. */
  readonly tokenizer?: PromptTokenizer;
  /** Of one that writes its answer. */
  readonly writing?: {
    readonly detector: (pool: SessionPool, card: WritingCard, options: DetectorOptions) => Detector;
  };
}

/** With the sha256 of the loaded file. */
export type LoadedModel = PooledModel & { readonly sha256: string };

/**
 * Loads the models of a run.
 * @param flags `input-size` is for models that keep the shape of photos, `task` for those that can be asked in several ways
 * @throws VgrError as {@link loadDetector}; USAGE where a model is named twice
 */
export async function loadDetectors(
  names: readonly string[],
  pool: SessionPool,
  { 'input-size': inputSize, task }: Pick<DetectorFlags, 'input-size' | 'task'>,
): Promise<readonly LoadedModel[]> {
  const models: LoadedModel[] = [];
  for (const name of names) {
    const model = await loadDetector(name, pool);
    if (models.some(({ card }) => card.name === model.card.name)) {
      throw new VgrError('USAGE', `--detector: expected other models, got ${quoted(name)} twice`);
    }
    models.push(model);
  }
  if (task !== undefined && models.length > 0 && !models.some(({ card }) => isWriting(card))) {
    const got = models.map(({ card }) => card.name).join(', ');
    throw new VgrError(
      'USAGE',
      `--task: expected a detector that can be asked in several ways, got ${quoted(got)}`,
      { hint: 'leave it out, or take `--detector florence-2-base-ft`' },
    );
  }
  const keepsShape = models.some(({ card }) => card.input.fit === 'longer-side');
  return models.map((model) => {
    const isSized =
      inputSize !== undefined && (!keepsShape || model.card.input.fit === 'longer-side');
    const card = isSized ? resized(model.card, inputSize) : model.card;
    return { ...model, card: isWriting(card) ? asked(card, task) : card };
  });
}

/** The card with what it is asked, for the settings of the run. */
function asked(card: WritingCard, task: TaskName | undefined): WritingCard {
  const usual = WRITING_FAMILIES[card.family].tasks[0];
  return { ...card, decoding: { ...card.decoding, task: task ?? card.decoding.task ?? usual } };
}

/**
 * Loads the model that `--detector` names, and compares its card with the graph.
 * @param inputSize longest side of a photo in place of the card's, pixels
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE; USAGE where the graph's sides are
 * not free
 */
export async function loadDetector(
  wanted: string,
  pool: SessionPool,
  inputSize?: number,
): Promise<LoadedModel> {
  const model = ofKind(await findModel(wanted), 'detector', wanted);
  const { card } = model;
  const { bytes, sha256 } = await readVerified(model);
  const signature = await pool.load({ name: card.name, bytes, optimisation: card.optimisation });
  refuseDisagreements(card, disagreements(card, signature), 'FILE');
  const writing = isWriting(card) ? await openWriting(model, card, pool, signature) : undefined;
  await rememberModel(model, sha256, pool.placeOf(card.name)?.device);
  return {
    card: inputSize === undefined ? card : resized(card, inputSize),
    sha256,
    tokenizer: isScoring(card) ? await openTokenizer(model, card) : undefined,
    writing,
  };
}

/** The further graphs of a model that writes. Only such models load the modules. */
async function openWriting(
  model: StoredModel,
  card: WritingCard,
  pool: SessionPool,
  signature: GraphSignature,
): Promise<NonNullable<PooledModel['writing']>> {
  const { loadWriting, writingDetector } = await import('./writing-detector.js');
  const parts = await loadWriting(model, card, pool, signature, (found) =>
    refuseDisagreements(card, found, 'FILE'),
  );
  return { detector: (own, asked, options) => writingDetector(own, asked, parts, options) };
}

/**
 * @param added the argument of `vgr models add` for such a model
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
async function openTokenizer(model: StoredModel, card: ScoringCard): Promise<PromptTokenizer> {
  const { tokenizer, config } = card.input.text;
  const read = await readFurther(model, tokenizer);
  const files = {
    tokenizer: jsonObject(read),
    config: config === undefined ? {} : jsonObject(await readFurther(model, config)),
  };
  return makeTokenizer(files, card, read.path);
}

/** The options of the flags, and the card's where a flag is absent. @throws VgrError USAGE */
export async function wantedOf(flags: DetectorFlags, card: DetectorCard): Promise<DecodeOptions> {
  const parse = isPrompted(card) ? parsePrompts : parseClasses;
  const classes = flags.classes === undefined ? undefined : await parse(flags.classes, card);
  return {
    minScore: flags['min-score'] ?? card.decoding.minScore,
    maxDetections: flags['max-detections'] ?? card.decoding.maxDetections,
    nmsIou: flags.nms,
    classes,
  };
}

/** The names in `cat, remote control`, each once. */
function parsePrompts(text: string): string[] {
  const names = new Map<string, string>();
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part !== '' && !names.has(part.toLowerCase())) names.set(part.toLowerCase(), part);
  }
  if (names.size > 0) return [...names.values()];
  throw new VgrError('USAGE', `--classes: expected names, got ${quoted(text)}`, {
    hint: 'separate names with commas: `--classes "cat,remote control"`',
  });
}

/**
 * `person, dog` as the detector's own names in its own order, so that two spellings are one setting. Other words mean the labels
 * that the lexicon has for them: `people` is `person`.
 */
async function parseClasses(text: string, card: DetectorCard): Promise<string[]> {
  const names = [...new Set(categoriesOf(card).map(({ name }) => name))];
  const wanted = new Set<string>();
  for (const part of text.split(',').map((each) => each.trim().toLowerCase())) {
    const own = names.filter((name) => name.toLowerCase() === part);
    const meant = own.length > 0 ? own : await labelsFor(part, names);
    for (const name of meant) wanted.add(name);
    if (meant.length > 0) continue;
    throw new VgrError('USAGE', `--classes: ${quoted(card.name)} has no label ${quoted(part)}`, {
      hint: `nearest: ${nearestNames(part, names).join(', ')}`,
    });
  }
  return names.filter((name) => wanted.has(name));
}

/** Letters to insert, drop or replace in a label that was probably meant. */
const MAX_SLIPS = 2;
/** A word that names a label about every second time is no name of it. */
const NAMING_WEIGHT = 0.5;

async function labelsFor(word: string, names: readonly string[]): Promise<string[]> {
  if (word === '') return [];
  const [{ parseExpression }, { denotationsOf }] = await Promise.all([
    import('../language/parser.js'),
    import('../language/denotation.js'),
  ]);
  const found = [...denotationsOf(parseExpression(word), names)];
  // A narrower word would find more than it says: `--classes toddler` is refused, `--classes vehicles` is not. The parser puts
  // slips right, too; a slip here is told.
  const isSlip = (name: string) =>
    !word.startsWith(name) && leven(word, name, { maxDistance: MAX_SLIPS + 1 }) <= MAX_SLIPS;
  return found.flatMap(([name, { weight, kind }]) =>
    (kind === 'exact' || kind === 'hypernym') && weight >= NAMING_WEIGHT && !isSlip(name)
      ? [name]
      : [],
  );
}

/** The JSON of a tokeniser's files. */
export interface TokenizerFiles {
  readonly tokenizer: object;
  /** Empty where the model has none. */
  readonly config: object;
}

/**
 * The tokeniser of a prompted detector. Only such detectors load the library.
 * @param path of the tokeniser's file, for the message
 * @throws VgrError MODEL_CORRUPT
 */
export async function makeTokenizer(
  { tokenizer, config }: TokenizerFiles,
  { family, input }: Pick<ScoringCard, 'family' | 'input'>,
  path: string,
): Promise<PromptTokenizer> {
  const { PromptTokenizer } = await import('../detect/prompt-tokenizer.js');
  try {
    return new PromptTokenizer(tokenizer, config, input.text, family);
  } catch (cause) {
    const reason = printable((cause as Error).message).slice(0, 200);
    throw new VgrError('MODEL_CORRUPT', `${quoted(path)}: expected a tokeniser, got ${reason}`, {
      hint: 'use the `tokenizer.json` from the repository of the model',
      cause,
    });
  }
}
