import type { FurtherFile } from '../formats/card-parts.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { furtherPath, readFurther, tokenizerJson } from './model-files.js';
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
  const { file, files, text: rules } = model.card;
  const named = (name: string) => files.find((further) => further.file === name)!;
  const image = await readVerified(model);
  const text =
    rules.model === file ? image : await readVerified(asModel(model, named(rules.model)));
  const further = named(rules.tokenizer);
  const bytes = await readFurther(model, further);
  return {
    image,
    text,
    tokenizer: tokenizerJson(bytes, furtherPath(model, further.file)!),
    // A file without one is not read.
    tokenizerSha256: further.sha256!,
  };
}

/** A further file as if it were the weights of a model of its own, to be read and verified like them. */
function asModel(model: StoredEncoder, { file, sha256, bytes }: FurtherFile): StoredEncoder {
  const { sha256: _, bytes: _bytes, ...card } = model.card;
  const own = {
    ...card,
    file,
    ...(sha256 !== undefined && { sha256 }),
    ...(bytes !== undefined && { bytes }),
  };
  return { ...model, card: own, weights: furtherPath(model, file) };
}
