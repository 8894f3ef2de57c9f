import { rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { asVgrError, printable, quoted, VgrError } from '../core/error.js';
import { outputError } from '../core/files.js';
import type { Printer } from '../core/terminal.js';
import { fitted, tableText } from '../core/text.js';
import { type Accuracy, CARD_NAME, type ModelSource } from '../formats/card-parts.js';
import { holdsWeightsOf, type ModelCard } from '../formats/model-card.js';
import { type Device, parseDevice, planDevices } from '../runtime/device.js';
import {
  findModel,
  furtherFiles,
  furtherPath,
  isEncoder,
  isOnlyPinnedHere,
  listModels,
  modelsFolder,
  readEncoder,
  readFurther,
  readVerified,
  recallModel,
  type StoredModel,
} from '../runtime/model-store.js';
import { recallSpeed } from './speed.js';

const HEADINGS = ['name', 'size', 'accuracy', 'here', 'for'];
const LONG_HEADINGS = ['name', 'family', 'size', 'licence', 'verified', 'device', 'weights'];

/** Columns of the short table, and what its last column has at least where a name is very long. */
const WIDTH = 80;
const LEAST_USE = 8;

/** `vgr models list`: every card at hand: what it is for, or, with `long`, where its weights are. @returns the exit code */
export async function printModels(
  printer: Printer,
  { json, long }: { readonly json: boolean; readonly long: boolean },
): Promise<number> {
  const { models, broken } = await listModels();
  const listed = await Promise.all(models.map(listedModel));
  if (json) for (const model of listed) await printer.data(`${JSON.stringify(model)}\n`);
  else if (long) {
    const rows = listed.map((one, index) => longCells(one, models[index]!.card.source));
    await printer.data(tableText([LONG_HEADINGS, ...rows]));
  } else {
    await printer.data(shortTable(listed));
    printer.note(
      'accuracy: average precision on COCO (or 300 of its photos), else the share of right boxes; `*`: as published, all else measured with vgr',
    );
    printer.note(
      'here: photos or crops a second, as `vgr models bench NAME` measured last; `-`: `vgr models pull NAME` brings it',
    );
  }
  for (const { error } of broken) printer.fatal(error);
  return broken.length === 0 ? 0 : 2;
}

/** A model as `vgr models list --json` writes it, one line each. */
async function listedModel(model: StoredModel) {
  const { card } = model;
  const further = furtherFiles(card);
  const isWhole = further.every(({ file }) => furtherPath(model, file) !== undefined);
  const record = isWhole ? await recallModel(model) : undefined;
  return {
    name: card.name,
    kind: card.kind,
    family: card.kind === 'refiner' ? null : card.family,
    bytes: bytesOf(card, card.bytes ?? record?.bytes) ?? null,
    licence: card.licence,
    source: sourceText(card.source),
    // Null while the weights or another file of the model are not here.
    weights: (isWhole ? model.weights : undefined) ?? null,
    // Whether these very weights agreed with the card when they were last loaded, and where they ran.
    verified:
      record !== undefined && holdsWeightsOf(card, record.sha256) && !isOnlyPinnedHere(card),
    device: record?.device ?? null,
    use: useOf(card),
    accuracy: accuracyOf(card) ?? null,
    // As last measured on this machine.
    speed: await speedOf(card, record?.sha256),
  };
}

type Listed = Awaited<ReturnType<typeof listedModel>>;

function useOf(card: ModelCard): string {
  if (card.kind === 'refiner') return 'weighs boxes';
  if (card.use) return card.use;
  if (card.kind === 'encoder') return 'cue of a refiner';
  return card.labels === 'prompts' ? 'asked in words' : 'boxes by label';
}

function accuracyOf(card: ModelCard): Accuracy {
  if (card.kind !== 'refiner') return card.accuracy;
  const value = card.validation?.fitted.accuracy ?? undefined;
  return value === undefined ? undefined : { value, on: 'held out', by: 'vgr' };
}

async function speedOf({ sha256 }: ModelCard, verified: string | undefined) {
  const weights = verified ?? sha256;
  return (weights === undefined ? undefined : await recallSpeed(weights)) ?? null;
}

/** In {@link WIDTH} columns, unless names are very long. */
function shortTable(models: readonly Listed[]): string {
  const rows = models.map(({ name, bytes, accuracy, weights, speed }) => [
    name,
    sizeText(bytes),
    accuracy === null
      ? '-'
      : `${accuracy.value.toFixed(3)} ${printable(accuracy.on)}${accuracy.by === 'published' ? '*' : ''}`,
    weights === null ? '-' : speed === null ? 'yes' : `${speedText(speed.per_second)}/s`,
  ]);
  const cells = [HEADINGS.slice(0, -1), ...rows];
  const taken = HEADINGS.slice(0, -1)
    .map((_, column) => 2 + Math.max(...cells.map((row) => row[column]!.length)))
    .reduce((sum, width) => sum + width, 0);
  const left = Math.max(WIDTH - taken, LEAST_USE);
  const uses = ['for', ...models.map(({ use }) => fitted(printable(use), left))];
  return tableText(cells.map((row, index) => [...row, uses[index]!]));
}

function speedText(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : perSecond.toFixed(0);
}

/**
 * Bytes of a model's files together; unknown where those of a graph are. Tokenisers of unknown size are left out: they are small.
 * @param own bytes of the graph in `file`
 */
function bytesOf(card: ModelCard, own: number | undefined): number | undefined {
  const further = furtherFiles(card);
  const graphs = card.kind === 'detector' ? Object.values(card.graphs ?? {}) : [];
  const isUnknown = further.some(({ file, bytes }) => bytes === undefined && graphs.includes(file));
  if (own === undefined || isUnknown) return undefined;
  return further.reduce((sum, { bytes = 0 }) => sum + bytes, own);
}

function sizeText(bytes: number | null): string {
  return bytes === null ? '?' : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function longCells(model: Listed, from: ModelSource): string[] {
  const { name, kind, family, bytes, licence, verified, device, weights } = model;
  return [
    name,
    family ?? kind,
    sizeText(bytes),
    printable(licence),
    verified ? 'yes' : '-',
    device ?? '-',
    weights === null ? `(not here: ${bringing(from)})` : printable(weights),
  ];
}

/** The command that brings weights. */
function bringing(source: ModelSource): string {
  if ('package' in source) return 'npm run build';
  return 'added' in source ? 'vgr models add' : 'vgr models pull';
}

function sourceText(source: ModelSource): string {
  if ('url' in source) return source.url;
  if ('hub' in source) return `${source.hub}@${source.revision}/${source.path}`;
  return 'package' in source ? `npm ${source.package}@${source.version}` : source.added;
}

/**
 * `vgr models verify`: reads weights and compares them with their cards; with a device, compares what models make of a photo there
 * with what they make of it on the CPU.
 * @returns 0, or 3 where one does not fit
 */
export async function verifyModels(
  names: readonly string[],
  { device }: { readonly device?: string },
  printer: Printer,
): Promise<number> {
  const devices = device === undefined ? [] : comparedDevices(device, printer);
  const wanted =
    names.length > 0
      ? await Promise.all(names.map((name) => findModel(name)))
      : (await listModels()).models.filter(({ weights }) => weights !== undefined);
  let failed = 0;
  // One after the other: each is in memory whole.
  for (const model of wanted) {
    if (!(await verdict(model, printer))) failed += 1;
    else if (model.card.kind !== 'refiner' && devices.length > 0) {
      const { compareDevices } = await import('./device.js');
      if (!(await compareDevices(model, devices, printer))) failed += 1;
    }
  }
  return failed === 0 ? 0 : 3;
}

/** The devices of `--device` beside the CPU; says why there is none. @throws VgrError USAGE */
function comparedDevices(text: string, printer: Printer): readonly Device[] {
  const { devices, skipped } = planDevices(parseDevice(text));
  for (const reason of skipped) printer.note(`left out: ${reason}`);
  const others = devices.filter(({ name }) => name !== 'cpu');
  if (others.length === 0) printer.note('no device beside the CPU to compare');
  return others;
}

async function verdict(model: StoredModel, printer: Printer): Promise<boolean> {
  try {
    if (isEncoder(model)) await readEncoder(model);
    else {
      await readVerified(model);
      for (const { file } of furtherFiles(model.card)) await readFurther(model, file);
    }
    const verdict = isOnlyPinnedHere(model.card)
      ? 'as first downloaded; its publisher names no sha256'
      : 'as its card says';
    await printer.data(`${model.card.name}: ${verdict}\n`);
    return true;
  } catch (thrown) {
    printer.fatal(asVgrError(thrown));
    return false;
  }
}

/**
 * `vgr models remove`: deletes the folders of models from the user's folder. Cards that come with the program stay.
 * @throws VgrError MODEL_UNKNOWN, OUTPUT_UNWRITABLE
 * @returns the exit code
 */
export async function removeModels(names: readonly string[], printer: Printer): Promise<number> {
  const root = modelsFolder();
  for (const name of names) {
    // Anything else is no model's name, and might lead out of the folder.
    const folder = CARD_NAME.test(name) ? await ownFolder(name, root) : undefined;
    if (folder === undefined) {
      throw new VgrError('MODEL_UNKNOWN', `no model ${quoted(name)} in ${quoted(root)}`, {
        hint: '`vgr models list` shows the folders; models that come with the program stay',
      });
    }
    await rm(folder, { recursive: true }).catch((thrown: unknown) => {
      throw outputError(folder, thrown);
    });
    await printer.data(`${name}: removed\n`);
  }
  return 0;
}

/** The folder of this name in the user's folder, else the one there whose card has this name. */
async function ownFolder(name: string, root: string): Promise<string | undefined> {
  const folder = join(root, name);
  if ((await stat(folder).catch(() => undefined))?.isDirectory()) return folder;
  const { models } = await listModels();
  const named = models.find(({ card }) => card.name === name)?.folder;
  return named && dirname(resolve(named)) === resolve(root) ? named : undefined;
}
