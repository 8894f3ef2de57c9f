import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FurtherFile } from '../formats/card-parts.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { asVgrError, quoted, VgrError } from '../formats/fault.js';
import { modelsFolder } from './model-place.js';
import type { StoredModel } from './model-store.js';
import { readVerified, type VerifiedModel } from './model-weights.js';

/** A model whose card is an encoder's. */
export type StoredEncoder = StoredModel & { readonly card: EncoderCard };

export function isEncoder(model: StoredModel): model is StoredEncoder {
  return model.card.kind === 'encoder';
}

/** An encoder's files, whole and as its card says. */
export interface VerifiedEncoder {
  readonly image: VerifiedModel;
  /** The very same as `image` for a graph with both towers. */
  readonly text: VerifiedModel;
  /** `tokenizer.json`, parsed. */
  readonly tokenizer: object;
  readonly tokenizerSha256: string;
}

/**
 * Reads and verifies all files of an encoder.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readEncoder(model: StoredEncoder): Promise<VerifiedEncoder> {
  const { file, text: rules } = model.card;
  const image = await readVerified(model);
  const named = (name: string) => model.card.files.find((further) => further.file === name)!;
  const text =
    rules.model === file ? image : await readVerified(asModel(model, named(rules.model)));
  const tokenizer = await readVerified(asModel(model, named(rules.tokenizer)), 'file');
  return {
    image,
    text,
    tokenizer: parsedTokenizer(tokenizer.bytes, model.card),
    tokenizerSha256: tokenizer.sha256,
  };
}

/** A further file as if it were the weights of a model of its own, to be read and verified like them. */
function asModel(model: StoredEncoder, { file, sha256, bytes }: FurtherFile): StoredEncoder {
  const { folder, weights } = model;
  const { sha256: _, bytes: _bytes, ...card } = model.card;
  const own = {
    ...card,
    file,
    ...(sha256 !== undefined && { sha256 }),
    ...(bytes !== undefined && { bytes }),
  };
  const places = [folder, join(modelsFolder(), card.name), ...(weights ? [dirname(weights)] : [])];
  const path = places.map((place) => join(place, file)).find((each) => existsSync(each));
  return { card: own, folder, weights: path };
}

function parsedTokenizer(bytes: SharedArrayBuffer, { name, text }: EncoderCard): object {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes).slice()));
    if (typeof json === 'object' && json !== null) return json;
    throw new Error('no JSON object');
  } catch (thrown) {
    throw new VgrError(
      'MODEL_CORRUPT',
      `model ${quoted(name)}: ${quoted(text.tokenizer)} is no tokenizer.json: ${asVgrError(thrown).message}`,
    );
  }
}
