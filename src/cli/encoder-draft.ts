import { basename, dirname } from 'node:path';
import { MASK_INPUT } from '../detection/encoder-signature.js';
import { portText } from '../detection/signature.js';
import {
  ENCODER_FAMILIES,
  type EncoderCard,
  type EncoderFamilyName,
} from '../formats/encoder-card.js';
import { asVgrError, quoted, VgrError } from '../formats/fault.js';
import { parsePreprocessor } from '../formats/hub-config.js';
import { parseModelCard } from '../formats/model-card.js';
import type { OnnxOutline, TensorPort } from '../formats/onnx-outline.js';
import { readBeside, readBytesBeside } from '../io/model-install.js';
import { externalFiles, missingBeside, type Tower, textTower } from './encoder-towers.js';
import { sha256Of } from './versions.js';

/** What a user says of an encoder. */
export interface EncoderClaims {
  readonly family?: string | undefined;
  readonly licence?: string | undefined;
  readonly citation?: string | undefined;
}

/** What is usual for a family. Scales and biases are those of OpenAI's models and of SigLIP B/16, 224 x 224. */
const USUAL = {
  clip: {
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
    length: 77,
    padded: false,
    padToken: '<|endoftext|>',
    fit: 'letterbox-centre',
    fill: 118,
    match: { scale: 100, bias: null },
  },
  siglip: {
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    length: 64,
    padded: true,
    padToken: '</s>',
    fit: 'stretch',
    fill: 0,
    match: { scale: 117.330765, bias: -12.932437 },
  },
} as const;

/**
 * The card of an encoder, from its graphs and the files beside them.
 * @throws VgrError MODEL_MISSING, MODEL_INVALID, MODEL_CORRUPT, USAGE
 */
export async function draftEncoder(
  image: Tower,
  name: string,
  claims: EncoderClaims,
): Promise<EncoderCard> {
  const pixels = pixelInput(image);
  const whole = image.outline.inputs.some(isText);
  const text = whole ? image : await textTower(image);
  const words = text.outline.inputs.find(isText);
  const seen = embeddingOutput(image, ['image_embeds', 'pooler_output']);
  const read = embeddingOutput(text, ['text_embeds', 'pooler_output']);
  if (words === undefined) throw unfit(text, 'an input for tokens, int64 [batch,sequence]');
  const tokenizer = await readBytesBeside(image.path, 'tokenizer.json');
  if (tokenizer === undefined) throw missingBeside(image.path, 'tokenizer.json');
  const config = (await readBeside(image.path, 'config.json')) ?? '';
  const padToken = /"pad_token"\s*:\s*"([^"]+)"/.exec(
    (await readBeside(image.path, 'tokenizer_config.json')) ?? '',
  )?.[1];
  const family = familyOf(claims, config, seen);
  const usual = USUAL[family];
  const fixed = typeof words.dims[1] === 'number' && words.dims[1] > 0 ? words.dims[1] : undefined;
  const draft = {
    schema: 1,
    kind: 'encoder',
    name,
    family,
    title: `${family} from ${basename(dirname(image.path))}/${basename(image.path)}`,
    file: basename(image.path),
    sha256: image.sha256,
    bytes: image.bytes,
    ...externalOf(await externalFiles(whole ? [image] : [image, text])),
    licence: claims.licence ?? 'not stated',
    citation: claims.citation ?? 'not stated',
    source: { added: basename(image.path) },
    image: { ...(await imageRules(image, pixels, family)), output: seen },
    files: [
      ...(whole ? [] : [{ file: basename(text.path), sha256: text.sha256, bytes: text.bytes }]),
      { file: 'tokenizer.json', sha256: sha256Of(tokenizer), bytes: tokenizer.length },
    ],
    text: {
      model: basename(text.path),
      tokenizer: 'tokenizer.json',
      input: words.name,
      output: read,
      length: fixed ?? usual.length,
      padded: usual.padded || fixed !== undefined,
      pad: padOf(tokenizer, padToken, usual.padToken),
      template: 'a photo of {}',
    },
    match: usual.match,
  };
  const parsed = parseModelCard(draft);
  if (parsed.ok && parsed.card.kind === 'encoder') return parsed.card;
  const fault = parsed.ok ? undefined : parsed.faults[0];
  throw new VgrError(
    'USAGE',
    `${quoted(fault?.path ?? 'kind')}: expected ${fault?.expected}, got ${fault?.got}`,
    { hint: 'give a name of small letters, digits, dots and dashes with `--name`' },
  );
}

/** How crops go in: as the graph fixes it, as the files beside it say, else as is usual for the family. */
async function imageRules(
  { path, outline }: Tower,
  pixels: TensorPort,
  family: EncoderFamilyName,
): Promise<Omit<EncoderCard['image'], 'output'>> {
  const usual = USUAL[family];
  const hub = await preprocessorOf(path);
  const side = (dim: number | string | undefined, told: number | undefined): number =>
    typeof dim === 'number' && dim > 0 ? dim : (told ?? 224);
  const [batch, , height, width] = pixels.dims;
  return {
    name: pixels.name,
    type: 'float32',
    layout: 'nchw',
    width: side(width, hub?.width),
    height: side(height, hub?.height),
    batch: batch === 1 || isQuantised(outline) ? 1 : 'any',
    fit: usual.fit,
    fill: usual.fill,
    channels: 'rgb',
    scale: hub?.scale ?? 1 / 255,
    mean: [...(hub?.mean ?? usual.mean)],
    std: [...(hub?.std ?? usual.std)],
  };
}

function pixelInput(image: Tower): TensorPort {
  const found = image.outline.inputs.find(
    ({ type, dims }) => type === 'float32' && dims.length === 4 && dims[1] !== 1,
  );
  if (found) return found;
  throw unfit(image, 'an input for pixels, float32 [batch,3,height,width]');
}

function isText({ name, type, dims }: TensorPort): boolean {
  return (type === 'int64' || type === 'int32') && dims.length === 2 && name !== MASK_INPUT;
}

function embeddingOutput(tower: Tower, names: readonly string[]): string {
  const found = names.find((name) => tower.outline.outputs.some((port) => port.name === name));
  if (found) return found;
  throw unfit(tower, `an output ${names.join(' or ')}`);
}

function unfit({ path, outline }: Tower, expected: string): VgrError {
  const ports = (all: readonly TensorPort[]) => all.map(portText).join('; ');
  return new VgrError(
    'MODEL_INVALID',
    `${quoted(path)}: expected ${expected}. Found inputs ${ports(outline.inputs)}, outputs ${ports(outline.outputs)}`,
    { hint: 'docs/models/clip.md tells how encoders are exported' },
  );
}

/** What the user says, what `config.json` says, else what the output is called. */
function familyOf({ family }: EncoderClaims, config: string, output: string): EncoderFamilyName {
  const claimed = ENCODER_FAMILIES.find((each) => each === family);
  if (claimed) return claimed;
  const type = /"model_type"\s*:\s*"([a-z]+)/.exec(config)?.[1];
  const told = ENCODER_FAMILIES.find((each) => each === type);
  return told ?? (output === 'pooler_output' ? 'siglip' : 'clip');
}

/** Quantised while it runs, by the largest number of the whole batch: crops would change each other's numbers. */
function isQuantised({ operators }: OnnxOutline): boolean {
  return operators.has('DynamicQuantizeLinear') || operators.has('DynamicQuantizeMatMul');
}

async function preprocessorOf(path: string): Promise<ReturnType<typeof parsePreprocessor>> {
  const text = await readBeside(path, 'preprocessor_config.json');
  if (text === undefined) return undefined;
  try {
    return parsePreprocessor(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The token that fills: as the tokeniser or its configuration has it, else the family's usual one; 0 where it knows neither. */
function padOf(tokenizer: Uint8Array, configured: string | undefined, usual: string): number {
  try {
    const json = JSON.parse(new TextDecoder().decode(tokenizer)) as {
      padding?: { pad_id?: unknown } | null;
      added_tokens?: readonly { id: number; content: string }[];
    };
    const told = json.padding?.pad_id;
    if (typeof told === 'number') return told;
    const names = [...(configured === undefined ? [] : [configured]), usual, '<pad>', '[PAD]'];
    const tokens = json.added_tokens ?? [];
    const token = names
      .map((name) => tokens.find(({ content }) => content === name))
      .find((each) => each !== undefined);
    return token?.id ?? 0;
  } catch (thrown) {
    throw new VgrError('MODEL_CORRUPT', `tokenizer.json: ${asVgrError(thrown).message}`);
  }
}

function externalOf(external: NonNullable<EncoderCard['external']>): Pick<EncoderCard, 'external'> {
  return external.length > 0 ? { external } : {};
}
