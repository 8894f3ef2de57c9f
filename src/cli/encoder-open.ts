import { resolve } from 'node:path';
import { encoderDisagreements } from '../detection/encoder-signature.js';
import type { Disagreement } from '../detection/signature.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { asVgrError, printable, quoted, VgrError } from '../formats/fault.js';
import type { EncoderTrace } from '../formats/refiner-card.js';
import { deviceText } from '../inference/device.js';
import type { SessionPool } from '../inference/pool.js';
import { pooledEncoder } from '../inference/pooled-encoder.js';
import { cropPhoto } from '../io/crop-decoder.js';
import type { DecodingMemory } from '../io/decoding-memory.js';
import { isEncoder, readEncoder, type StoredEncoder } from '../io/encoder-files.js';
import { contentKey } from '../io/example-cache.js';
import { rememberModel } from '../io/model-record.js';
import { findModel } from '../io/model-store.js';
import { CropMatching, type ImageTextEncoder } from '../pipeline/crop-matching.js';

/** An image-text encoder whose towers stand in the pool. */
export interface OpenedEncoder {
  readonly card: EncoderCard;
  readonly encoder: ImageTextEncoder;
  /** What a refiner's card tells of it. */
  readonly trace: EncoderTrace;
}

/**
 * Loads the encoder that `--encoder` names.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function openNamedEncoder(name: string, pool: SessionPool): Promise<OpenedEncoder> {
  return openEncoder(await findEncoder(name), pool);
}

/**
 * Loads the encoder that a refiner was trained with, and no other.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function openTrainedEncoder(
  trace: EncoderTrace,
  refiner: string,
  pool: SessionPool,
): Promise<OpenedEncoder> {
  const model = await findEncoder(trace.name).catch((thrown: unknown) => {
    const fault = asVgrError(thrown);
    if (fault.code !== 'MODEL_UNKNOWN') throw fault;
    throw new VgrError(
      'MODEL_MISSING',
      `refiner ${quoted(refiner)} needs the encoder ${quoted(trace.name)} (${trace.family}), which is not here`,
      {
        hint: `add it: \`vgr models add FOLDER --name ${trace.name}\`, or copy its folder to where \`vgr models list\` looks`,
        cause: fault,
      },
    );
  });
  const opened = await openEncoder(model, pool);
  const parts = ['image_sha256', 'text_sha256', 'tokenizer_sha256', 'rules_sha256'] as const;
  const other = parts.find((part) => opened.trace[part] !== trace[part]);
  if (other === undefined) return opened;
  throw new VgrError(
    'MODEL_CORRUPT',
    `refiner ${quoted(refiner)} was trained with another encoder ${quoted(trace.name)}: ${other}: expected ${trace[other]}, got ${opened.trace[other]}`,
    {
      hint: `bring back the one that it was trained with, or train again: \`vgr train-lite --encoder ${trace.name}\``,
    },
  );
}

/** @throws VgrError MODEL_UNKNOWN; CARD_INVALID where the model is no encoder */
async function findEncoder(name: string): Promise<StoredEncoder> {
  const model = await findModel(name);
  if (isEncoder(model)) return model;
  throw new VgrError(
    'CARD_INVALID',
    `${quoted(name)}: expected an image-text encoder, got a ${model.card.kind}`,
    { hint: '`vgr models list` shows which models are encoders' },
  );
}

/**
 * Loads both towers and tries them.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function openEncoder(model: StoredEncoder, pool: SessionPool): Promise<OpenedEncoder> {
  const { card } = model;
  const { image, text, tokenizer, tokenizerSha256 } = await readEncoder(model);
  const whole = image === text;
  const names = {
    image: `encoder/${card.name}/image`,
    text: `encoder/${card.name}/${whole ? 'image' : 'text'}`,
  };
  const looking = await pool.load({ name: names.image, bytes: image.bytes });
  const reading = whole ? looking : await pool.load({ name: names.text, bytes: text.bytes });
  refuseLies(card, [
    ...encoderDisagreements(card, 'image', looking.signature),
    ...encoderDisagreements(card, 'text', reading.signature),
  ]);
  // The library is loaded for encoders alone.
  const { readTokenizer } = await import('../detection/tokenizer.js');
  const encoder = pooledEncoder(pool, card, {
    ...names,
    signature: reading.signature,
    tokenize: readTokenizer(tokenizer, card),
  });
  await tryEncoder(encoder, card);
  if (model.weights && pool.device) {
    await rememberModel(card.name, resolve(model.weights), image.sha256, deviceText(pool.device));
  }
  return {
    card,
    encoder,
    trace: {
      family: card.family,
      name: card.name,
      image_sha256: image.sha256,
      text_sha256: text.sha256,
      tokenizer_sha256: tokenizerSha256,
      rules_sha256: rulesKey(card),
    },
  };
}

/** Has each session run both towers once. */
export async function warmEncoder(
  { card, encoder }: OpenedEncoder,
  sessions: number,
): Promise<void> {
  const { width, height } = card.image;
  const blank = { width, height, data: new Uint8Array(width * height * 3) };
  const each = Array.from({ length: sessions });
  // What is asked at the same time goes to one session each.
  await Promise.all(each.map(() => encoder.embedCrops([blank])));
  await Promise.all(each.map(() => encoder.embedText('a')));
}

/** What the crops of one photo may hold at a time: 111 crops of 224 pixels. */
const CROP_BYTES = 16 * 2 ** 20;

/** Crops of photos held against texts, with the limits of the flags. */
export function cropMatching(
  { card, encoder }: OpenedEncoder,
  flags: { readonly 'max-pixels': number },
  memory?: DecodingMemory,
): CropMatching {
  const { width, height, fit, fill } = card.image;
  const spec = { width, height, fit, fill };
  return new CropMatching(
    encoder,
    ({ path }, boxes) => cropPhoto(path, boxes, spec, { maxPixels: flags['max-pixels'], memory }),
    Math.max(1, Math.floor(CROP_BYTES / (3 * width * height))),
  );
}

/** Of all in a card beside the files that decides an embedding or what is made of it. */
function rulesKey({ image, text, match }: EncoderCard): string {
  const { model: _model, tokenizer: _tokenizer, ...reading } = text;
  return contentKey({ image, text: reading, match });
}

function refuseLies({ name }: EncoderCard, found: readonly Disagreement[]): void {
  if (found.length === 0) return;
  const told = found
    .map((one) => `${quoted(one.field)}: the card says ${one.card}, the graph has ${one.graph}`)
    .join('; ');
  throw new VgrError('CARD_INVALID', `model ${quoted(name)}: ${told}`, {
    hint: 'correct the card, or let `vgr models add FOLDER` write one',
  });
}

/** Both towers must run and meet in one space; better now than for each query. @throws VgrError CARD_INVALID */
async function tryEncoder(encoder: ImageTextEncoder, card: EncoderCard): Promise<void> {
  const { width, height } = card.image;
  const grey = { width, height, data: new Uint8Array(width * height * 3).fill(128) };
  try {
    const [crops, words] = await Promise.all([
      encoder.embedCrops([grey]),
      encoder.embedText('a thing'),
    ]);
    const [seen, meant] = [crops[0]!.length, words.length];
    if (seen === meant) return;
    throw new VgrError(
      'CARD_INVALID',
      `model ${quoted(card.name)}: the towers give embeddings of ${seen} and ${meant} numbers, which cannot be compared`,
      { hint: 'take both towers from the same export' },
    );
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.exit !== 1) throw fault;
    throw new VgrError(
      'CARD_INVALID',
      `model ${quoted(card.name)} does not run: ${printable(fault.message)}`,
      { hint: 'docs/models/clip.md tells what the towers take and give', cause: fault },
    );
  }
}
