import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';

/**
 * Makes a folder and those above it; nothing happens where it is there. Node's own recursive `mkdir` never ends where a file
 * system answers ENOENT for a new folder in one that is there, as /proc does.
 * @throws NodeJS.ErrnoException of `mkdir`
 */
export async function makeFolder(folder: string): Promise<void> {
  const missing: string[] = [];
  let place = path.resolve(folder);
  while (!(await isFolder(place))) {
    missing.push(place);
    const above = path.dirname(place);
    if (above === place) break;
    place = above;
  }
  for (const each of missing.reverse()) {
    await mkdir(each).catch(async (thrown: NodeJS.ErrnoException) => {
      // Another process may have made it meanwhile.
      if (thrown.code !== 'EEXIST' || !(await isFolder(each))) throw thrown;
    });
  }
}

async function isFolder(place: string): Promise<boolean> {
  const found = await stat(place).catch(() => undefined);
  return found?.isDirectory() ?? false;
}
