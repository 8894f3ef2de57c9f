import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder, outputError } from '../core/files.js';

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

/** Rooms of the program that make numbers of queries and photos. */
const ROOMS = ['core', 'detect', 'formats', 'language', 'photos', 'refine', 'runtime', 'train'];
const CODE = /\.(?:js|ts)$/;

/**
 * sha256 over the names and bytes of the program's own files that turn a query and its photo into numbers: what was computed
 * by other code, another lexicon among it, is found under another key. `root` holds the rooms.
 */
export async function codeTrace(
  root = fileURLToPath(new URL('..', import.meta.url)),
): Promise<string> {
  const hash = createHash('sha256');
  for (const room of ROOMS) {
    const entries = await readdir(join(root, room), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && CODE.test(entry.name));
    const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort();
    for (const path of paths) {
      const name = relative(root, path).split(sep).join('/');
      const bytes = await readFile(path);
      hash.update(`${name}\n${bytes.length}\n`).update(bytes);
    }
  }
  return hash.digest('hex');
}
