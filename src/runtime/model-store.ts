import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { asVgrError, printable, quoted, VgrError } from '../core/error.js';
import { fromHome, isFile, readJson, statePath, writeFileAtomic } from '../core/files.js';
import { nearestNames } from '../core/nearest-name.js';
import { sha256Of } from '../core/text.js';
import type { FurtherFile } from '../formats/card-parts.js';
import {
  type DetectorCard,
  holdsWeightsOf,
  type ModelCard,
  parseModelCard,
} from '../formats/model-card.js';
import type { GraphRepair, OnnxModel, OnnxOutline } from '../formats/onnx.js';
import { type Device, deviceText } from './device.js';

/** A model at hand: its card, and where its weights are, if they are here. */
export interface StoredModel {
  readonly card: ModelCard;
  /** Folder of the card. */
  readonly folder: string;
  /** Undefined while the weights are not there. */
  readonly weights?: string;
}

/** The cards that come with the program. */
const SHIPPED = fileURLToPath(new URL('../../models', import.meta.url));

/**
 * All models by name: those that come with the program and those in the user's folder, which cannot take a name of the program:
 * they can only pin what its card leaves open. Weights are beside their card, in a folder of the model's name in the user's
 * folder, or under their file name there.
 */
export async function listModels() {
  const userFolder = modelsFolder();
  const shipped = await modelsIn(SHIPPED, userFolder);
  const own = await modelsIn(userFolder, userFolder);
  const models = new Map(shipped.models);
  const broken = [...shipped.broken, ...own.broken];
  for (const [name, model] of own.models) {
    const ours = shipped.models.get(name);
    if (!ours || isDeepStrictEqual(withoutPins(model.card, ours.card), ours.card)) {
      models.set(name, model);
    } else if (isCopyOf(model.card, ours.card)) {
      // The program's card may have been put right since it was copied.
      models.set(name, { ...model, card: withPins(ours.card, model.card) });
      broken.push({ name, error: outdatedCopy(model, ours.card) });
    } else broken.push({ name, error: takenName(model) });
  }
  const byName = [...models.values()].sort((a, b) => (a.card.name < b.card.name ? -1 : 1));
  return { models: byName, broken };
}

/** A card that cannot be used, by its folder's name. */
interface BrokenCard {
  readonly name: string;
  readonly error: VgrError;
}

/** The models whose cards are in one folder. */
async function modelsIn(root: string, userFolder: string) {
  const models = new Map<string, StoredModel>();
  const broken: BrokenCard[] = [];
  for (const folder of await cardFolders(root)) {
    try {
      const card = await readCard(join(folder, 'card.json'));
      const { name, file } = card;
      const weights = fileIn([folder, join(userFolder, name), userFolder], file);
      const other = models.get(name);
      // The folder of the name itself wins, else the first.
      if (!other || basename(folder) === name) models.set(name, { card, folder, weights });
      if (!other) continue;
      const second = models.get(name) === other ? folder : other.folder;
      broken.push({ name: basename(second), error: namedTwice(name, second) });
    } catch (thrown) {
      broken.push({ name: basename(folder), error: asVgrError(thrown) });
    }
  }
  return { models, broken };
}

/** Whether a card of the user's folder is that of the program, as an earlier version had it. */
function isCopyOf(card: ModelCard, ours: ModelCard): boolean {
  const { kind, file, source } = card;
  return kind === ours.kind && file === ours.file && isDeepStrictEqual(source, ours.source);
}

/** The program's card with the checksums that a first download gave to files that it leaves open. */
function withPins(ours: ModelCard, card: ModelCard): ModelCard {
  const pinned = <File extends Pinned>(own: File, file: Pinned | undefined): File => {
    if (own.sha256 !== undefined || file?.sha256 === undefined) return own;
    const { sha256, bytes, first_download } = file;
    return { ...own, sha256, bytes, first_download };
  };
  const theirs = furtherFiles(card);
  const files = furtherFiles(ours).map((own) =>
    pinned(
      own,
      theirs.find(({ file }) => file === own.file),
    ),
  );
  return { ...pinned(ours, card), ...(files.length > 0 && { files }) } as ModelCard;
}

function outdatedCopy({ card, folder }: StoredModel, ours: ModelCard): VgrError {
  const names = Object.keys({ ...ours, ...card }) as (keyof ModelCard)[];
  const other = names.filter((name) => !isDeepStrictEqual(card[name], ours[name]));
  return new VgrError(
    'CARD_INVALID',
    `${quoted(join(folder, 'card.json'))}: the program's card of ${quoted(card.name)} is used in its place, since it differs in ${other.map((name) => quoted(name)).join(', ')}`,
    { hint: 'remove this card; for one of your own, give card and folder another name' },
  );
}

/** A card without the checksums that a first download gave to files that `ours` leaves open. */
function withoutPins(card: ModelCard, ours: ModelCard): ModelCard {
  const unpinned = <File extends Pinned>(file: File, own: Pinned | undefined): File => {
    if (own === undefined || own.sha256 !== undefined) return file;
    const { sha256, bytes, first_download, ...rest } = file;
    return rest as File;
  };
  const files = furtherFiles(card);
  if (files.length === 0) return unpinned(card, ours);
  const own = furtherFiles(ours);
  const left = files.map((file, at) => unpinned(file, own[at]));
  return { ...unpinned(card, ours), files: left } as ModelCard;
}

/**
 * The model that `--detector` or `--refiner` means: a name, a folder with a card, or an ONNX file that one of the cards
 * describes (known by its sha256).
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, CARD_INVALID
 */
export async function findModel(wanted: string): Promise<StoredModel> {
  const isFolder = isFile(join(wanted, 'card.json'));
  // A folder that happens to be here must not stand in for a model.
  if (isFolder && /[\\/]/.test(wanted)) {
    const card = await readCard(join(wanted, 'card.json'));
    return { card, folder: wanted, weights: fileIn([wanted], card.file) };
  }
  const { models, broken } = await listModels();
  const named = models.find(({ card }) => card.name === wanted);
  if (named) return named;
  const bad = broken.find(({ name }) => name === wanted);
  if (bad) throw bad.error;
  if (wanted.endsWith('.onnx')) return describedFile(wanted, models);
  const names = models.map(({ card }) => card.name);
  throw new VgrError('MODEL_UNKNOWN', `no model ${quoted(wanted)}`, {
    hint: isFolder
      ? `the folder is \`./${wanted}\``
      : `nearest: ${nearestNames(wanted, names).join(', ')}; \`vgr models list\` shows all`,
  });
}

/** Path of the file in the first of these folders that has it. */
function fileIn(folders: readonly string[], file: string): string | undefined {
  return folders.map((folder) => join(folder, file)).find(isFile);
}

/** @throws VgrError CONFIG_INVALID where the path is something else than a folder */
async function cardFolders(root: string): Promise<string[]> {
  const names = await readdir(root).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw new VgrError(
      'CONFIG_INVALID',
      `expected a folder of models, got ${quoted(root)}: ${asVgrError(thrown).message}`,
      { hint: 'VGR_MODELS_DIR names the folder', cause: thrown },
    );
  });
  // A folder that begins with a dot is one that `vgr models add` has not finished.
  return names
    .filter((name) => !name.startsWith('.') && isFile(join(root, name, 'card.json')))
    .map((name) => join(root, name))
    .sort();
}

function namedTwice(name: string, folder: string): VgrError {
  return new VgrError(
    'CARD_INVALID',
    `${quoted(join(folder, 'card.json'))}: expected a name that no other card has, got ${quoted(name)}`,
    { hint: `call it ${quoted(basename(folder))}, or move the folder elsewhere` },
  );
}

function takenName({ card: { name }, folder }: StoredModel): VgrError {
  return new VgrError(
    'CARD_INVALID',
    `${quoted(join(folder, 'card.json'))}: expected a name of its own, got ${quoted(name)}, which comes with the program`,
    { hint: 'give the card and its folder another name, or remove the folder' },
  );
}

/** @throws VgrError CARD_INVALID, and those of reading */
async function readCard(path: string): Promise<ModelCard> {
  const json = await readJson(path).catch((thrown: unknown) => {
    const error = asVgrError(thrown);
    if (error.code !== 'INPUT_INVALID') throw error;
    throw new VgrError('CARD_INVALID', error.message, { cause: error });
  });
  const result = parseModelCard(json);
  if (result.ok) return result.card;
  const { path: field, expected, got } = result.errors[0]!;
  const isRefiner = (json as { kind?: unknown } | null)?.kind === 'refiner';
  const docs = 'docs/models explains the fields of a card; `vgr models add FILE` writes one';
  throw new VgrError(
    'CARD_INVALID',
    `${quoted(path)}: ${field === '' ? 'the card' : quoted(field)}: expected ${expected}, got ${got}`,
    { hint: isRefiner ? TRAIN_AGAIN : docs },
  );
}

async function describedFile(path: string, models: readonly StoredModel[]): Promise<StoredModel> {
  if (!isFile(path)) throw new VgrError('MODEL_MISSING', `no model file ${quoted(path)}`);
  const sha256 = await sha256OfFile(path);
  const known = models.find(({ card }) => holdsWeightsOf(card, sha256));
  if (known) return { ...known, weights: path };
  throw new VgrError(
    'MODEL_UNKNOWN',
    `${quoted(path)}: expected a file that a card describes, got one with sha256 ${sha256} that none does`,
    { hint: `\`vgr models add ${basename(path)}\` inspects it and writes the card` },
  );
}

/**
 * The folder of the user's own models: `VGR_MODELS_DIR`, else `vgr/models` where the system keeps data of programs
 * (`XDG_DATA_HOME`, by default `~/.local/share`; `LOCALAPPDATA` on Windows). It need not be there.
 */
export function modelsFolder(): string {
  const { VGR_MODELS_DIR, XDG_DATA_HOME, LOCALAPPDATA } = process.env;
  if (VGR_MODELS_DIR) return fromHome(VGR_MODELS_DIR);
  const data = process.platform === 'win32' ? LOCALAPPDATA : XDG_DATA_HOME;
  // The XDG specification has relative paths ignored.
  const root = data && isAbsolute(data) ? data : join(homedir(), '.local', 'share');
  return join(root, 'vgr', 'models');
}

/** What is remembered of the last time a model was loaded. */
interface ModelRecord {
  /** The file that was verified. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly device: string;
}

const recordPath = ({ card }: StoredModel): string => statePath('models', `${card.name}.json`);

/** The file of a model's weights as a record names it. */
async function fileOf(weights: string): Promise<Pick<ModelRecord, 'path' | 'bytes' | 'mtimeMs'>> {
  const path = resolve(weights);
  const { size: bytes, mtimeMs } = await stat(path);
  return { path, bytes, mtimeMs };
}

/** Remembers a model that was verified and runs. Never fails: where nothing can be written, nothing is remembered. */
export async function rememberModel(
  model: StoredModel,
  sha256: string,
  device: Device | undefined,
): Promise<void> {
  if (model.weights === undefined || device === undefined) return;
  try {
    const { path, bytes, mtimeMs } = await fileOf(model.weights);
    const record: ModelRecord = { path, sha256, bytes, mtimeMs, device: deviceText(device) };
    const text = `${JSON.stringify(record)}\n`;
    const before = await readFile(recordPath(model), 'utf8').catch(() => '');
    if (before !== text) await writeFileAtomic(recordPath(model), [text]);
  } catch {
    // A read-only home is no reason to stop.
  }
}

/** What is remembered of a model; undefined where there is nothing, or its file has changed since. */
export async function recallModel(model: StoredModel): Promise<ModelRecord | undefined> {
  if (model.weights === undefined) return undefined;
  try {
    const record = JSON.parse(await readFile(recordPath(model), 'utf8')) as ModelRecord;
    const { path, bytes, mtimeMs } = await fileOf(model.weights);
    const isSame = record.path === path && record.bytes === bytes && record.mtimeMs === mtimeMs;
    return isSame ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a file of the model is known by its first download alone, because its publisher names no checksum. */
export function isOnlyPinnedHere(card: ModelCard): boolean {
  return [card, ...furtherFiles(card)].some((file: Pinned) => file.first_download === true);
}

/** The further files that a card names. */
export function furtherFiles(card: ModelCard): readonly FurtherFile[] {
  return card.kind === 'refiner' ? [] : (card.files ?? []);
}

/**
 * Where a further file of a model is: beside the card, in the model's folder among the user's own, or beside the weights;
 * undefined while it is not there.
 */
export function furtherPath(
  { card, folder, weights }: StoredModel,
  file: string,
): string | undefined {
  const own = fileIn([folder, join(modelsFolder(), card.name)], file);
  return own ?? (weights === undefined ? undefined : besidePath(weights, file));
}

/** A file beside a model's weights or one folder above them, as the Hugging Face hub lays them out; undefined where there is none. */
export function besidePath(weights: string, file: string): string | undefined {
  return fileIn([dirname(weights), dirname(dirname(resolve(weights)))], file);
}

/** @throws VgrError MODEL_MISSING */
function presentFurther(model: StoredModel, file: string): { path: string; named: FurtherFile } {
  const path = furtherPath(model, file);
  if (path === undefined) throw missingFile(model.card, join(model.folder, file));
  return { path, named: furtherFiles(model.card).find((one) => one.file === file)! };
}

/** A file as it was read. */
interface ReadFile {
  readonly bytes: Uint8Array;
  readonly path: string;
}

/**
 * A further file that the card names, such as a tokeniser, checked against the card.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readFurther(model: StoredModel, file: string) {
  const { path, named } = presentFurther(model, file);
  const bytes = await readFile(path);
  return { path, bytes, sha256: checkPinned(model.card, path, named, bytes) };
}

/** @throws VgrError MODEL_CORRUPT where the bytes are no JSON object */
export function jsonObject({ bytes, path }: ReadFile): object {
  let reason = 'another value';
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  } catch (thrown) {
    reason = printable((thrown as Error).message).slice(0, 120);
  }
  const hint = "download the file again from the model's repository";
  throw corrupt(path, `expected a JSON object, got ${reason}`, hint);
}

/** A file of a model that is not what it should be. */
function corrupt(path: string, text: string, hint?: string, cause?: unknown): VgrError {
  return new VgrError('MODEL_CORRUPT', `${quoted(path)}: ${text}`, { hint, cause });
}

/** A model whose card is of this kind. */
type StoredOf<Kind extends ModelCard['kind']> = StoredModel & {
  readonly card: Extract<ModelCard, { readonly kind: Kind }>;
};
export type StoredEncoder = StoredOf<'encoder'>;

export function isEncoder(model: StoredModel): model is StoredEncoder {
  return model.card.kind === 'encoder';
}

const KINDS = {
  detector: 'a detector',
  encoder: 'an image-text encoder',
  refiner: 'a refiner',
} as const;

/** The model itself, found by the name that was wanted. @throws VgrError CARD_INVALID where it is of another kind */
export function ofKind<Kind extends ModelCard['kind']>(
  model: StoredModel,
  kind: Kind,
  wanted: string,
): StoredOf<Kind> {
  const got = model.card.kind;
  if (got === kind) return model as StoredOf<Kind>;
  throw new VgrError('CARD_INVALID', `${quoted(wanted)}: expected ${KINDS[kind]}, got a ${got}`, {
    hint: `\`vgr models list\` shows which models are ${kind}s`,
  });
}

/**
 * Reads and verifies a graph that is one of a model's further files.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readGraph(model: StoredModel, file: string): Promise<VerifiedModel> {
  const { path, named } = presentFurther(model, file);
  return readWeights(model, path, named);
}

/**
 * Reads and verifies all files of an encoder: its towers, where `text` is `image` for a graph with both, and its tokeniser.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readEncoder(model: StoredEncoder) {
  const { card } = model;
  const { model: tower, tokenizer } = card.text;
  const image = await readVerified(model);
  let text = image;
  if (tower !== card.file) {
    text = await readGraph(model, tower);
  }
  const read = await readFurther(model, tokenizer);
  return { image, text, tokenizer: jsonObject(read), tokenizerSha256: read.sha256 };
}

/** A model's weights in memory, shared between threads, ready for a session. */
interface VerifiedModel {
  readonly bytes: SharedArrayBuffer;
  /** Of the file itself: the card's, or that of one of its alternates. */
  readonly sha256: string;
  /** Names of the graph's operators; absent where the file was not looked into. */
  readonly operators?: ReadonlySet<string>;
}

/** Largest message of protobuf, bytes: weights beyond it cannot be handed over in memory. */
const PROTOBUF_LIMIT = 2 ** 31 - 1;

/**
 * Reads a model's weights and checks them against the card; weights in further files are put in their places.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function readVerified(model: StoredModel): Promise<VerifiedModel> {
  const { card, folder, weights } = model;
  if (weights === undefined) throw missingFile(card, join(folder, card.file));
  return readWeights(model, weights, card);
}

/** @param named what the card pins of the file: the card itself where it holds the weights */
async function readWeights(
  { card, folder }: StoredModel,
  path: string,
  named: Pinned,
): Promise<VerifiedModel> {
  const file = await readShared(path);
  const view = new Uint8Array(file);
  const sha256 = checkPinned(card, path, named, view);
  // A refiner is no graph. What the build made needs no second look, and the default detector starts faster without it.
  const isBuilt = 'package' in card.source && dirname(folder) === SHIPPED;
  if (card.kind === 'refiner' || isBuilt) return { bytes: file, sha256 };
  const { outline, embed } = await readOnnx(view, path);
  const external = await readExternal(outline, card, path);
  const repair = named === card && card.kind === 'detector' ? await repairOf(card) : undefined;
  const { operators } = outline;
  return { bytes: embed(external, repair), sha256, operators };
}

/** What is to be put right in the graph that takes the photo. */
async function repairOf({ frozenAt, input }: DetectorCard) {
  if (frozenAt === undefined) return undefined;
  const { thawScales } = await import('../formats/onnx-repair.js');
  return thawScales(frozenAt, input);
}

/** What a card says of a file. */
type Pinned = Pick<FurtherFile, 'sha256' | 'bytes' | 'first_download'>;

/**
 * @returns the sha256 of the bytes
 * @throws VgrError MODEL_CORRUPT where the card does not pin the file yet, or pins another
 */
function checkPinned(card: ModelCard, path: string, named: Pinned, bytes: Uint8Array): string {
  if (named.sha256 === undefined) {
    throw corrupt(
      path,
      `the card of ${quoted(card.name)} has no sha256 yet, so the file cannot be verified`,
      `\`vgr models pull ${card.name}\` downloads the file and pins its sha256`,
    );
  }
  const sha256 = sha256Of(bytes);
  if (named.sha256 === sha256 || (named === card && holdsWeightsOf(card, sha256))) return sha256;
  throw corrupt(
    path,
    `expected sha256 ${named.sha256} of ${named.bytes} bytes, got ${sha256} of ${bytes.length} bytes`,
    card.kind === 'refiner'
      ? 'the file was changed after the training: train it again with `vgr train-lite`'
      : 'the file is truncated or another one: download it again (`vgr models pull`; `npm run build` makes the embedded detector)',
  );
}

/** A model file that was read. */
export interface OnnxFile {
  readonly outline: OnnxOutline;
  /**
   * The graph with the contents of its further files, in memory that threads share. May be called once.
   * @throws VgrError MODEL_CORRUPT
   */
  readonly embed: (
    external: ReadonlyMap<string, Uint8Array>,
    repair?: GraphRepair,
  ) => SharedArrayBuffer;
}

/** @throws VgrError MODEL_CORRUPT where the bytes are no whole ONNX file */
export async function readOnnx(bytes: Uint8Array, path: string): Promise<OnnxFile> {
  const { readOnnxModel } = await import('../formats/onnx.js');
  let model: OnnxModel;
  try {
    model = readOnnxModel(bytes);
  } catch (cause) {
    throw corrupt(
      path,
      `expected a whole ONNX file, got ${bytes.length} bytes that are truncated or something else: ${printable((cause as Error).message)}`,
      'export or download it again; PyTorch files (.pt, .pth) must be exported to ONNX',
      cause,
    );
  }
  const embed: OnnxFile['embed'] = (external, repair) => {
    let graph: Uint8Array;
    try {
      graph = model.embed(external, repair);
    } catch (cause) {
      throw corrupt(path, printable((cause as Error).message), undefined, cause);
    }
    const shared = new SharedArrayBuffer(graph.length);
    new Uint8Array(shared).set(graph);
    return shared;
  };
  return { outline: model.outline, embed };
}

/** Path of a further weights file of a model; it must be in the model's own folder. @throws VgrError MODEL_CORRUPT */
export async function externalPath(location: string, weights: string): Promise<string> {
  const folder = dirname(weights);
  const path = join(folder, location);
  const isPlain = location !== '' && location !== '.' && dirname(path) === normalize(folder);
  // A link may still lead elsewhere.
  const real = isPlain ? await realpath(path).catch(() => undefined) : undefined;
  if (isPlain && real === undefined) return path;
  if (real !== undefined && dirname(real) === (await realpath(folder))) {
    // A pipe would be waited for.
    if (isFile(real)) return path;
    throw corrupt(
      weights,
      `expected a file of further weights, got ${quoted(location)}, which is none`,
    );
  }
  throw corrupt(
    weights,
    `expected further weights in its own folder, got ${quoted(location)}, which is outside of it`,
    'such a model could read any file of this machine; export the model again',
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
    checkPinned(card, path, named, bytes);
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
  return corrupt(path, `expected weights of at most ${PROTOBUF_LIMIT} bytes, got ${size}`);
}

/** What to do about a refiner that cannot be read. */
export const TRAIN_AGAIN =
  'train it again with `vgr train-lite`, or use the `vgr` that it was trained with';

/** A file of a model that is not there. */
function missingFile(card: ModelCard, path: string): VgrError {
  const { source, name } = card;
  let hint = `\`vgr models pull ${name}\` downloads it`;
  if (card.kind === 'refiner') hint = TRAIN_AGAIN;
  else if ('package' in source) hint = 'the build makes it: `npm run build`';
  else if ('added' in source) {
    hint = `add it again: \`vgr models add ${source.added} --name ${name}\``;
  }
  return new VgrError('MODEL_MISSING', `model ${quoted(name)}: no file ${quoted(path)}`, { hint });
}
