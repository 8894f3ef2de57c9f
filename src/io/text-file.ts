import { createReadStream, existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { asVgrError, quoted, VgrError } from '../formats/fault.js';

/** The text of a file; undefined where there is none. @throws VgrError INPUT_UNREADABLE */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new VgrError('INPUT_UNREADABLE', `${quoted(path)}: ${asVgrError(thrown).message}`, {
      cause: thrown,
    });
  }
}

/** The value in a JSON file. @throws VgrError INPUT_MISSING, INPUT_UNREADABLE, INPUT_INVALID */
export async function readJson(path: string): Promise<unknown> {
  const text = await readTextIfThere(path);
  if (text === undefined) throw new VgrError('INPUT_MISSING', `no file ${quoted(path)}`);
  try {
    // Editors of Windows put a mark of the byte order first.
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new VgrError(
      'INPUT_INVALID',
      `${quoted(path)}: expected JSON: ${asVgrError(cause).message}`,
      {
        cause,
      },
    );
  }
}

/** Whether a file is there, or a link to one: no folder, and no pipe that would be waited for. */
export function isFile(path: string): boolean {
  // What cannot be reached at all throws otherwise.
  return existsSync(path) && (statSync(path, { throwIfNoEntry: false })?.isFile() ?? false);
}

export function fileExists(path: string): boolean {
  return existsSync(path);
}

/** A file's text in pieces, cut anywhere between characters. @throws VgrError INPUT_MISSING, INPUT_UNREADABLE */
export async function* readTextChunks(path: string): AsyncGenerator<string> {
  try {
    yield* createReadStream(path, { encoding: 'utf8', highWaterMark: 256 * 1024 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new VgrError('INPUT_MISSING', `no file ${quoted(path)}`, { cause: thrown });
    }
    throw new VgrError('INPUT_UNREADABLE', `${quoted(path)}: ${asVgrError(thrown).message}`, {
      cause: thrown,
    });
  }
}
