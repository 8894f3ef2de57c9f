import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { FurtherFile } from '../formats/card-parts.js';
import { printable, quoted, VgrError } from '../formats/fault.js';
import type { PromptedCard } from '../formats/model-card.js';
import { modelsFolder } from './model-place.js';
import type { StoredModel } from './model-store.js';
import { missingFile, otherFile, unpinned } from './model-weights.js';
import { isFile } from './text-file.js';

/** The further files that a card names. */
export function furtherFiles({ card }: Pick<StoredModel, 'card'>): readonly FurtherFile[] {
  return card.kind === 'refiner' ? [] : (card.files ?? []);
}

/**
 * Where a further file of a model lies: beside the card, in the model's folder among the user's own, beside the weights or in
 * the folder above them, as the Hugging Face hub lays them out; undefined while it is not there.
 */
export function furtherPath(
  { card, folder, weights }: StoredModel,
  file: string,
  userFolder = modelsFolder(),
): string | undefined {
  const around = weights ? [dirname(weights), dirname(dirname(resolve(weights)))] : [];
  const places = [folder, join(userFolder, card.name), ...around];
  return places.map((place) => join(place, file)).find((path) => isFile(path));
}

/**
 * The bytes of a further file, checked against the card.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readFurther(model: StoredModel, named: FurtherFile): Promise<Uint8Array> {
  const path = furtherPath(model, named.file);
  if (path === undefined) throw missingFile(model.card, join(model.folder, named.file));
  if (named.sha256 === undefined) throw unpinned(model.card, path);
  const bytes = await readFile(path);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== named.sha256) throw otherFile(path, named, sha256, bytes.length);
  return bytes;
}

/** A tokeniser as its files hold it. */
export interface TokenizerFiles {
  readonly tokenizer: object;
  /** Empty where the model has none. */
  readonly config: object;
}

/**
 * The tokeniser of a model that is asked in words.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readTokenizer(
  model: StoredModel & { readonly card: PromptedCard },
): Promise<TokenizerFiles> {
  const { tokenizer, config } = model.card.input.text;
  const read = async (file: string): Promise<object> => {
    const named = furtherFiles(model).find((one) => one.file === file)!;
    return tokenizerJson(await readFurther(model, named), furtherPath(model, file)!);
  };
  return {
    tokenizer: await read(tokenizer),
    config: config === undefined ? {} : await read(config),
  };
}

/** @throws VgrError MODEL_CORRUPT where the bytes are no JSON object */
export function tokenizerJson(bytes: Uint8Array, path: string): object {
  let reason = 'another value';
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  } catch (thrown) {
    reason = printable((thrown as Error).message).slice(0, 120);
  }
  throw new VgrError('MODEL_CORRUPT', `${quoted(path)}: expected a JSON object, got ${reason}`, {
    hint: 'bring the file again; the repository of the model has it',
  });
}
