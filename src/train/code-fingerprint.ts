import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Rooms of the program that make numbers of queries and photos. */
const ROOMS = ['core', 'detect', 'formats', 'language', 'photos', 'refine', 'runtime', 'train'];
const CODE = /\.(?:js|ts)$/;

/**
 * sha256 over the names and bytes of the program's own files that turn a query and its photo into numbers: what was computed
 * by other code, another lexicon among it, is found under another key. `root` holds the rooms.
 */
export async function codeFingerprint(
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
