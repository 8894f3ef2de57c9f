import { asVgrError } from '../formats/fault.js';
import { findModel, listModels, readVerified, type StoredModel } from '../io/model-store.js';
import type { Printer } from './printer.js';

/** `vgr models list`: every card at hand, and where its weights lie. @returns the exit code */
export async function listModelsCommand(printer: Printer): Promise<number> {
  for (const { card, weights } of await listModels(process.env.VGR_MODELS_DIR)) {
    const size = `${(card.bytes / 2 ** 20).toFixed(1)} MiB`;
    const columns = [card.name.padEnd(22), card.kind.padEnd(9), size.padStart(9), card.licence];
    await printer.data(`${columns.join('  ')}  ${weights ?? '(weights not here)'}\n`);
  }
  return 0;
}

/** `vgr models verify`: reads weights and compares them with their cards. @returns 0, or 3 where one does not fit */
export async function verifyModelsCommand(
  names: readonly string[],
  printer: Printer,
): Promise<number> {
  const folder = process.env.VGR_MODELS_DIR;
  const wanted =
    names.length > 0
      ? await Promise.all(names.map((name) => findModel(name, folder)))
      : (await listModels(folder)).filter(({ weights }) => weights !== undefined);
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
