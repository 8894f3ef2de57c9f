import { type BoxXyxy, widenedXyxy } from '../core/box.js';
import { asVgrError, printable, quoted, VgrError } from '../core/error.js';
import { PromiseCache } from '../core/lru.js';
import { plainRaster, type RgbRaster } from '../core/raster.js';
import { Semaphore } from '../core/semaphore.js';
import { sha256Of } from '../core/text.js';
import { encoderDisagreements, fitTokens, MASK_INPUT } from '../detect/encoder.js';
import type { NamedTensors, Tensor } from '../detect/family.js';
import { numbersOf } from '../detect/packing.js';
import type { GraphSignature } from '../detect/signature.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import type { EncoderFingerprint } from '../formats/refiner-card.js';
import { cropPhoto } from '../photos/crop.js';
import { type DecodingMemory, type PhotoFlags, photoLimits } from '../photos/decode.js';
import type { CropMatcher, MatchScale } from '../refine/refiner.js';
import { groupsOf, refuseDisagreements } from './detector.js';
import {
  findModel,
  ofKind,
  readEncoder,
  rememberModel,
  type StoredEncoder,
} from './model-store.js';
import type { SessionPool } from './pool.js';
import { retriedOnCrash } from './pooled-worker.js';
import type { PhotoRef } from './ports.js';
import type { Requests } from './worker.js';

/** A loaded image-text encoder. Embeddings are [d] and of length 1. */
export interface ImageTextEncoder extends MatchScale {
  /** One embedding per crop. @throws VgrError */
  embedCrops(crops: readonly RgbRaster[]): Promise<readonly Float32Array[]>;
  /** @throws VgrError */
  embedText(text: string): Promise<Float32Array>;
}

/**
 * Crops in one run, filled up with black ones: matrix kernels add up in another order for another number of rows, and an
 * embedding must not depend on the crops beside it.
 */
const CROPS_A_RUN = 8;

/**
 * An image-text encoder whose sessions live in the pool. Texts are lower-cased, as both families were trained.
 * @param names of the towers in the pool; the same for a graph with both
 * @param signature of the text tower
 * @param tokenize gives the tokens of a text, special ones included
 */
function pooledEncoder(
  pool: SessionPool,
  card: EncoderCard,
  { image, text }: { readonly image: string; readonly text: string },
  signature: GraphSignature,
  tokenize: (text: string) => readonly number[],
): ImageTextEncoder {
  const both = image === text;
  const { output, fit: _fit, fill: _fill, ...input } = card.image;
  const pixelInput = { name: card.name, input };
  const perRun = card.image.batch === 'any' ? CROPS_A_RUN : 1;
  const blank = plainRaster(card.image, 0);
  const tokensOf = (words: string): NamedTensors => {
    const { ids, mask } = fitTokens(
      tokenize(card.text.template.replace('{}', () => words)),
      card.text,
    );
    // SigLIP is trained to read its padding too.
    const read = card.family === 'siglip' ? ids.map(() => 1) : mask;
    return tokenTensors(ids, read, card.text.input, signature);
  };
  const embed = async (request: Requests['run']) => {
    const outputs = await retriedOnCrash(() => pool.run(request));
    return embeddingsOf(outputs[request.fetches![0]!], card);
  };
  // A graph with both towers always runs both: the unused one gets the smallest input.
  const idle = both ? tokensOf('a') : {};
  return {
    ...card.match,
    async embedCrops(crops) {
      const runs = groupsOf(crops, perRun).map(async (group) => {
        const filler = new Array<RgbRaster>(perRun - group.length).fill(blank);
        const photos = { input: pixelInput, rasters: [...group, ...filler] };
        const rows = await embed({ model: image, feeds: idle, photos, fetches: [output] });
        return rows.slice(0, group.length);
      });
      return (await Promise.all(runs)).flat();
    },
    async embedText(words) {
      const feeds = tokensOf(words.toLowerCase());
      const photos = both ? { input: pixelInput, rasters: [blank] } : undefined;
      return (await embed({ model: text, feeds, photos, fetches: [card.text.output] }))[0]!;
    },
  };
}

function tokenTensors(
  ids: readonly number[],
  mask: readonly number[],
  name: string,
  { inputs }: GraphSignature,
): NamedTensors {
  const tensor = (values: readonly number[], wanted: string | undefined): Tensor => {
    const type = wanted === 'int32' ? wanted : 'int64';
    return { type, data: numbersOf(type, values), dims: [1, values.length] };
  };
  const port = (wanted: string) => inputs.find((each) => each.name === wanted);
  const masked = port(MASK_INPUT);
  return {
    [name]: tensor(ids, port(name)?.type),
    ...(masked && { [MASK_INPUT]: tensor(mask, masked.type) }),
  };
}

/** Rows of length 1. @throws VgrError CARD_INVALID where the output is no embedding */
function embeddingsOf(tensor: Tensor | undefined, { name }: EncoderCard): readonly Float32Array[] {
  const [rows, width, ...more] = tensor?.dims ?? [];
  if (tensor?.type !== 'float32' || !rows || !width || more.length > 0) {
    const got = tensor ? `${tensor.type} [${tensor.dims.join(',')}]` : 'nothing';
    throw new VgrError(
      'CARD_INVALID',
      `model \`${name}\`: expected embeddings, float32 [batch,d], got ${got}`,
      { hint: 'docs/models/clip.md explains which output holds them' },
    );
  }
  const data = tensor.data as Float32Array;
  return Array.from({ length: rows }, (_, row) =>
    normalised(data.subarray(row * width, (row + 1) * width)),
  );
}

function normalised(values: Float32Array): Float32Array {
  let sum = 0;
  for (const value of values) sum += value * value;
  const length = Math.max(Math.sqrt(sum), 1e-12);
  return values.map((value) => value / length);
}

/** An image-text encoder whose towers are in the pool. */
export type OpenedEncoder = Awaited<ReturnType<typeof openEncoder>>;

/**
 * Loads the encoder that a refiner was trained with, and no other.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function openTrainedEncoder(
  trained: EncoderFingerprint,
  refiner: string,
  pool: SessionPool,
): Promise<OpenedEncoder> {
  const model = await findEncoder(trained.name).catch((thrown: unknown) => {
    const error = asVgrError(thrown);
    if (error.code !== 'MODEL_UNKNOWN') throw error;
    throw new VgrError(
      'MODEL_MISSING',
      `refiner ${quoted(refiner)} needs the encoder ${quoted(trained.name)} (${trained.family}), which is not here`,
      {
        hint: `add it: \`vgr models add FOLDER --name ${trained.name}\`, or copy its folder to where \`vgr models list\` looks`,
        cause: error,
      },
    );
  });
  const opened = await openEncoder(model, pool);
  const parts = ['image_sha256', 'text_sha256', 'tokenizer_sha256', 'rules_sha256'] as const;
  const other = parts.find((part) => opened.fingerprint[part] !== trained[part]);
  if (other === undefined) return opened;
  throw new VgrError(
    'MODEL_CORRUPT',
    `refiner ${quoted(refiner)} was trained with another encoder ${quoted(trained.name)}: ${other}: expected ${trained[other]}, got ${opened.fingerprint[other]}`,
    {
      hint: `restore the encoder that it was trained with, or train again: \`vgr train-lite --encoder ${trained.name}\``,
    },
  );
}

/** @throws VgrError MODEL_UNKNOWN; CARD_INVALID where the model is no encoder */
export async function findEncoder(name: string): Promise<StoredEncoder> {
  return ofKind(await findModel(name), 'encoder', name);
}

/**
 * Loads both towers and tries them.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function openEncoder(model: StoredEncoder, pool: SessionPool) {
  const { card } = model;
  const { image, text, tokenizer, tokenizerSha256 } = await readEncoder(model);
  const whole = image === text;
  const names = {
    image: `encoder/${card.name}/image`,
    text: `encoder/${card.name}/${whole ? 'image' : 'text'}`,
  };
  const looking = await pool.load({ name: names.image, bytes: image.bytes });
  const reading = whole ? looking : await pool.load({ name: names.text, bytes: text.bytes });
  const found = [
    ...encoderDisagreements(card, 'image', looking),
    ...encoderDisagreements(card, 'text', reading),
  ];
  refuseDisagreements(card, found, 'FOLDER');
  // Only encoders load the library.
  const { readTokenizer } = await import('../detect/prompt-tokenizer.js');
  const encoder = pooledEncoder(pool, card, names, reading, readTokenizer(tokenizer, card));
  await tryEncoder(encoder, card);
  await rememberModel(model, image.sha256, pool.placeOf(names.image)?.device);
  /** What a refiner's card pins. */
  const fingerprint: EncoderFingerprint = {
    family: card.family,
    name: card.name,
    image_sha256: image.sha256,
    text_sha256: text.sha256,
    tokenizer_sha256: tokenizerSha256,
    rules_sha256: rulesKey(card),
  };
  return { model, card, encoder, fingerprint, graphs: [...new Set([names.image, names.text])] };
}

/** Runs both towers once in each session. */
export async function warmEncoder(
  { card, encoder }: OpenedEncoder,
  sessions: number,
): Promise<void> {
  const blank = plainRaster(card.image, 0);
  const each = Array.from({ length: sessions });
  // Simultaneous calls go to one session each.
  await Promise.all(each.map(() => encoder.embedCrops([blank])));
  await Promise.all(each.map(() => encoder.embedText('a')));
}

/** Fingerprint of everything in a card, beside the files, that changes an embedding or its use. */
function rulesKey({ image, text, match }: EncoderCard): string {
  const { model: _model, tokenizer: _tokenizer, ...reading } = text;
  return sha256Of(JSON.stringify({ image, text: reading, match }));
}

/** Checks once that both towers run and have embeddings of one length. @throws VgrError CARD_INVALID */
async function tryEncoder(encoder: ImageTextEncoder, card: EncoderCard): Promise<void> {
  try {
    const [crops, words] = await Promise.all([
      encoder.embedCrops([plainRaster(card.image, 128)]),
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
    const error = asVgrError(thrown);
    if (error.exit !== 1) throw error;
    throw new VgrError(
      'CARD_INVALID',
      `model ${quoted(card.name)} does not run: ${printable(error.message)}`,
      { hint: 'docs/models/clip.md explains the inputs and outputs of the towers', cause: error },
    );
  }
}

/** Cuts boxes, in pixels of the upright photo, to the encoder's input. @throws VgrError of the photo */
export type CropPhoto = (ref: PhotoRef, boxes: readonly BoxXyxy[]) => Promise<readonly RgbRaster[]>;

/** Compares crops of a photo with texts. */
export type CropMatching = (ref: PhotoRef) => CropMatcher;

/** Limit for the crops of one photo at a time: 111 crops of 224 pixels. */
const CROP_BYTES = 16 * 2 ** 20;

/** Compares crops of photos with texts, within the limits of the flags. */
export function photoMatching(
  { card, encoder }: OpenedEncoder,
  flags: PhotoFlags,
  memory?: DecodingMemory,
): CropMatching {
  const { width, height, fit, fill } = card.image;
  const spec = { width, height, fit, fill };
  return cropMatching(
    encoder,
    ({ path }, boxes) => cropPhoto(path, boxes, spec, { ...photoLimits(flags), memory }),
    Math.max(1, Math.floor(CROP_BYTES / (3 * width * height))),
  );
}

/** Crops are wider than their box by this share of it on each side: the surroundings help to recognise an object. */
const MARGIN = 0.1;
/** Decoded photos at a time, up to 48 MB each. */
const MAX_DECODED = 4;
/** Cached embeddings of crops, and as many of texts, a few kilobytes each: the boxes of some hundred photos. */
const CACHED = 8192;

/**
 * Compares crops with texts. Embeddings are cached: neighbouring queries share photos and boxes.
 * @param maxCrops of one photo at a time; for more it is decoded again
 */
export function cropMatching(
  encoder: ImageTextEncoder,
  crop: CropPhoto,
  maxCrops: number,
): CropMatching {
  const crops = new PromiseCache<Float32Array>(CACHED);
  const texts = new PromiseCache<Float32Array>(CACHED);
  const decoding = new Semaphore(MAX_DECODED);

  const embedCrops = (ref: PhotoRef, boxes: readonly BoxXyxy[]) =>
    decoding.run(async () => {
      const made: Float32Array[] = [];
      for (const group of groupsOf(boxes, maxCrops)) {
        const widened = group.map((box) => widenedXyxy(box, MARGIN));
        made.push(...(await encoder.embedCrops(await crop(ref, widened))));
      }
      return made;
    });

  const embedBoxes = (ref: PhotoRef, boxes: readonly BoxXyxy[]) => {
    const keys = boxes.map((box) => `${box.x1} ${box.y1} ${box.x2} ${box.y2} ${ref.path}`);
    // The new entries may push these out of the cache.
    const embeddings = new Map<string, Promise<Float32Array>>();
    const fresh = new Map<string, BoxXyxy>();
    for (const [index, key] of keys.entries()) {
      const known = crops.get(key);
      if (known) embeddings.set(key, known);
      else fresh.set(key, boxes[index]!);
    }
    if (fresh.size > 0) {
      const made = embedCrops(ref, [...fresh.values()]);
      for (const [index, key] of [...fresh.keys()].entries()) {
        const embedding = made.then((all) => all[index]!);
        embeddings.set(key, embedding);
        crops.set(key, embedding);
      }
    }
    return Promise.all(keys.map((key) => embeddings.get(key)!));
  };

  const embedText = (text: string) => texts.getOrMake(text, () => encoder.embedText(text));

  const { scale, bias } = encoder;
  return (ref) => ({
    scale,
    bias,
    match: async (boxes, words) => {
      const [looks, meanings] = await Promise.all([
        embedBoxes(ref, boxes),
        Promise.all(words.map(embedText)),
      ]);
      return meanings.map((meaning) => Float32Array.from(looks, (look) => dot(look, meaning)));
    },
  });
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at]! * b[at]!;
  return sum;
}
