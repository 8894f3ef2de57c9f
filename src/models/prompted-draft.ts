import { createHash } from 'node:crypto';
import type { ImageSize } from '../core/box.js';
import { printable, quoted, VgrError } from '../core/error.js';
import { promptedFamily } from '../detect/families.js';
import type { PromptTokenizer } from '../detect/prompt-tokenizer.js';
import { portText } from '../detect/signature.js';
import type { FurtherFile } from '../formats/card-parts.js';
import {
  type DetectorCard,
  isPromptedFamily,
  type PromptedCard,
  type PromptedFamilyName,
} from '../formats/model-card.js';
import { makeTokenizer } from '../runtime/detector.js';
import { tokenizerJson } from '../runtime/model-store.js';
import { TRIAL_NAMES } from '../runtime/rate.js';
import {
  cardOf,
  type DraftedCard,
  type DraftFacts,
  type DraftParts,
  draftDecoding,
  draftInput,
  habitualSize,
  parseSize,
} from './detector-draft.js';
import type { TextInputs } from './facts.js';
import { readBytesBeside } from './install.js';
import { FAMILY_SHAPES, type ObservedOutput } from './recognition.js';

/** A card of a detector that is asked in words, with its tokeniser. */
export interface PromptedDraft extends DraftedCard {
  readonly card: DetectorCard;
  readonly tokenizer: PromptTokenizer;
}

/** The files of a tokeniser beside a model. */
interface Beside {
  readonly files: readonly FurtherFile[];
  readonly tokenizer: object;
  readonly config: object;
}

/**
 * The card of a graph that is asked in words: runs it once.
 * @throws VgrError MODEL_MISSING without its tokeniser; MODEL_INVALID with what was expected and what was found; MODEL_CORRUPT, USAGE
 */
export async function draftPrompted(parts: DraftParts): Promise<PromptedDraft> {
  const { name, facts, claims } = parts;
  const text = facts.inputs.text!;
  const beside = await tokenizerBeside(facts.path);
  const told: PromptedFacts = {
    inputs: facts.inputs,
    hub: facts.hub,
    pixels: claims.pixels,
    channels: claims.channels,
    text,
    size: toldSize(parts),
    modelType: facts.modelType,
    pad: padOf(beside.tokenizer),
  };
  const family = claims.family ?? promptedFamilyOf(told);
  if (!isPromptedFamily(family) || (family === 'grounding-dino') !== (text.types !== undefined)) {
    throw new VgrError(
      'MODEL_INVALID',
      `${quoted(facts.path)}: expected a graph of family ${family}: ${FAMILY_SHAPES[family]}. Found inputs ${facts.outline.inputs.map(portText).join('; ')}`,
      { hint: `\`--family ${promptedFamilyOf(told)}\`, or leave it out` },
    );
  }
  const drafted = draftPromptedInput(told, family);
  const input = {
    ...drafted,
    text: {
      ...drafted.text!,
      ...(beside.files.length > 1 && { config: beside.files[1]!.file }),
    },
  };
  const tokenizer = await makeTokenizer(beside, { family, input }, 'tokenizer.json');
  const trial = { name, family, input } as PromptedCard;
  const outputs = await observe(parts, trial, tokenizer);
  const card = cardOf({
    name,
    facts,
    claims,
    family,
    input,
    outputs: outputs.roles,
    decoding: draftDecoding({
      family,
      outputs: outputs.roles,
      strides: [],
      classes: undefined,
    }),
    labels: 'prompts',
    files: [...beside.files],
  });
  return { card, tokenizer, guessed: { labels: false, pixels: false } };
}

/**
 * The tokeniser of a model file whose card is known, from beside it.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function tokenizerOfKnown(card: PromptedCard, path: string): Promise<PromptTokenizer> {
  const beside = await tokenizerBeside(path);
  for (const { file, sha256 } of beside.files) {
    const pinned = card.files?.find((one) => one.file === file)?.sha256;
    if (pinned === undefined || pinned === sha256) continue;
    throw new VgrError(
      'MODEL_CORRUPT',
      `\`${file}\` beside ${quoted(path)}: expected sha256 ${pinned}, got ${sha256}`,
      { hint: `\`vgr models pull ${card.name}\` brings the right one` },
    );
  }
  return makeTokenizer(beside, card, 'tokenizer.json');
}

async function tokenizerBeside(path: string): Promise<Beside> {
  const files: FurtherFile[] = [];
  const read = async (file: string): Promise<object | undefined> => {
    const bytes = await readBytesBeside(path, file);
    if (bytes === undefined) return undefined;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const json = tokenizerJson(bytes, file);
    files.push({ file, sha256, bytes: bytes.length });
    return json;
  };
  const tokenizer = await read('tokenizer.json');
  if (tokenizer === undefined) {
    throw new VgrError(
      'MODEL_MISSING',
      `${quoted(path)} takes words; expected its \`tokenizer.json\` beside it or a folder above, got none`,
      { hint: 'copy tokenizer.json and tokenizer_config.json from where the model comes from' },
    );
  }
  return { tokenizer, config: (await read('tokenizer_config.json')) ?? {}, files };
}

/** As the graph fixes it, as asked for, or as the files say. */
function toldSize({ claims, facts }: DraftParts): PromptedFacts['size'] {
  const { width, height } = facts.inputs.image;
  if (width !== undefined && height !== undefined) return { width, height };
  if (claims.size !== undefined) return parseSize(claims.size);
  const { hub } = facts;
  if (hub?.sides || hub?.width === undefined || hub.height === undefined) return undefined;
  return { width: hub.width, height: hub.height };
}

function padOf(tokenizer: object): number {
  const { padding } = tokenizer as { readonly padding?: { readonly pad_id?: unknown } | null };
  const id = padding?.pad_id;
  return typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 ? id : 0;
}

/** Runs the graph once. */
async function observe(
  { pool, name, facts, photo }: DraftParts,
  card: PromptedCard,
  tokenizer: PromptTokenizer,
): Promise<{ readonly roles: DetectorCard['outputs'] }> {
  const { family, input } = card;
  const { width, height } = input;
  const grey = { width, height, data: new Uint8Array(width * height * 3).fill(114) };
  const raster = photo ? (await photo.open(photo.ref, input)).raster : grey;
  const prompt = tokenizer.expression(TRIAL_NAMES[0]!)!;
  const fixed = input.text.prompts;
  const prompts = new Array(family === 'grounding-dino' || fixed === 'any' ? 1 : fixed).fill(
    prompt,
  );
  let observed: ObservedOutput[];
  try {
    const found = await pool.run(name, promptedFamily(family).pack(raster, prompts, card));
    observed = Object.entries(found).map(([output, tensor]) => ({ name: output, tensor }));
  } catch (cause) {
    throw new VgrError(
      'MODEL_INVALID',
      `the graph does not run on a photo of ${raster.width} x ${raster.height} and a prompt of ${prompt.ids.length} tokens: ${printable((cause as Error).message)}`,
      { hint: 'give the size that it was exported for with `--size`', cause },
    );
  }
  const roles = recognisePrompted(family, observed, prompts.length);
  if (roles) return { roles };
  const got = observed.map(({ name: output, tensor: { type, dims } }) =>
    portText({ name: output, type, dims }),
  );
  throw new VgrError(
    'MODEL_INVALID',
    `${quoted(facts.path)}: expected outputs of family ${family}: ${FAMILY_SHAPES[family]}. Found for ${prompts.length} prompts: ${got.join('; ')}`,
    { hint: 'docs/models tells how each family is exported' },
  );
}

/** Most tokens that upstream's models read. */
const LENGTHS: Readonly<Record<PromptedFamilyName, number>> = {
  'grounding-dino': 256,
  owlv2: 16,
  owlvit: 16,
};

/** Sides of the photos that Grounding DINO was trained on. */
const SIDES = { shorter: 800, longer: 1333 };

/** What is known of a graph that is asked in words. */
export interface PromptedFacts extends Omit<DraftFacts, 'size'> {
  readonly text: TextInputs;
  /** Where anything tells it. */
  readonly size: ImageSize | undefined;
  /** `model_type` of the configuration beside the file. */
  readonly modelType: string | undefined;
  /** The token that fills. */
  readonly pad: number;
}

/** The family by what the graph takes: segments of text are Grounding DINO's; the OWL models are told apart by name or size. */
function promptedFamilyOf({ text, size, modelType }: PromptedFacts): PromptedFamilyName {
  if (text.types !== undefined) return 'grounding-dino';
  if (modelType === 'owlvit' || modelType === 'owlv2') return modelType;
  return size?.width === habitualSize('owlvit') ? 'owlvit' : 'owlv2';
}

/** The `input` of a card without the names of the tokeniser's files. */
function draftPromptedInput(
  facts: PromptedFacts,
  family: PromptedFamilyName,
): DetectorCard['input'] {
  const { text, inputs, hub } = facts;
  const side = habitualSize(family);
  const recognised = { family, classes: undefined, outputs: {} };
  // Where the graph leaves the size open, Grounding DINO keeps the photo's own proportions.
  const isOpen = family === 'grounding-dino' && facts.size === undefined;
  const sides = hub?.sides ?? SIDES;
  const size = isOpen
    ? { width: sides.longer, height: sides.shorter }
    : (facts.size ?? { width: side, height: side });
  const { extra, ...input } = draftInput({ ...facts, inputs, size }, recognised);
  const { prompts, length, ...names } = text;
  return {
    ...input,
    ...(isOpen && { fit: 'shorter-side' as const }),
    ...(extra && {
      extra: extra.map((one) =>
        isOpen && one.holds === 'ones' ? { ...one, holds: 'pixel-mask' as const, dims: [] } : one,
      ),
    }),
    text: {
      ...names,
      length: length ?? LENGTHS[family],
      padded: length !== undefined || family !== 'grounding-dino',
      pad: facts.pad,
      prompts: family === 'grounding-dino' ? 'any' : (prompts ?? 'any'),
      tokenizer: 'tokenizer.json',
    },
  };
}

/**
 * Which outputs hold what, after one run.
 * @param prompts that went in
 * @returns undefined where the shapes are not the family's
 */
function recognisePrompted(
  family: PromptedFamilyName,
  outputs: readonly ObservedOutput[],
  prompts: number,
): DetectorCard['outputs'] | undefined {
  const lists = outputs.filter(({ tensor }) => tensor.dims.length === 3);
  const boxes = lists.find(({ name, tensor }) => tensor.dims[2] === 4 && /box/i.test(name));
  const rows = boxes?.tensor.dims[1];
  const logits = lists.find(
    ({ name, tensor }) => tensor.dims[1] === rows && /logit/i.test(name) && !/object/i.test(name),
  );
  if (!boxes || !logits) return undefined;
  const perPrompt = family === 'grounding-dino' ? logits.tensor.dims[0] : logits.tensor.dims[2];
  return perPrompt === prompts ? { logits: [logits.name], boxes: [boxes.name] } : undefined;
}
