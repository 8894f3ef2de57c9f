import { basename } from 'node:path';
import type { ImageSize } from '../core/box.js';
import { printable, quoted, VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { sha256Of } from '../core/text.js';
import type { NamedTensors } from '../detect/family.js';
import type { PixelEncodingName } from '../detect/packing.js';
import { portText } from '../detect/signature.js';
import type { FurtherFile } from '../formats/card-parts.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { type DetectorCard, parseModelCard } from '../formats/model-card.js';
import type { TensorPort } from '../formats/onnx.js';
import type { TokenizerFiles } from '../runtime/detector.js';
import { jsonObject } from '../runtime/model-store.js';
import type { SessionPool } from '../runtime/pool.js';
import type { PhotoRef } from '../runtime/ports.js';
import { type ModelFacts, readBeside } from './facts.js';
import type { ObservedOutput } from './recognition.js';

/** What the user's flags say about a model file. */
export interface ModelClaims {
  readonly family?: string;
  readonly size?: string;
  readonly pixels?: PixelEncodingName;
  readonly channels?: 'rgb' | 'bgr';
  readonly licence?: string;
  readonly citation?: string;
}

/** What a card is drafted from. */
export interface DraftParts {
  /** The model's name, under which a detector's graph is in the pool. */
  readonly name: string;
  readonly facts: ModelFacts;
  readonly claims: ModelClaims;
  readonly pool: SessionPool;
  /** Of the trial. The draft runs a detector's graph on the first one, or on a grey raster. */
  readonly photos: readonly PhotoRef[];
  readonly printer: Printer;
}

/**
 * A card of a file of the user's own.
 * @param own fields that the graph decides; the others come from its file and from the flags
 * @throws VgrError USAGE where the flags do not make a valid card
 */
export function cardOf<Card extends DetectorCard | EncoderCard>(
  { name, facts, claims }: DraftParts,
  own: Partial<Card> & Pick<Card, 'kind' | 'family'>,
): Card {
  const file = basename(facts.path);
  const external = facts.external.map(({ pinned }) => pinned);
  const draft = {
    schema: 1,
    name,
    title: facts.description ?? file,
    file: /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file) ? file : 'model.onnx',
    sha256: facts.sha256,
    bytes: facts.content.length,
    external: external.length > 0 ? external : undefined,
    licence: claims.licence ?? facts.licence ?? 'not stated',
    citation: claims.citation ?? facts.description ?? 'not stated',
    source: { added: file },
    ...own,
  };
  const parsed = parseModelCard(draft);
  if (parsed.ok) return parsed.card as Card;
  const { path, expected, got } = parsed.errors[0]!;
  throw new VgrError('USAGE', `${quoted(path)}: expected ${expected}, got ${got}`, {
    hint:
      path === 'name'
        ? 'give a name of lowercase letters, digits, dots and dashes with `--name`'
        : '`vgr models add --help` lists the flags',
  });
}

/**
 * Runs the graph once: the shapes of its outputs say more than the file does.
 * @param of what goes in, for the message
 * @throws VgrError MODEL_INVALID where the graph does not run on it
 */
export async function observe(
  { pool, name }: DraftParts,
  feeds: NamedTensors,
  of: string,
): Promise<ObservedOutput[]> {
  try {
    const outputs = Object.entries(await pool.run({ model: name, feeds }));
    return outputs.map(([output, tensor]) => ({ ...tensor, name: output }));
  } catch (cause) {
    throw new VgrError(
      'MODEL_INVALID',
      `the graph does not run on ${of}: ${printable((cause as Error).message)}`,
      { hint: 'give the size for which it was exported with `--size`', cause },
    );
  }
}

/** `scores float32 [1,80]; boxes float32 [1,80,4]` */
export function portsText(ports: readonly TensorPort[]): string {
  return ports.map(portText).join('; ');
}

/** `--size`. @throws VgrError USAGE */
export function parseSize(text: string): ImageSize {
  const match = /^(\d{2,4})(?:x(\d{2,4}))?$/.exec(text);
  if (match) return { width: Number(match[1]), height: Number(match[2] ?? match[1]) };
  throw new VgrError(
    'USAGE',
    `--size: expected a side or WIDTHxHEIGHT in pixels, got ${quoted(text)}`,
  );
}

/** The files of a tokeniser beside a model; the first is `tokenizer.json`. */
export interface TokenizerBeside extends TokenizerFiles {
  readonly files: readonly [FurtherFile, ...FurtherFile[]];
}

/** @throws VgrError MODEL_MISSING where there is no `tokenizer.json`; MODEL_CORRUPT */
export async function tokenizerBeside(path: string): Promise<TokenizerBeside> {
  const read = async (file: string) => {
    const bytes = await readBeside(path, file);
    if (bytes === undefined) return undefined;
    const named = { file, sha256: sha256Of(bytes), bytes: bytes.length };
    return { named, json: jsonObject({ bytes, path: file }) };
  };
  const tokenizer = await read('tokenizer.json');
  if (tokenizer === undefined) {
    throw new VgrError(
      'MODEL_MISSING',
      `${quoted(path)}: expected its \`tokenizer.json\` beside it or in the folder above, got none`,
      { hint: 'copy tokenizer.json and tokenizer_config.json from the repository of the model' },
    );
  }
  const config = await read('tokenizer_config.json');
  return {
    tokenizer: tokenizer.json,
    config: config?.json ?? {},
    files: config ? [tokenizer.named, config.named] : [tokenizer.named],
  };
}

/** The id of the padding token: the tokeniser's own, else that of the first of these tokens that it knows, else 0. */
export function padOf(tokenizer: object, names: readonly (string | undefined)[] = []): number {
  const { padding, added_tokens: tokens = [] } = tokenizer as {
    readonly padding?: { readonly pad_id?: unknown } | null;
    readonly added_tokens?: readonly { readonly id: number; readonly content: string }[];
  };
  const id = padding?.pad_id;
  if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0) return id;
  const known = names.map((name) => tokens.find(({ content }) => content === name));
  return known.find((token) => token !== undefined)?.id ?? 0;
}
