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
import type { TokenizerFiles } from '../runtime/detector.js';
import { jsonObject } from '../runtime/model-store.js';
import type { SessionPool } from '../runtime/pool.js';
import type { PhotoRef } from '../runtime/ports.js';
import { type ModelFacts, readBeside } from './facts.js';
import type { ObservedOutput } from './recognition.js';

/** What a user says of a model file. */
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
  /** The model's name; a detector's graph stands in the pool under it. */
  readonly name: string;
  readonly facts: ModelFacts;
  readonly claims: ModelClaims;
  readonly pool: SessionPool;
  /** Of the trial. The first is what a detector's graph is run on for the draft; a grey one where there is none. */
  readonly photos: readonly PhotoRef[];
  readonly printer: Printer;
}

/**
 * A card of a file of the user's own.
 * @param own what the graph tells; the rest is told by its file and by the user
 * @throws VgrError USAGE where what the user says does not make one
 */
export function cardOf<Card extends DetectorCard | EncoderCard>(
  { name, facts, claims }: DraftParts,
  own: Partial<Card> & Pick<Card, 'kind' | 'family'>,
): Card {
  const file = basename(facts.path);
  const external = facts.external.map(({ file: moved, sha256, bytes }) => ({
    file: moved,
    sha256,
    bytes,
  }));
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
        ? 'give a name of small letters, digits, dots and dashes with `--name`'
        : '`vgr models add --help` lists the flags',
  });
}

/**
 * Runs the graph once: shapes say more than the file does.
 * @param of what goes in, for the message
 * @throws VgrError MODEL_INVALID where the graph does not run on it
 */
export async function observe(
  { pool, name }: DraftParts,
  feeds: NamedTensors,
  of: string,
): Promise<ObservedOutput[]> {
  try {
    const outputs = Object.entries(await pool.run(name, feeds));
    return outputs.map(([output, tensor]) => ({ ...tensor, name: output }));
  } catch (cause) {
    throw new VgrError(
      'MODEL_INVALID',
      `the graph does not run on ${of}: ${printable((cause as Error).message)}`,
      { hint: 'give the size that it was exported for with `--size`', cause },
    );
  }
}

/** `scores float32 [1,80]; boxes float32 [1,80,4]` */
export function outputsText(outputs: readonly ObservedOutput[]): string {
  return outputs.map(portText).join('; ');
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

/** @returns undefined where there is no `tokenizer.json`. @throws VgrError MODEL_CORRUPT */
export async function tokenizerBeside(path: string): Promise<TokenizerBeside | undefined> {
  const read = async (file: string) => {
    const bytes = await readBeside(path, file);
    if (bytes === undefined) return undefined;
    const named = { file, sha256: sha256Of(bytes), bytes: bytes.length };
    return { named, json: jsonObject(bytes, file) };
  };
  const tokenizer = await read('tokenizer.json');
  if (tokenizer === undefined) return undefined;
  const config = await read('tokenizer_config.json');
  return {
    tokenizer: tokenizer.json,
    config: config?.json ?? {},
    files: config ? [tokenizer.named, config.named] : [tokenizer.named],
  };
}

/**
 * The token that fills: as the tokeniser has it, else the first of these that it knows.
 * @returns 0 where it knows none
 */
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
