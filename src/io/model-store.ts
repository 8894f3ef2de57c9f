import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import leven from 'leven';
import { quoted, VgrError } from '../formats/fault.js';
import { type ModelCard, parseModelCard } from '../formats/model-card.js';
import { readJson } from './text-file.js';

/** A model at hand: its card, and where its weights lie, if they do. */
export interface StoredModel {
  readonly card: ModelCard;
  /** Folder of the card. */
  readonly folder: string;
  /** Undefined while the weights are not there. */
  readonly weights: string | undefined;
}

/** A model's weights in memory, shared between threads, equal to the card's sha256. */
export interface VerifiedModel {
  readonly card: ModelCard;
  readonly bytes: SharedArrayBuffer;
}

/** The cards that come with the program. */
const SHIPPED = fileURLToPath(new URL('../../models', import.meta.url));

/**
 * All models by name: those that come with the program and those in `userFolder`, whose cards win. Weights lie beside their
 * card, or under their file name in `userFolder` (`VGR_MODELS_DIR`).
 * @throws VgrError MODEL_INVALID for a card that cannot be read
 */
export async function listModels(userFolder: string | undefined): Promise<StoredModel[]> {
  const models = new Map<string, StoredModel>();
  for (const root of [SHIPPED, ...(userFolder ? [userFolder] : [])]) {
    for (const folder of await cardFolders(root)) {
      const card = await readCard(join(folder, 'card.json'));
      const places = [folder, ...(userFolder ? [join(userFolder, card.name), userFolder] : [])];
      const weights = places
        .map((place) => join(place, card.file))
        .find((path) => existsSync(path));
      models.set(card.name, { card, folder, weights });
    }
  }
  return [...models.values()].sort((a, b) => (a.card.name < b.card.name ? -1 : 1));
}

/**
 * The model that `--detector` or `--refiner` means: a name, a folder with a card, or an ONNX file that one of the cards
 * describes (known by its sha256).
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_INVALID
 */
export async function findModel(
  wanted: string,
  userFolder: string | undefined,
): Promise<StoredModel> {
  if (existsSync(join(wanted, 'card.json'))) {
    const card = await readCard(join(wanted, 'card.json'));
    const weights = join(wanted, card.file);
    return { card, folder: wanted, weights: existsSync(weights) ? weights : undefined };
  }
  const models = await listModels(userFolder);
  const named = models.find(({ card }) => card.name === wanted);
  if (named) return named;
  if (wanted.endsWith('.onnx')) return describedFile(wanted, models);
  throw unknownModel(
    wanted,
    models.map(({ card }) => card.name),
  );
}

/**
 * Reads a model's weights and checks them against the card.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readVerified({ card, folder, weights }: StoredModel): Promise<VerifiedModel> {
  if (weights === undefined) {
    throw new VgrError(
      'MODEL_MISSING',
      `model ${quoted(card.name)}: no file ${quoted(join(folder, card.file))}`,
      {
        hint:
          'package' in card.source
            ? 'the build makes it: `npm run build`'
            : `take it from ${card.source.url} and put it there, or into the folder that VGR_MODELS_DIR names`,
      },
    );
  }
  const bytes = await readShared(weights);
  const sha256 = createHash('sha256').update(new Uint8Array(bytes)).digest('hex');
  if (sha256 !== card.sha256) {
    throw new VgrError(
      'MODEL_CORRUPT',
      `${quoted(weights)}: expected sha256 ${card.sha256} of ${card.bytes} bytes, got ${sha256} of ${bytes.byteLength} bytes`,
      {
        hint: 'the file is cut off or is another one: bring it again (`npm run build` makes the embedded detector)',
      },
    );
  }
  return { card, bytes };
}

async function cardFolders(root: string): Promise<string[]> {
  if (!existsSync(root)) return [];
  const entries = await readdir(root, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && existsSync(join(root, entry.name, 'card.json')))
    .map((entry) => join(root, entry.name))
    .sort();
}

async function readCard(path: string): Promise<ModelCard> {
  const result = parseModelCard(await readJson(path));
  if (result.ok) return result.card;
  const { path: field, expected, got } = result.faults[0]!;
  throw new VgrError(
    'MODEL_INVALID',
    `${quoted(path)}: ${field === '' ? 'the card' : quoted(field)}: expected ${expected}, got ${got}`,
    { hint: 'docs/models.md tells what a card holds' },
  );
}

async function describedFile(path: string, models: readonly StoredModel[]): Promise<StoredModel> {
  if (!existsSync(path)) throw new VgrError('MODEL_MISSING', `no model file ${quoted(path)}`);
  const bytes = await readShared(path);
  const sha256 = createHash('sha256').update(new Uint8Array(bytes)).digest('hex');
  const known = models.find(({ card }) => card.sha256 === sha256);
  if (known) return { ...known, weights: path };
  throw new VgrError(
    'MODEL_UNKNOWN',
    `${quoted(path)}: expected a file that a card describes, got one with sha256 ${sha256} that none does`,
    {
      hint: `write a card.json beside ${quoted(basename(path))} in a folder and give the folder; docs/models.md tells how`,
    },
  );
}

async function readShared(path: string): Promise<SharedArrayBuffer> {
  const { size } = await stat(path);
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

function unknownModel(wanted: string, names: readonly string[]): VgrError {
  const nearest = [...names].sort((a, b) => leven(wanted, a) - leven(wanted, b)).slice(0, 3);
  return new VgrError('MODEL_UNKNOWN', `no model ${quoted(wanted)}`, {
    hint: `nearest: ${nearest.join(', ')}; \`vgr models list\` shows all`,
  });
}
