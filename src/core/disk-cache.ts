import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, outputError } from './files.js';

/**
 * Computed examples on disk, by the content of all that decides them. A file is written beside its place and renamed; one
 * that cannot be read counts as missing.
 */
export class ExampleCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#place(key));
    } catch {
      return undefined;
    }
  }

  /** @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    const place = this.#place(key);
    const partial = `${place}.partial-${randomUUID()}`;
    try {
      await makeFolder(dirname(place));
      await writeFile(partial, bytes);
      await rename(partial, place);
    } catch (thrown) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw outputError(place, thrown);
    }
  }

  #place(key: string): string {
    return join(this.#folder, key.slice(0, 2), `${key.slice(2)}.bin`);
  }
}

/** sha256 of a value as JSON, hexadecimal. */
export function contentKey(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
