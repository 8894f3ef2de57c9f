import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { printable, quoted, VgrError } from '../formats/fault.js';
import { holdsWeightsOf, type ModelCard } from '../formats/model-card.js';
import { type OnnxOutline, outlineOnnxModel } from '../formats/onnx-outline.js';
import { embedWeights } from '../formats/onnx-weights.js';
import type { StoredModel } from './model-store.js';

/** A model's weights in memory, shared between threads, ready for a session. */
export interface VerifiedModel {
  readonly card: ModelCard;
  readonly bytes: SharedArrayBuffer;
  /** Of the file itself: the card's, or that of one of its alternates. */
  readonly sha256: string;
}

/** Largest message of protobuf, bytes: weights beyond it cannot be handed over in memory. */
const PROTOBUF_LIMIT = 2 ** 31 - 1;

/**
 * Reads a model's weights and checks them against the card; weights in further files are put in their places.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readVerified({ card, folder, weights }: StoredModel): Promise<VerifiedModel> {
  if (weights === undefined) throw missingFile(card, join(folder, card.file));
  const file = await readShared(weights);
  const view = new Uint8Array(file);
  const sha256 = createHash('sha256').update(view).digest('hex');
  if (card.sha256 === undefined) throw unpinned(card, weights);
  if (!holdsWeightsOf(card, sha256)) throw otherFile(weights, card, sha256, view.length);
  // A refiner is no graph. What the build made needs no second look, and the default detector starts faster without it.
  if (card.kind === 'refiner' || 'package' in card.source) return { card, bytes: file, sha256 };
  const outline = readOutline(view, weights);
  const external = await readExternal(outline, card, weights);
  if (outline.overridable.length === 0 && external.size === 0) return { card, bytes: file, sha256 };
  return { card, bytes: toShared(embedded(view, outline, external, weights)), sha256 };
}

/**
 * The outline of a model file.
 * @throws VgrError MODEL_CORRUPT where the bytes are no whole ONNX file
 */
export function readOutline(bytes: Uint8Array, path: string): OnnxOutline {
  try {
    return outlineOnnxModel(bytes);
  } catch (cause) {
    throw new VgrError(
      'MODEL_CORRUPT',
      `${quoted(path)}: expected a whole ONNX file, got ${bytes.length} bytes that are cut off or something else: ${printable((cause as Error).message)}`,
      {
        hint: 'export it or bring it again; PyTorch files (.pt, .pth) must be exported to ONNX',
        cause,
      },
    );
  }
}

/** Weights of a graph with the contents of its further files. @throws VgrError MODEL_CORRUPT */
export function embedded(
  bytes: Uint8Array,
  outline: OnnxOutline,
  external: ReadonlyMap<string, Uint8Array>,
  path: string,
): Uint8Array {
  try {
    return embedWeights(bytes, new Set(outline.overridable), external);
  } catch (cause) {
    throw new VgrError('MODEL_CORRUPT', `${quoted(path)}: ${printable((cause as Error).message)}`, {
      cause,
    });
  }
}

/** Path of a further weights file of a model; it must lie in the model's own folder. @throws VgrError MODEL_CORRUPT */
export async function externalPath(location: string, weights: string): Promise<string> {
  const folder = dirname(weights);
  const path = join(folder, location);
  const isPlain = location !== '' && location !== '.' && dirname(path) === normalize(folder);
  // A link may still lead elsewhere.
  const real = isPlain ? await realpath(path).catch(() => undefined) : undefined;
  if (isPlain && (real === undefined || dirname(real) === (await realpath(folder)))) return path;
  throw new VgrError(
    'MODEL_CORRUPT',
    `${quoted(weights)}: expected further weights in its own folder, got ${quoted(location)}, which leads out of it`,
    { hint: 'such a file could read any file of this machine; export the model anew' },
  );
}

async function readExternal(
  { externalFiles }: OnnxOutline,
  card: ModelCard,
  weights: string,
): Promise<Map<string, Uint8Array>> {
  const external = new Map<string, Uint8Array>();
  let total = 0;
  for (const location of externalFiles) {
    const path = await externalPath(location, weights);
    const named = card.external?.find(({ file }) => file === location);
    if (named === undefined) {
      throw new VgrError(
        'CARD_INVALID',
        `model ${quoted(card.name)}: the graph keeps weights in ${quoted(location)}, which \`external\` of the card does not name`,
        { hint: `\`vgr models add ${basename(weights)}\` writes a card with it` },
      );
    }
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined) throw missingFile(card, path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (sha256 !== named.sha256) throw otherFile(path, named, sha256, bytes.length);
    total += bytes.length;
    if (total > PROTOBUF_LIMIT) throw tooLarge(weights, total);
    external.set(location, bytes);
  }
  return external;
}

/** Hexadecimal. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** The bytes in memory that threads share. */
export function toShared(bytes: Uint8Array): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  return shared;
}

async function readShared(path: string): Promise<SharedArrayBuffer> {
  const { size } = await stat(path);
  if (size > PROTOBUF_LIMIT) throw tooLarge(path, size);
  const bytes = new SharedArrayBuffer(size);
  const file = await open(path, 'r');
  try {
    const view = new Uint8Array(bytes);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(view, at, size - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return bytes;
}

function tooLarge(path: string, size: number): VgrError {
  return new VgrError(
    'MODEL_CORRUPT',
    `${quoted(path)}: expected weights of at most ${PROTOBUF_LIMIT} bytes, got ${size}`,
  );
}

/** What to do about a refiner that cannot be read. */
export const TRAIN_AGAIN =
  'train it again with `vgr train-lite`, or use the `vgr` that it was trained with';

/** A file that is not the one that the card pins. */
export function otherFile(
  path: string,
  named: {
    readonly kind?: ModelCard['kind'];
    readonly sha256?: string | undefined;
    readonly bytes?: number | undefined;
  },
  sha256: string,
  bytes: number,
): VgrError {
  return new VgrError(
    'MODEL_CORRUPT',
    `${quoted(path)}: expected sha256 ${named.sha256} of ${named.bytes} bytes, got ${sha256} of ${bytes} bytes`,
    {
      hint:
        named.kind === 'refiner'
          ? 'the file was changed after the training: train it again with `vgr train-lite`'
          : 'the file is cut off or is another one: bring it again (`vgr models pull`; `npm run build` makes the embedded detector)',
    },
  );
}

/** A file that no card pins yet. */
export function unpinned(card: ModelCard, path: string): VgrError {
  return new VgrError(
    'MODEL_CORRUPT',
    `${quoted(path)}: the card of ${quoted(card.name)} has no sha256 yet, so the file cannot be verified`,
    { hint: `\`vgr models pull ${card.name}\` brings the file and pins its sha256` },
  );
}

/** A file of a model that is not there. */
export function missingFile(card: ModelCard, path: string): VgrError {
  const { source, name } = card;
  let hint = `\`vgr models pull ${name}\` brings it`;
  if ('package' in source) hint = 'the build makes it: `npm run build`';
  if (card.kind === 'refiner') hint = TRAIN_AGAIN;
  else if ('added' in source)
    hint = `add it again: \`vgr models add ${source.added} --name ${name}\``;
  return new VgrError('MODEL_MISSING', `model ${quoted(name)}: no file ${quoted(path)}`, { hint });
}
