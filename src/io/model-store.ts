import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asVgrError, quoted, VgrError } from '../formats/fault.js';
import { holdsWeightsOf, type ModelCard, parseModelCard } from '../formats/model-card.js';
import { nearestNames } from '../formats/nearest.js';
import { modelsFolder } from './model-place.js';
import { sha256OfFile, TRAIN_AGAIN } from './model-weights.js';
import { isFile, readJson } from './text-file.js';

/** A model at hand: its card, and where its weights lie, if they do. */
export interface StoredModel {
  readonly card: ModelCard;
  /** Folder of the card. */
  readonly folder: string;
  /** Undefined while the weights are not there. */
  readonly weights: string | undefined;
}

/** A folder whose card cannot be read. */
export interface BrokenModel {
  /** The folder's name, under which the model would be asked for. */
  readonly name: string;
  readonly fault: VgrError;
}

/** All models by name, and the folders that hold none. */
export interface ModelShelf {
  readonly models: readonly StoredModel[];
  readonly broken: readonly BrokenModel[];
}

/** The cards that come with the program. */
const SHIPPED = fileURLToPath(new URL('../../models', import.meta.url));

/**
 * All models by name: those that come with the program and those in the user's folder, whose cards win. Weights lie beside
 * their card, in a folder of the model's name in the user's folder, or under their file name there.
 */
export async function listModels(userFolder = modelsFolder()): Promise<ModelShelf> {
  const models = new Map<string, StoredModel>();
  const broken: BrokenModel[] = [];
  for (const root of [SHIPPED, userFolder]) {
    const folders = new Map<string, string>();
    for (const folder of await cardFolders(root)) {
      try {
        const card = await readCard(join(folder, 'card.json'));
        const places = [folder, join(userFolder, card.name), userFolder];
        const weights = places.map((place) => join(place, card.file)).find((path) => isFile(path));
        const other = folders.get(card.name);
        // The folder of the name itself wins, else the first.
        const isSecond = other !== undefined && basename(folder) !== card.name;
        if (other !== undefined) {
          const second = isSecond ? folder : other;
          broken.push({ name: basename(second), fault: namedTwice(card.name, second) });
        }
        if (isSecond) continue;
        folders.set(card.name, folder);
        models.set(card.name, { card, folder, weights });
      } catch (thrown) {
        broken.push({ name: basename(folder), fault: asVgrError(thrown) });
      }
    }
  }
  return {
    models: [...models.values()].sort((a, b) => (a.card.name < b.card.name ? -1 : 1)),
    broken,
  };
}

/**
 * The model that `--detector` or `--refiner` means: a name, a folder with a card, or an ONNX file that one of the cards
 * describes (known by its sha256).
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, CARD_INVALID
 */
export async function findModel(wanted: string, userFolder = modelsFolder()): Promise<StoredModel> {
  if (isFile(join(wanted, 'card.json'))) {
    const card = await readCard(join(wanted, 'card.json'));
    const weights = join(wanted, card.file);
    return { card, folder: wanted, weights: isFile(weights) ? weights : undefined };
  }
  const { models, broken } = await listModels(userFolder);
  const bad = broken.find(({ name }) => name === wanted);
  if (bad) throw bad.fault;
  const named = models.find(({ card }) => card.name === wanted);
  if (named) return named;
  if (wanted.endsWith('.onnx')) return describedFile(wanted, models);
  throw unknownModel(
    wanted,
    models.map(({ card }) => card.name),
  );
}

/** @throws VgrError CONFIG_INVALID where something else than a folder is there */
async function cardFolders(root: string): Promise<string[]> {
  // A folder that begins with a dot is one that `vgr models add` has not finished.
  return (await namesIn(root))
    .filter((name) => !name.startsWith('.') && isFile(join(root, name, 'card.json')))
    .map((name) => join(root, name))
    .sort();
}

async function namesIn(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new VgrError(
      'CONFIG_INVALID',
      `expected a folder of models, got ${quoted(root)}: ${asVgrError(thrown).message}`,
      { hint: 'VGR_MODELS_DIR names the folder', cause: thrown },
    );
  }
}

function namedTwice(name: string, folder: string): VgrError {
  return new VgrError(
    'CARD_INVALID',
    `${quoted(join(folder, 'card.json'))}: expected a name that no other card has, got ${quoted(name)}`,
    { hint: `call it ${quoted(basename(folder))}, or move the folder elsewhere` },
  );
}

/** @throws VgrError CARD_INVALID, and those of reading */
async function readCard(path: string): Promise<ModelCard> {
  const json = await readCardJson(path);
  const result = parseModelCard(json);
  if (result.ok) return result.card;
  const { path: field, expected, got } = result.faults[0]!;
  throw new VgrError(
    'CARD_INVALID',
    `${quoted(path)}: ${field === '' ? 'the card' : quoted(field)}: expected ${expected}, got ${got}`,
    {
      hint:
        (json as { kind?: unknown } | null)?.kind === 'refiner'
          ? TRAIN_AGAIN
          : 'docs/models tells what a card holds; `vgr models add FILE` writes one',
    },
  );
}

async function readCardJson(path: string): Promise<unknown> {
  try {
    return await readJson(path);
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.code !== 'INPUT_INVALID') throw fault;
    throw new VgrError('CARD_INVALID', fault.message, { cause: fault });
  }
}

async function describedFile(path: string, models: readonly StoredModel[]): Promise<StoredModel> {
  if (!isFile(path)) throw new VgrError('MODEL_MISSING', `no model file ${quoted(path)}`);
  const sha256 = await sha256OfFile(path);
  const known = models.find(({ card }) => holdsWeightsOf(card, sha256));
  if (known) return { ...known, weights: path };
  throw new VgrError(
    'MODEL_UNKNOWN',
    `${quoted(path)}: expected a file that a card describes, got one with sha256 ${sha256} that none does`,
    { hint: `\`vgr models add ${basename(path)}\` looks into it and writes the card` },
  );
}

function unknownModel(wanted: string, names: readonly string[]): VgrError {
  const nearest = nearestNames(wanted, names);
  return new VgrError('MODEL_UNKNOWN', `no model ${quoted(wanted)}`, {
    hint: `nearest: ${nearest.join(', ')}; \`vgr models list\` shows all`,
  });
}
