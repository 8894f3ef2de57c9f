import { createHash } from 'node:crypto';
import { draftDecoding } from '../detection/card-draft.js';
import type { PromptTokenizer } from '../detection/prompt-tokenizer.js';
import {
  draftPromptedInput,
  type PromptedFacts,
  promptedFamilyOf,
  recognisePrompted,
} from '../detection/prompted-draft.js';
import { promptedFamily } from '../detection/prompted-family.js';
import { FAMILY_SHAPES, type ObservedOutput } from '../detection/recognition.js';
import { portText } from '../detection/signature.js';
import type { FurtherFile } from '../formats/card-parts.js';
import { isPromptedFamily } from '../formats/detector-outputs.js';
import { printable, quoted, VgrError } from '../formats/fault.js';
import type { DetectorCard, PromptedCard } from '../formats/model-card.js';
import { tokenizerJson } from '../io/model-files.js';
import { readBytesBeside } from '../io/model-install.js';
import { cardOf, type DraftedCard, type DraftParts, parseSize } from './model-draft.js';
import { TRIAL_NAMES } from './model-trial.js';
import { makeTokenizer } from './prompt-tokens.js';

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
