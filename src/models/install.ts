import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { outputError, writeFileAtomic } from '../core/files.js';
import type { ModelCard } from '../formats/model-card.js';
import { besidePath, externalPath, furtherFiles } from '../runtime/model-store.js';

/**
 * Puts a model of the user's own into the folder of models: the whole folder appears at once, or not at all.
 * @param weights the model file; the card's further files are beside it
 * @returns the model's folder
 * @throws VgrError USAGE where the name is taken, OUTPUT_UNWRITABLE, DISK_FULL, MODEL_CORRUPT
 */
export async function installModel(
  card: ModelCard,
  weights: string,
  modelsFolder: string,
): Promise<string> {
  const folder = join(modelsFolder, card.name);
  const partial = join(modelsFolder, `.${card.name}.partial-${randomUUID()}`);
  if (await stat(folder).catch(() => undefined)) {
    throw new VgrError('USAGE', `there is a folder ${quoted(folder)} already`, {
      hint: `\`vgr models remove ${card.name}\` removes it; \`--name\` gives another name`,
    });
  }
  const copy = (from: string, file: string): Promise<void> =>
    writeFileAtomic(join(partial, file), createReadStream(from), { within: partial });
  try {
    await copy(weights, card.file);
    for (const { file } of card.external ?? []) {
      await copy(await externalPath(file, weights), file);
    }
    for (const { file } of furtherFiles(card)) {
      const from = besidePath(weights, file);
      if (from === undefined) {
        throw new VgrError('MODEL_MISSING', `${quoted(file)} is not beside ${quoted(weights)}`);
      }
      await copy(from, file);
    }
    await writeCard(card, partial);
    await rename(partial, folder);
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true });
    throw outputError(folder, thrown);
  }
  return folder;
}

/** Writes the card of a model in the user's folder. @throws VgrError OUTPUT_UNWRITABLE, DISK_FULL */
export function writeCard(card: ModelCard, folder: string): Promise<void> {
  const text = `${JSON.stringify(card, null, 2)}\n`;
  return writeFileAtomic(join(folder, 'card.json'), text, { within: folder });
}
