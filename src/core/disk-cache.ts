import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from './files.js';

/**
 * Computed values on disk, by the content of all that decides them. A file that cannot be read counts as missing; one may be
 * lost with the power. Only the user can read them.
 */
export class DiskCache {
  /** @param extension of the files, without the dot */
  constructor(
    private readonly folder: string,
    private readonly extension: string,
  ) {}

  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#path(key));
    } catch {
      return undefined;
    }
  }

  /** @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async put(key: string, content: string | Uint8Array): Promise<void> {
    await writeFileAtomic(this.#path(key), content, {
      durable: false,
      isPrivate: true,
    });
  }

  #path(key: string): string {
    return join(this.folder, key.slice(0, 2), `${key.slice(2)}.${this.extension}`);
  }
}
