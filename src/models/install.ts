import { createReadStream } from 'node:fs';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { makeFolder, outputError, writeFileAtomic } from '../core/files.js';
import type { ModelCard } from '../formats/model-card.js';
import { externalPath, furtherFiles } from '../runtime/model-store.js';

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
  const partial = join(modelsFolder, `.${card.name}.partial-${process.pid}`);
  if (await stat(folder).catch(() => undefined)) {
    throw new VgrError('USAGE', `there is a folder ${quoted(folder)} already`, {
      hint: `\`vgr models remove ${card.name}\` removes it; \`--name\` gives another name`,
    });
  }
  try {
    await writeFileAtomic(join(partial, card.file), createReadStream(weights));
    for (const { file } of card.external ?? []) {
      const from = await externalPath(file, weights);
      await writeFileAtomic(join(partial, file), createReadStream(from));
    }
    for (const { file } of furtherFiles(card)) {
      const from = await besidePath(weights, file);
      if (from === undefined) {
        throw new VgrError('MODEL_MISSING', `${quoted(file)} is not beside ${quoted(weights)}`);
      }
      await writeFileAtomic(join(partial, file), createReadStream(from));
    }
    await writeFileAtomic(join(partial, 'card.json'), [cardText(card)]);
    await rename(partial, folder);
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true });
    throw outputError(folder, thrown);
  }
  return folder;
}

/** Writes the card of a model in the user's folder. @throws VgrError OUTPUT_UNWRITABLE, DISK_FULL */
export async function writeCard(card: ModelCard, modelsFolder: string): Promise<void> {
  const folder = join(modelsFolder, card.name);
  await makeFolder(folder).catch((thrown: unknown) => {
    throw outputError(folder, thrown);
  });
  await writeFileAtomic(join(folder, 'card.json'), [cardText(card)]);
}

/**
 * Removes a model's folder from the user's folder of models.
 * @returns whether there was one
 * @throws VgrError OUTPUT_UNWRITABLE
 */
export async function removeModel(name: string, modelsFolder: string): Promise<boolean> {
  const folder = join(modelsFolder, name);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) return false;
  try {
    await rm(folder, { recursive: true });
  } catch (thrown) {
    throw outputError(folder, thrown);
  }
  return true;
}

/** A file beside a model or one folder above it, as the Hugging Face hub lays them out; undefined where there is none. */
export async function readBeside(weights: string, name: string): Promise<string | undefined> {
  const path = await besidePath(weights, name);
  return path === undefined ? undefined : readFile(path, 'utf8').catch(() => undefined);
}

/** The same as bytes. */
export async function readBytesBeside(
  weights: string,
  name: string,
): Promise<Uint8Array | undefined> {
  const path = await besidePath(weights, name);
  return path === undefined ? undefined : readFile(path).catch(() => undefined);
}

async function besidePath(weights: string, name: string): Promise<string | undefined> {
  const folder = dirname(resolve(weights));
  for (const each of [folder, dirname(folder)]) {
    const path = join(each, name);
    if ((await stat(path).catch(() => undefined))?.isFile()) return path;
  }
  return undefined;
}

function cardText(card: ModelCard): string {
  return `${JSON.stringify(card, null, 2)}\n`;
}
