import { asVgrError, quoted, VgrError } from '../formats/fault.js';
import { CARD_NAME } from '../formats/model-card.js';
import { removeModel } from '../io/model-install.js';
import { modelsFolder } from '../io/model-place.js';
import { findModel, listModels, type StoredModel } from '../io/model-store.js';
import { readVerified } from '../io/model-weights.js';
import type { Printer } from './printer.js';

/** `vgr models list`: every card at hand, and where its weights lie. @returns the exit code */
export async function listModelsCommand(printer: Printer): Promise<number> {
  const { models, broken } = await listModels();
  for (const { card, weights } of models) {
    const size = card.bytes === undefined ? '?' : `${(card.bytes / 2 ** 20).toFixed(1)} MiB`;
    const columns = [card.name.padEnd(22), card.kind.padEnd(9), size.padStart(9), card.licence];
    await printer.data(`${columns.join('  ')}  ${weights ?? '(weights not here)'}\n`);
  }
  for (const { fault } of broken) printer.fatal(fault);
  return broken.length === 0 ? 0 : 2;
}

/** `vgr models verify`: reads weights and compares them with their cards. @returns 0, or 3 where one does not fit */
export async function verifyModelsCommand(
  names: readonly string[],
  printer: Printer,
): Promise<number> {
  const wanted =
    names.length > 0
      ? await Promise.all(names.map((name) => findModel(name)))
      : (await listModels()).models.filter(({ weights }) => weights !== undefined);
  const verdicts = await Promise.all(wanted.map((model) => verdict(model, printer)));
  return verdicts.every(Boolean) ? 0 : 3;
}

async function verdict(model: StoredModel, printer: Printer): Promise<boolean> {
  try {
    await readVerified(model);
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
export async function removeModelsCommand(
  names: readonly string[],
  printer: Printer,
): Promise<number> {
  const folder = modelsFolder();
  for (const name of names) {
    // Anything else is no model's name, and might lead out of the folder.
    const removed = CARD_NAME.test(name) && (await removeModel(name, folder));
    if (!removed) {
      throw new VgrError('MODEL_UNKNOWN', `no model ${quoted(name)} in ${quoted(folder)}`, {
        hint: '`vgr models list` shows where each lies; those of the program itself stay',
      });
    }
    await printer.data(`${name}: removed\n`);
  }
  return 0;
}
