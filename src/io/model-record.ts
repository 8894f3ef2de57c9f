import { readFile, stat } from 'node:fs/promises';
import { writeFileAtomic } from './atomic-file.js';
import { statePath } from './state-folder.js';

/** What is remembered of the last time a model was loaded. */
export interface ModelRecord {
  /** The file that was verified then. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly device: string;
}

const recordPath = (name: string): string => statePath('models', `${name}.json`);

/** Remembers a model that was verified and runs. Never fails: where nothing can be written, nothing is remembered. */
export async function rememberModel(
  name: string,
  path: string,
  sha256: string,
  device: string,
): Promise<void> {
  try {
    const { size, mtimeMs } = await stat(path);
    const record: ModelRecord = { path, sha256, bytes: size, mtimeMs, device };
    const text = `${JSON.stringify(record)}\n`;
    const before = await readFile(recordPath(name), 'utf8').catch(() => '');
    if (before !== text) await writeFileAtomic(recordPath(name), [text]);
  } catch {
    // A read-only home is no reason to stop.
  }
}

/** What is remembered of a model; undefined where there is nothing, or another file lies there by now. */
export async function recallModel(name: string, path: string): Promise<ModelRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(recordPath(name), 'utf8')) as ModelRecord;
    const { size, mtimeMs } = await stat(path);
    const same = record.path === path && record.bytes === size && record.mtimeMs === mtimeMs;
    return same ? record : undefined;
  } catch {
    return undefined;
  }
}
