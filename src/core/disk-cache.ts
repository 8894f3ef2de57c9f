import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from './files.js';
import { sha256Of } from './text.js';

/**
 * Computed examples on disk, by the content of all that decides them. A file that cannot be read counts as missing.
 */
export class ExampleCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#path(key));
    } catch {
      return undefined;
    }
  }

  /** @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    await writeFileAtomic(this.#path(key), bytes, { durable: false });
  }

  #path(key: string): string {
    return join(this.#folder, key.slice(0, 2), `${key.slice(2)}.bin`);
  }
}

/** sha256 of a value as JSON, hexadecimal. */
export function contentKey(value: unknown): string {
  return sha256Of(JSON.stringify(value));
}
