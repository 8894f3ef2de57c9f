import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { asVgrError, printable, quoted, VgrError } from '../core/error.js';
import { fileExists } from '../core/files.js';
import type { Printer } from '../core/terminal.js';
import { sha256Of } from '../core/text.js';
import { MASK_INPUT } from '../detect/encoder.js';
import { portText } from '../detect/signature.js';
import {
  ENCODER_FAMILIES,
  type EncoderCard,
  type EncoderFamilyName,
} from '../formats/encoder-card.js';
import { parseModelCard } from '../formats/model-card.js';
import type { OnnxOutline, TensorPort } from '../formats/onnx.js';
import { cropMatching, type OpenedEncoder, openEncoder } from '../runtime/encoder.js';
import { externalPath, modelsFolder, readOutline } from '../runtime/model-store.js';
import { openPool } from '../runtime/open-pool.js';
import type { PhotoRef } from '../runtime/ports.js';
import { openTrialPhoto, TRIAL_NAMES, trialPhotos } from '../runtime/rate.js';
import { nameOfFile, parsePreprocessor } from './facts.js';
import { installModel, readBeside, readBytesBeside } from './install.js';

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
async function draftEncoder(
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
  const error = parsed.ok ? undefined : parsed.errors[0];
  throw new VgrError(
    'USAGE',
    `${quoted(error?.path ?? 'kind')}: expected ${error?.expected}, got ${error?.got}`,
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

/** A graph with its file. */
export interface Tower {
  readonly path: string;
  readonly outline: OnnxOutline;
  readonly sha256: string;
  readonly bytes: number;
}

/** Names of the image tower in a folder of the hub's layout, the likeliest first. */
const IMAGE_TOWERS = [
  'vision_model.onnx',
  'onnx/vision_model.onnx',
  'model.onnx',
  'onnx/model.onnx',
];

/**
 * The image tower that a path means: the file itself, or the one in a folder of the hub's layout. Undefined where it is no
 * image-text encoder.
 * @throws VgrError MODEL_MISSING for a folder without one, MODEL_CORRUPT
 */
export async function encoderAt(
  path: string,
  { family }: { readonly family?: string | undefined },
): Promise<Tower | undefined> {
  if (path.endsWith('.onnx')) {
    const tower = await readTower(path);
    const claimed = ENCODER_FAMILIES.some((each) => each === family);
    return tower && (claimed || looksLikeEncoder(tower)) ? tower : undefined;
  }
  if (!(await isFolder(path))) return undefined;
  const found = IMAGE_TOWERS.map((name) => join(path, name)).find(fileExists);
  if (found) return readTower(found);
  throw new VgrError(
    'MODEL_MISSING',
    `${quoted(path)}: expected an ONNX file, or a folder with ${IMAGE_TOWERS.slice(0, 2).join(' or ')}, got neither`,
  );
}

async function isFolder(path: string): Promise<boolean> {
  const there = await stat(path).catch(() => undefined);
  return there?.isDirectory() ?? false;
}

async function readTower(path: string): Promise<Tower | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return undefined;
  return {
    path,
    outline: readOutline(bytes, path),
    sha256: sha256Of(bytes),
    bytes: bytes.length,
  };
}

/** Detectors that are asked in words give embeddings too, beside their boxes. */
function looksLikeEncoder({ path, outline: { outputs } }: Tower): boolean {
  const names = new Set(outputs.map(({ name }) => name));
  if (names.has('pred_boxes')) return false;
  return names.has('image_embeds') || /^vision_model/.test(basename(path));
}

/**
 * The tower that reads texts: `text_model_quantized.onnx` beside `vision_model_quantized.onnx`.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
async function textTower({ path }: Tower): Promise<Tower> {
  const name = basename(path).replace(/^(?:vision_)?model/, 'text_model');
  const tower = await readTower(join(dirname(path), name));
  if (tower) return tower;
  throw missingBeside(path, name);
}

/** Says that a file of the encoder is not beside its image tower. */
function missingBeside(path: string, name: string): VgrError {
  return new VgrError('MODEL_MISSING', `${quoted(name)} is not beside ${quoted(path)}`, {
    hint: 'an encoder is vision_model.onnx, text_model.onnx and tokenizer.json of one export',
  });
}

/** The files to which the towers moved weights. @throws VgrError MODEL_MISSING */
async function externalFiles(
  towers: readonly Tower[],
): Promise<NonNullable<EncoderCard['external']>> {
  const found: { file: string; sha256: string; bytes: number }[] = [];
  for (const { path, outline } of towers) {
    for (const location of outline.externalFiles) {
      const bytes = await readFile(await externalPath(location, path)).catch(() => undefined);
      if (bytes === undefined) throw missingBeside(path, location);
      found.push({ file: basename(location), sha256: sha256Of(bytes), bytes: bytes.length });
    }
  }
  return found;
}

export interface AddEncoderFlags extends EncoderClaims {
  readonly photo?: readonly string[] | undefined;
  readonly device: string;
  readonly 'dry-run': boolean;
}

const PHOTO_LIMIT = { 'max-pixels': 100_000_000 };

/** An encoder's name made of where its image tower lies. */
export function nameOfEncoder({ path }: Tower): string {
  return nameOfFile(path.replace(/vision_model([^/\\]*)$/, 'model$1'));
}

/** Writes an encoder's card, shows which of a few words fits photos best, and adds it. @returns the exit code */
export async function addEncoder(
  image: Tower,
  name: string,
  flags: AddEncoderFlags,
  printer: Printer,
): Promise<number> {
  const card = await draftEncoder(image, name, flags);
  const photos = await trialPhotos(flags.photo);
  const { pool } = openPool({ device: flags.device, detector: name, sessions: 1 }, printer);
  try {
    const model = { card, folder: hubFolder(image), weights: image.path };
    await show(await openEncoder(model, pool), photos, printer);
    if (card.match.bias !== null) {
      printer.note(
        'note: the graphs do not tell scale and bias; the card has those of SigLIP B/16. Correct `match` for other weights',
      );
    }
    if (flags['dry-run']) await printer.data(`${JSON.stringify(card, null, 2)}\n`);
    else await printer.data(`${await installModel(card, image.path, modelsFolder())}\n`);
    return 0;
  } finally {
    await pool.close();
  }
}

/** Where the tokeniser lies: beside the graphs, or one folder above. */
function hubFolder({ path }: Tower): string {
  const folder = dirname(path);
  return fileExists(join(folder, 'tokenizer.json')) ? folder : dirname(folder);
}

async function show(
  opened: OpenedEncoder,
  photos: readonly PhotoRef[],
  printer: Printer,
): Promise<void> {
  const { name, family, image, text } = opened.card;
  await printer.data(
    `${name}: ${family}, ${image.width} x ${image.height}, ${image.fit}, texts of at most ${text.length} tokens\n`,
  );
  const matching = cropMatching(opened, PHOTO_LIMIT);
  for (const ref of photos) {
    const { size } = await openTrialPhoto(ref, { width: 16, height: 16, fit: 'stretch', fill: 0 });
    const whole = { x1: 0, y1: 0, x2: size.width, y2: size.height };
    const rows = await matching.of(ref).match([whole], TRIAL_NAMES);
    const best = TRIAL_NAMES.map((word, at) => ({ word, cosine: rows[at]![0]! }))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, 3);
    const told = best.map(({ word, cosine }) => `${word} ${cosine.toFixed(3)}`).join(', ');
    await printer.data(`  ${printable(ref.image)}: ${told}\n`);
  }
}
