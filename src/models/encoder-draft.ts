import { basename, dirname, join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { isFile } from '../core/files.js';
import { MASK_INPUT } from '../detect/encoder.js';
import {
  ENCODER_FAMILIES,
  type EncoderCard,
  type EncoderFamilyName,
} from '../formats/encoder-card.js';
import type { TensorPort } from '../formats/onnx.js';
import { cardOf, type DraftParts, padOf, portsText, tokenizerBeside } from './draft.js';
import { type GraphFile, type ModelFacts, readGraph } from './facts.js';
import { fixed } from './graph-inputs.js';
import { ENCODER_HABITS } from './habits.js';

/** Whether the file is an image-text encoder's. Prompted detectors give embeddings too, beside their boxes. */
export function looksLikeEncoder({ path, outline: { outputs } }: GraphFile): boolean {
  const names = outputs.map(({ name }) => name);
  if (names.includes('pred_boxes')) return false;
  return names.includes('image_embeds') || /^vision_model/.test(basename(path));
}

/**
 * The card of an encoder, from its image tower and the files beside it.
 * @throws VgrError MODEL_MISSING, MODEL_INVALID, MODEL_CORRUPT, USAGE
 */
export async function draftEncoder(parts: DraftParts): Promise<EncoderCard> {
  const { facts, claims } = parts;
  const pixels = pixelInput(facts);
  const whole = facts.outline.inputs.some(isText);
  const text = whole ? facts : await textTower(facts.path);
  const words = text.outline.inputs.find(isText);
  const seen = embeddingOutput(facts, ['image_embeds', 'pooler_output']);
  const read = embeddingOutput(text, ['text_embeds', 'pooler_output']);
  if (words === undefined) throw unfit(text, 'an input for tokens, int64 [batch,sequence]');
  const beside = await tokenizerBeside(facts.path);
  const family = familyOf(facts, claims.family, seen);
  const usual = ENCODER_HABITS[family];
  const { pad_token: own } = beside.config as { readonly pad_token?: unknown };
  const padToken = typeof own === 'string' ? own : undefined;
  const length = fixed(words.dims[1]);
  const file = basename(facts.path);
  const { path, sha256, content } = text;
  return cardOf<EncoderCard>(
    {
      ...parts,
      facts: whole ? facts : { ...facts, external: [...facts.external, ...text.external] },
    },
    {
      kind: 'encoder',
      family,
      title: `${family} from ${basename(dirname(facts.path))}/${file}`,
      file,
      image: imageRules(facts, pixels, family, seen),
      files: [
        ...(whole ? [] : [{ file: basename(path), sha256, bytes: content.length }]),
        beside.files[0],
      ],
      text: {
        model: basename(path),
        tokenizer: 'tokenizer.json',
        input: words.name,
        output: read,
        length: length ?? usual.length,
        padded: usual.padded || length !== undefined,
        pad: padOf(beside.tokenizer, [padToken, usual.padToken, '<pad>', '[PAD]']),
        template: 'a photo of {}',
      },
      match: usual.match,
    },
  );
}

/** How crops are packed: as the graph fixes it, else as the files beside it say, else as is usual for the family. */
function imageRules(
  { hub, outline: { operators } }: ModelFacts,
  { name, dims }: TensorPort,
  family: EncoderFamilyName,
  output: string,
): EncoderCard['image'] {
  const usual = ENCODER_HABITS[family];
  const [batch, , height, width] = dims;
  // Dynamic quantisation scales by the largest number of a batch, so crops would change each other's embeddings.
  const isQuantised =
    operators.has('DynamicQuantizeLinear') || operators.has('DynamicQuantizeMatMul');
  return {
    name,
    type: 'float32',
    layout: 'nchw',
    width: fixed(width) ?? hub?.width ?? 224,
    height: fixed(height) ?? hub?.height ?? 224,
    batch: batch === 1 || isQuantised ? 1 : 'any',
    fit: usual.fit,
    fill: usual.fill,
    channels: 'rgb',
    scale: hub?.scale ?? 1 / 255,
    mean: [...(hub?.mean ?? usual.mean)],
    std: [...(hub?.std ?? usual.std)],
    output,
  };
}

function pixelInput(image: GraphFile): TensorPort {
  const found = image.outline.inputs.find(
    ({ type, dims }) => type === 'float32' && dims.length === 4 && dims[1] !== 1,
  );
  if (found) return found;
  throw unfit(image, 'an input for pixels, float32 [batch,3,height,width]');
}

function isText({ name, type, dims }: TensorPort): boolean {
  return (type === 'int64' || type === 'int32') && dims.length === 2 && name !== MASK_INPUT;
}

function embeddingOutput(tower: GraphFile, names: readonly string[]): string {
  const found = names.find((name) => tower.outline.outputs.some((port) => port.name === name));
  if (found) return found;
  throw unfit(tower, `an output ${names.join(' or ')}`);
}

function unfit({ path, outline }: GraphFile, expected: string): VgrError {
  return new VgrError(
    'MODEL_INVALID',
    `${quoted(path)}: expected ${expected}. Found inputs ${portsText(outline.inputs)}, outputs ${portsText(outline.outputs)}`,
    { hint: 'docs/models/clip.md explains how encoders are exported' },
  );
}

/** The family that `--family` or `config.json` names, else by the name of the output. */
function familyOf(
  { modelType }: ModelFacts,
  claimed: string | undefined,
  output: string,
): EncoderFamilyName {
  // `clip_vision_model` and `siglip2` belong to these families too.
  for (const name of [claimed, /^[a-z]+/.exec(modelType ?? '')?.[0]]) {
    const family = ENCODER_FAMILIES.find((each) => each === name);
    if (family) return family;
  }
  return output === 'pooler_output' ? 'siglip' : 'clip';
}

/**
 * The tower that reads texts: `text_model_quantized.onnx` beside `vision_model_quantized.onnx`.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
async function textTower(image: string): Promise<GraphFile> {
  const name = basename(image).replace(/^(?:vision_)?model/, 'text_model');
  const path = join(dirname(image), name);
  if (isFile(path)) return readGraph(path);
  throw new VgrError('MODEL_MISSING', `${quoted(name)} is not beside ${quoted(image)}`, {
    hint: 'an encoder is vision_model.onnx, text_model.onnx and tokenizer.json of one export',
  });
}
