import { basename, dirname, resolve } from 'node:path';
import { asVgrError, printable, quoted, VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { tableText } from '../core/text.js';
import { CARD_NAME } from '../formats/card-parts.js';
import { holdsWeightsOf, type ModelCard } from '../formats/model-card.js';
import {
  findModel,
  furtherFiles,
  furtherPath,
  isEncoder,
  listModels,
  modelsFolder,
  readEncoder,
  readFurther,
  readVerified,
  recallModel,
  type StoredModel,
} from '../runtime/model-store.js';
import { removeModel } from './install.js';

/** A model as `vgr models list --json` tells it, one line each. */
interface ListedModel {
  readonly name: string;
  readonly kind: string;
  readonly family: string | null;
  readonly bytes: number | null;
  readonly licence: string;
  readonly source: string;
  /** Where the weights are; null while they or another file of the model are not here. */
  readonly weights: string | null;
  /** Whether these very weights were held against the card when they were last loaded. */
  readonly verified: boolean;
  /** Where they last ran. */
  readonly device: string | null;
}

const HEADINGS = ['name', 'family', 'size', 'licence', 'verified', 'device', 'weights'];

/** `vgr models list`: every card at hand, and where its weights are. @returns the exit code */
export async function printModels(
  printer: Printer,
  { json }: { readonly json: boolean },
): Promise<number> {
  const { models, broken } = await listModels();
  const listed = await Promise.all(models.map(listedModel));
  if (json) for (const model of listed) await printer.data(`${JSON.stringify(model)}\n`);
  else {
    const rows = listed.map((one, index) => cellsOf(one, models[index]!.card.source));
    await printer.data(tableText([HEADINGS, ...rows]));
  }
  for (const { error } of broken) printer.fatal(error);
  return broken.length === 0 ? 0 : 2;
}

async function listedModel(model: StoredModel): Promise<ListedModel> {
  const { card } = model;
  const further = furtherFiles(card);
  const isWhole = further.every(({ file }) => furtherPath(model, file) !== undefined);
  const record = isWhole ? await recallModel(model) : undefined;
  return {
    name: card.name,
    kind: card.kind,
    family: card.kind === 'refiner' ? null : card.family,
    bytes:
      card.bytes === undefined
        ? null
        : further.reduce((sum, { bytes = 0 }) => sum + bytes, card.bytes),
    licence: card.licence,
    source: sourceText(card.source),
    weights: (isWhole ? model.weights : undefined) ?? null,
    verified: record !== undefined && holdsWeightsOf(card, record.sha256),
    device: record?.device ?? null,
  };
}

function cellsOf(model: ListedModel, from: ModelCard['source']): string[] {
  const { name, kind, family, bytes, licence, verified, device, weights } = model;
  return [
    name,
    family ?? kind,
    bytes === null ? '?' : `${(bytes / 2 ** 20).toFixed(1)} MiB`,
    printable(licence),
    verified ? 'yes' : '-',
    device ?? '-',
    weights === null ? `(not here: ${bringing(from)})` : printable(weights),
  ];
}

/** The command that brings weights. */
function bringing(source: ModelCard['source']): string {
  if ('package' in source) return 'npm run build';
  return 'added' in source ? 'vgr models add' : 'vgr models pull';
}

function sourceText(source: ModelCard['source']): string {
  if ('url' in source) return source.url;
  if ('hub' in source) return `${source.hub}@${source.revision}/${source.path}`;
  return 'package' in source ? `npm ${source.package}@${source.version}` : source.added;
}

/** `vgr models verify`: reads weights and compares them with their cards. @returns 0, or 3 where one does not fit */
export async function verifyModels(names: readonly string[], printer: Printer): Promise<number> {
  const wanted =
    names.length > 0
      ? await Promise.all(names.map((name) => findModel(name)))
      : (await listModels()).models.filter(({ weights }) => weights !== undefined);
  let failed = 0;
  // One after the other: each is in memory whole.
  for (const model of wanted) if (!(await verdict(model, printer))) failed += 1;
  return failed === 0 ? 0 : 3;
}

async function verdict(model: StoredModel, printer: Printer): Promise<boolean> {
  try {
    if (isEncoder(model)) await readEncoder(model);
    else {
      await readVerified(model);
      for (const file of furtherFiles(model.card)) await readFurther(model, file);
    }
    await printer.data(`${model.card.name}: as its card says\n`);
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
    const removed =
      CARD_NAME.test(name) &&
      ((await removeModel(name, root)) || (await removeModel(await folderOf(name, root), root)));
    if (!removed) {
      throw new VgrError('MODEL_UNKNOWN', `no model ${quoted(name)} in ${quoted(root)}`, {
        hint: '`vgr models list` shows where each lies; those of the program itself stay',
      });
    }
    await printer.data(`${name}: removed\n`);
  }
  return 0;
}

/** Name of the folder in the user's folder whose card has this name: it may be called otherwise. */
async function folderOf(name: string, root: string): Promise<string> {
  const { models } = await listModels(root);
  const named = models.find(({ card }) => card.name === name);
  const isOwn = named !== undefined && dirname(resolve(named.folder)) === resolve(root);
  return isOwn ? basename(named.folder) : name;
}
